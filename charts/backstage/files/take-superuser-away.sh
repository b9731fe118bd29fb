#!/bin/sh
# For a database that a chart before 0.3 made, where Backstage's user is the superuser that owns the server itself: gives all
# that Backstage made to a user without rights beyond CREATEDB, which then takes the name and the password of the old one. The
# old one becomes the superuser of the chart's name, without a password. Backstage goes on all the time, and its connections
# are made anew at the end. What was interrupted can be run again.
#
#     kubectl exec psql-postgresql-0 -- sh /scripts/take-superuser-away.sh
set -eu

# as USER DATABASE [OPTION…] runs SQL. The password must not be in the server's log when a statement fails.
as() {
	user=$1 database=$2
	shift 2
	PGOPTIONS='-c log_min_error_statement=panic' psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet --tuples-only --no-align --username "$user" --dbname "$database" -v next="$NEXT" "$@"
}

# hand_over USER DATABASES gives the objects of the old user to the next one, each database at once or not at all.
hand_over() {
	as "$1" postgres -v "which=$2" <<'SQL' | while read -r name; do
SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate AND (:'which' = 'all' OR pg_get_userbyid(datdba) = :'next')
SQL
		as "$1" "$name" --single-transaction <<'SQL'
WITH own AS (
  SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), part AS (
  SELECT classid, objid FROM pg_depend WHERE deptype IN ('a', 'i', 'e') AND (deptype = 'e' OR refobjsubid > 0)
)
SELECT format('ALTER DATABASE %I OWNER TO %I', datname, :'next')
  FROM pg_database WHERE datname = current_database() AND datdba = 10 AND datname <> 'postgres'
UNION ALL SELECT format('ALTER SCHEMA %I OWNER TO %I', n.nspname, :'next')
  FROM pg_namespace n JOIN own USING (oid) WHERE n.nspowner = 10 AND n.nspname <> 'public'
UNION ALL SELECT format('ALTER %s %I.%I OWNER TO %I', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
    WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, nspname, relname, :'next')
  FROM pg_class c JOIN own ON own.oid = relnamespace WHERE relowner = 10 AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
  AND NOT EXISTS (SELECT FROM part WHERE classid = 'pg_class'::regclass AND objid = c.oid)
UNION ALL SELECT format('ALTER ROUTINE %I.%I(%s) OWNER TO %I', nspname, proname, pg_get_function_identity_arguments(p.oid), :'next')
  FROM pg_proc p JOIN own ON own.oid = pronamespace WHERE proowner = 10
  AND NOT EXISTS (SELECT FROM part WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
UNION ALL SELECT format('ALTER TYPE %I.%I OWNER TO %I', nspname, typname, :'next')
  FROM pg_type t JOIN own ON own.oid = typnamespace LEFT JOIN pg_class c ON c.oid = typrelid
  WHERE typowner = 10 AND (typtype IN ('e', 'd', 'r') OR relkind = 'c')
  AND NOT EXISTS (SELECT FROM part WHERE classid = 'pg_type'::regclass AND objid = t.oid)
\gexec
SQL
	done
}

# The user that owns the server has the number 10 for ever.
NEXT=$APPLICATION_USER
owner=$(psql --no-psqlrc -Atq -U "$APPLICATION_USER" -d postgres -c "SELECT rolname FROM pg_roles WHERE oid = 10")
if [ "$owner" != "$APPLICATION_USER" ]; then
	[ "$owner" = "$POSTGRES_USER" ] || { echo "$owner owns this server, neither $APPLICATION_USER nor $POSTGRES_USER: nothing was changed" >&2; exit 1; }
	# Not all: others may have databases of their own here.
	hand_over "$POSTGRES_USER" own
	echo "$APPLICATION_USER is no superuser; what was left of the old one's is its own"
	exit 0
fi

NEXT=$APPLICATION_USER-next
as "$APPLICATION_USER" postgres <<'SQL'
\set password `printf %s "$APPLICATION_PASSWORD"`
SELECT format('CREATE ROLE %I LOGIN CREATEDB NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS', :'next')
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'next')
\gexec
ALTER ROLE :"next" PASSWORD :'password';
SELECT 'CREATE ROLE "stagecrew-change" LOGIN SUPERUSER' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'stagecrew-change')
\gexec
SQL
hand_over "$APPLICATION_USER" all
# Nobody can rename himself. From here on the names are changed, or none is.
as stagecrew-change postgres --single-transaction <<'SQL'
\set old `printf %s "$APPLICATION_USER"`
\set superuser `printf %s "$POSTGRES_USER"`
ALTER ROLE :"old" PASSWORD NULL;
ALTER ROLE :"old" RENAME TO :"superuser";
ALTER ROLE :"next" RENAME TO :"old";
SQL
NEXT=$APPLICATION_USER
as "$POSTGRES_USER" postgres <<'SQL'
SELECT FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = 10 AND pid <> pg_backend_pid() AND backend_type = 'client backend') AS ended;
DROP ROLE "stagecrew-change";
SQL
# What Backstage made in between.
hand_over "$POSTGRES_USER" all
echo "$APPLICATION_USER is no superuser any more; $POSTGRES_USER is"
