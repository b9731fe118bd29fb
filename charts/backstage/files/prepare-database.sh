#!/bin/sh
# The image's entry point runs this once, on an empty volume, before anybody can reach the server: Backstage's own user may
# make databases, as each plugin wants one, and nothing else.
set -eu

# The values go by the shell's variables, for arguments can be read in the process list. A statement that fails would be in
# the server's log, password and all.
PGOPTIONS='-c log_min_error_statement=panic' psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set name `printf %s "$APPLICATION_USER"`
\set password `printf %s "$APPLICATION_PASSWORD"`
\set database `printf %s "$POSTGRES_DB"`
CREATE ROLE :"name" LOGIN CREATEDB NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';
ALTER DATABASE :"database" OWNER TO :"name";
SQL

if [ "$TLS" = on ]; then
	sed -i 's/^host all all all /hostssl all all all /' "$PGDATA/pg_hba.conf"
fi
rm -f "$(dirname "$PGDATA")/.unfinished"
