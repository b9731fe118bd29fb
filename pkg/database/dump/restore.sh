# Restores the dump $ID: into new databases first, which then take the names of the old
# ones, all at once or none. What is interrupted can be run again.
dir=$dumps/$ID
[ -s "$dir/databases" ] || fail none "the volume does not hold the dump $ID"
: >"$dir/restoring" || fail volume "the volume is not writable"
maintenance "$dir/databases"
# drop removes what a restore has begun that did not come to its end.
drop() {
	sql "$one" "SELECT format('DROP DATABASE %I;', datname) FROM pg_database WHERE datname ~ '^stagecrew_new_[0-9]+$'" >"$work/drop" &&
		while IFS= read -r order; do sql "$one" "$order" || cat "$work/sql" >&2; done <"$work/drop"
}
trap 'drop; rm -rf "$work"' EXIT
drop
opened() { if [ -e "$dir/$n.dump.age" ]; then age -d -i "$IDENTITY" "$dir/$n.dump.age"; else cat "$dir/$n.dump"; fi; }
# restore OPTION… writes the dump in hand as SQL, or what of it is wanted.
restore() {
	{ opened 2>"$work/open" || :; } | pg_restore -f - "$@" 2>"$work/restore" || : >"$work/broken"
}
# restored makes sure that all of the dump was read.
restored() {
	[ -e "$work/broken" ] || return 0
	[ ! -s "$work/open" ] || because "$work/open" failed "reading the dump of $name"
	because "$work/restore" failed "$what"
}
# into DATABASE restores in one transaction, of which a dump that is cut does not come to the
# end. Tools of 17 set what an older server does not know.
into() {
	{
		printf 'BEGIN;\n'
		restore | sed '1,60{/^SET transaction_timeout = 0;$/d;}'
		[ -e "$work/broken" ] || printf 'COMMIT;\n'
	} | PGDATABASE=$1 psql -Xwq -v ON_ERROR_STOP=1 >/dev/null 2>"$work/sql"
}

n=0 stamp=$(date -u +%Y%m%d%H%M%S)
: >"$work/swap"
: >"$work/rights"
: >"$work/replaced"
while IFS= read -r name; do
	n=$((n + 1))
	what="restoring the database $name"
	new=stagecrew_new_$n
	there=$(sql "$one" "SELECT count(*) FROM pg_database WHERE datname = :'name'" -v name="$name") || because "$work/sql" failed "$what"
	if [ "$there" = 1 ]; then
		sql "$name" "$writes" >"$work/writes" || because "$work/sql" failed "$what"
		awk -F '\t' -v OFS='\t' -v name="$name" 'FILENAME == ARGV[1] { ins[$1] = $2; upd[$1] = $3; del[$1] = $4; next }
			{ i = $2 - ins[$1]; u = $3 - upd[$1]; d = $4 - del[$1]
			  if (i < 0 || u < 0 || d < 0) { i = $2; u = $3; d = $4 } # it was made anew, or its counts were
			  if (i + u + d > 0) print "stagecrew", "lost", name, $1, i, u, d }' "$dir/$n.writes" "$work/writes"
		old=$(printf 'old_%s_%s' "$stamp" "$name" | cut -c 1-63)
		set -- "$@" -v "name$n=$name" -v "old$n=$old"
		printf 'ALTER DATABASE :"name%d" RENAME TO :"old%d";\n' $n $n >>"$work/swap"
		printf '%s\n' "$old" >>"$work/replaced"
	else
		set -- "$@" -v "name$n=$name"
	fi
	printf 'ALTER DATABASE %s RENAME TO :"name%d";\n' "$new" $n >>"$work/swap"
	sql "$one" "CREATE DATABASE $new TEMPLATE template0 $(cat "$dir/$n.created")" || because "$work/sql" failed "$what"
	into "$new" || { restored; because "$work/sql" failed "$what"; }
	restored
	sql "$new" "ANALYZE" || because "$work/sql" failed "$what"
	restore -C --section=pre-data >"$work/schema"
	restored
	grep -E '^(ALTER DATABASE|GRANT .* ON DATABASE|REVOKE .* ON DATABASE)' "$work/schema" >>"$work/rights" || true
done <"$dir/databases"

# What is still connected, with the old ones or since a moment ago, is sent away.
cat "$work/replaced" >>"$dir/replaced"
tries=0
until
	while IFS= read -r name; do
		sql "$one" "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :'name' AND pid <> pg_backend_pid()" -v name="$name" >/dev/null || cat "$work/sql" >&2
	done <"$dir/databases"
	sql "$one" "BEGIN; $(cat "$work/swap") COMMIT;" "$@"
do
	tries=$((tries + 1))
	[ "$tries" -lt 20 ] || because "$work/sql" failed "giving the restored databases their names"
	sleep 1
done
now >"$dir/restored"
while IFS= read -r order; do sql "$one" "$order" || cat "$work/sql" >&2; done <"$work/rights"
while IFS= read -r name; do say replaced "$name"; done <"$work/replaced"
say done "$ID" "$(cat "$dir/begin")" "$(cat "$dir/end")" 0
