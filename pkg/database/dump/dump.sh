# Dumps $DATABASES as $ID, checks what was written, and then removes dumps beyond $KEEP.
[ -z "$RECIPIENT" ] || command -v age >/dev/null || fail no-tools "the image has no age, which --dump-recipient needs; --dump-image names one with it and PostgreSQL's own tools"
mkdir -p "$dumps" 2>"$work/mkdir" || because "$work/mkdir" volume "making a folder in the volume"
rm -rf "$dumps"/*.part # of runs that died
free=$(df -Pk "$dumps" | awk 'END { print $4 }')
[ "$free" -ge "$NEED" ] || fail no-space "the volume has $free KiB left, and the tables of the databases take $NEED KiB"
dir=$dumps/$ID.part
pipe=$work/pipe
mkfifo "$pipe"
# untry drops empty databases of this run, and of runs that died.
untry() {
	[ -n "${one:-}" ] && sql "$one" "SELECT format('DROP DATABASE %I;', datname) FROM pg_database d WHERE datname ~ '^stagecrew_try_' AND pg_has_role(datdba, 'USAGE')
		AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE datid = d.oid)" >"$work/drop" || return 0
	while IFS= read -r order; do sql "$one" "$order" || tail "$work/sql" >&2; done <"$work/drop"
}
# try makes what the database $name consists of anew, without its rows, in a database that
# is empty: what cannot be made now could not be when the dump is restored.
try() {
	empty=stagecrew_try_$(basename "$work" | tr A-Z a-z | tr -cd a-z0-9) as='' bad=''
	IFS= read -r as <"$dir/$n.created" || :
	sql "$one" "CREATE DATABASE $empty TEMPLATE template0 $as" || because "$work/sql" cannot-restore "making a database like $name"
	rm -f "$work/broken"
	{
		printf 'BEGIN;\n'
		{ PGDATABASE=$name pg_dump -w -s 2>"$work/dump" || : >"$work/broken"; } | sed '1,60{/^SET transaction_timeout = 0;$/d;}'
		printf 'COMMIT;\n'
	} | PGDATABASE=$empty psql -Xwq -v ON_ERROR_STOP=1 >/dev/null 2>"$work/tried" || bad=yes
	[ ! -e "$work/broken" ] || because "$work/dump" failed "$what"
	[ -z "$bad" ] || fail cannot-restore "what the database $name consists of cannot be made anew in an empty one, as a restore would: $(tail -n 4 "$work/tried")"
	sql "$one" "DROP DATABASE $empty" || tail "$work/sql" >&2
}
trap 'untry; rm -rf "$dir" "$work"' EXIT
mkdir "$dir" 2>"$work/mkdir" && printf '%s\n' "$FROM" >"$dir/from" && now >"$dir/begin" || because "$work/mkdir" volume "making a folder in the volume"

seal() { if [ -n "$RECIPIENT" ]; then age -r "$RECIPIENT"; else cat; fi; }
# counted reads a dump to its end, as a restore would, and gives its tables and rows.
counted() {
	{ pg_restore --section=data -f - 2>"$work/restore" && printf '%s\n' '-- whole'; } | awk '
		within { if ($0 == "\\.") within = 0; else rows++; next }
		/^COPY .* FROM stdin;$/ { within = 1; tables++; next }
		$0 == "-- whole" { whole = 1 }
		END { if (!whole) exit 1; printf "%d %d\n", tables, rows }'
}
tables="SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
	AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')"

# How the server made a database, in its own words: pg_dump says it in those of its version.
created="SELECT format('ENCODING %L LC_COLLATE %L LC_CTYPE %L', pg_encoding_to_char(encoding), datcollate, datctype)
	|| CASE j->>'datlocprovider' WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L', coalesce(j->>'datlocale', j->>'daticulocale'))
		WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', j->>'datlocale') ELSE '' END
	FROM pg_database d, LATERAL to_jsonb(d) j WHERE datname = current_database()"

printf '%s\n' "$DATABASES" >"$work/databases"
maintenance "$work/databases"
untry
n=0 all=0
while IFS= read -r name; do
	n=$((n + 1))
	file=$dir/$n.dump
	[ -z "$RECIPIENT" ] || file=$file.age
	what="dumping the database $name"
	sql "$name" "$writes" >"$dir/$n.writes" || because "$work/sql" failed "$what"
	sql "$name" "$created" >"$dir/$n.created" || because "$work/sql" failed "$what"
	want=$(sql "$name" "$tables") || because "$work/sql" failed "$what"
	try
	counted <"$pipe" >"$work/counted" &
	checker=$!
	rm -f "$work/broken"
	{ PGDATABASE=$name pg_dump -w -Fc 2>"$work/dump" || : >"$work/broken"; } | tee "$pipe" 2>"$work/tee" | seal >"$file" 2>"$work/seal" ||
		{ [ -s "$work/seal" ] && because "$work/seal" failed "$what"; fail failed "$what: its bytes could not be written"; }
	[ ! -e "$work/broken" ] || because "$work/dump" failed "$what"
	wait $checker || because "$work/restore" not-whole "reading the dump of $name again"
	read -r had rows <"$work/counted" || fail not-whole "the dump of $name is empty"
	[ "$had" = "$want" ] || fail not-whole "the dump of $name has the data of $had tables, and the database has $want"
	bytes=$(wc -c <"$file")
	[ "$bytes" -gt 0 ] || fail not-whole "the dump of $name has no bytes"
	printf '%s\n' "$name" >>"$dir/databases"
	all=$((all + bytes))
	say database "$name" "$((bytes))" "$had" "$rows"
done <<LIST
$DATABASES
LIST
now >"$dir/end" || fail no-space "writing the end of the dump"
sync
mv "$dir" "$dumps/$ID"
say done "$ID" "$(cat "$dumps/$ID/begin")" "$(cat "$dumps/$ID/end")" "$all"

# From here on the dump is there, and nothing of this may fail it. One that a restore has
# begun with, and not come to its end, stays.
ls -1 "$dumps" | grep -v '\.part$' | sort -r | tail -n "+$((KEEP + 1))" | while read -r old; do
	[ ! -e "$dumps/$old/restoring" ] || [ -e "$dumps/$old/restored" ] || continue
	if [ -s "$dumps/$old/replaced" ]; then
		maintenance "$dumps/$old/databases"
		while read -r gone; do sql "$one" "DROP DATABASE IF EXISTS :\"gone\"" -v gone="$gone" || cat "$work/sql" >&2; done <"$dumps/$old/replaced"
	fi
	rm -rf "${dumps:?}/$old" && say removed "$old"
done || true
