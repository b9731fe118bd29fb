# Lines for stagecrew are words between tabs; all else in the log is for people.
set -eu
umask 077
export PGCONNECT_TIMEOUT=10 PGAPPNAME=stagecrew LC_ALL=C
tab=$(printf '\t')
work=$(mktemp -d)
dumps=$DUMPS/$RELEASE
now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
say() { printf 'stagecrew'; printf '\t%s' "$@"; printf '\n'; }
# fail CODE MESSAGE ends the Job. Of what a program said the last lines tell why.
fail() {
	say failed "$1" "$(printf %s "$2" | tr '\t\n' '  ' | tail -c 600)"
	exit 1
}
# because FILE CODE WHAT names what a program of PostgreSQL wrote into a file.
because() {
	said=$(tail -n 4 "$1")
	case "$said" in
	*"password authentication failed"* | *"no password supplied"* | *fe_sendauth*) fail wrong-password "$3: $said" ;;
	*pg_hba.conf*) fail not-let-in "$3: $said" ;;
	*"server version mismatch"*) fail version "$3: $said; $(pg_dump --version)" ;;
	*"No space left on device"* | *"Disk quota exceeded"* | *"disk full"*) fail no-space "$3: $said" ;;
	*"permission denied"* | *"must be owner"* | *"must be member"* | *"must be able to"*) fail no-rights "$3: $said" ;;
	*"could not translate host name"* | *"Connection refused"* | *"timeout expired"* | *"timed out"* | *"server closed the connection"*) fail unreachable "$3: $said" ;;
	esac
	fail "$2" "$3: $said"
}
# sql DATABASE QUERY [OPTION…] asks one database; what goes wrong is in $work/sql.
sql() {
	database=$1 query=$2
	shift 2
	printf '%s\n' "$query" | PGDATABASE=$database psql -Xwq -At -F "$tab" -v ON_ERROR_STOP=1 "$@" 2>"$work/sql"
}
# maintenance finds a database to give orders from, which is none of those in a file.
maintenance() {
	for one in postgres template1; do
		grep -qx "$one" "$1" || ! sql "$one" "SELECT" >/dev/null || return 0
	done
	because "$work/sql" unreachable "connecting with the database postgres or template1, which the restore is led from"
}
# The password stands in the URL of a variable, or in one of its own. No argument shows it.
if [ -n "${DATABASE_AT:-}" ]; then
	given=${DATABASE_AT#*://}
	given=${given%%/*}
	given=${given%@*}
	case "$given" in *:*) given=${given#*:} ;; *) given= ;; esac
	PGPASSWORD=$(printf '%s' "$given" | awk '
		function digit(c) { return index("0123456789abcdef", tolower(c)) - 1 }
		{ while (match($0, /%[0-9A-Fa-f][0-9A-Fa-f]/)) {
			printf "%s%c", substr($0, 1, RSTART - 1), digit(substr($0, RSTART + 1, 1)) * 16 + digit(substr($0, RSTART + 2, 1))
			$0 = substr($0, RSTART + 3) }
		  printf "%s", $0 }')
	export PGPASSWORD
	unset DATABASE_AT given
fi
for program in psql pg_dump pg_restore; do
	command -v $program >/dev/null || fail no-tools "the image has no $program; --dump-image names one with PostgreSQL's own tools"
done
writes="SELECT schemaname || '.' || relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables ORDER BY 1"
