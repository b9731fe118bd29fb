# Finds the newest dump of what the image $FROM has left in its databases.
[ -d "$dumps" ] || fail none "the volume holds no dump of this release"
for id in $(ls -1 "$dumps" | grep -v '\.part$' | sort -r) ""; do
	[ -n "$id" ] || fail none "the volume holds no dump of what the image $FROM has left in its databases"
	[ "$(cat "$dumps/$id/from" 2>/dev/null)" != "$FROM" ] || break
done
case "$(ls "$dumps/$id")" in *.age*)
	[ -n "$IDENTITY" ] || fail no-identity "the dump $id is encrypted, and no identity was given: --dump-identity SECRET/KEY"
	command -v age >/dev/null || fail no-tools "the image has no age, and the dump $id is encrypted; --dump-image names one with it and PostgreSQL's own tools" ;;
esac
n=0 all=0
while IFS= read -r name; do
	n=$((n + 1))
	bytes=$(cat "$dumps/$id/$n".dump* | wc -c)
	all=$((all + bytes))
	say database "$name" "$((bytes))" 0 0
done <"$dumps/$id/databases"
say done "$id" "$(cat "$dumps/$id/begin")" "$(cat "$dumps/$id/end")" "$all"
