#!/usr/bin/env bash
# Starts PostgreSQL, and makes the database first where there is none. It takes the same environment as the official image:
# POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, POSTGRES_INITDB_ARGS (each also as NAME_FILE), POSTGRES_INITDB_WALDIR,
# POSTGRES_HOST_AUTH_METHOD, PGDATA, and the files of /docker-entrypoint-initdb.d.
set -Eeuo pipefail

stop() {
	printf '%s\n' "$@" >&2
	exit 1
}

# from_file NAME [DEFAULT] sets NAME from itself, from the file that NAME_FILE names, or from the default.
from_file() {
	local name=$1 file_name=$1_FILE
	local value=${!name-} file=${!file_name-}
	if [ -n "$value" ] && [ -n "$file" ]; then
		stop "error: both $name and $file_name are set; set one of them"
	fi
	if [ -n "$file" ]; then
		value=$(<"$file")
	fi
	export "$name=${value:-${2-}}"
	unset "$file_name"
}

# make_directories makes what the server needs; as root it also gives it to the server's user.
make_directories() {
	mkdir -p "$PGDATA" /var/run/postgresql
	chmod 0700 "$PGDATA" 2>/dev/null || true
	chmod 03775 /var/run/postgresql 2>/dev/null || true
	if [ -n "${POSTGRES_INITDB_WALDIR-}" ]; then
		mkdir -p "$POSTGRES_INITDB_WALDIR"
		chmod 0700 "$POSTGRES_INITDB_WALDIR"
	fi
	if [ "$(id -u)" = 0 ]; then
		find "$PGDATA" /var/run/postgresql ${POSTGRES_INITDB_WALDIR:+"$POSTGRES_INITDB_WALDIR"} \! -user postgres -exec chown postgres '{}' +
	fi
}

check_settings() {
	if [ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD-}" != trust ]; then
		stop 'Error: Database is uninitialized and superuser password is not specified.' \
			'       Set POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE) to a value that is not empty, for example' \
			'       "-e POSTGRES_PASSWORD=password" on "docker run".' \
			'       POSTGRES_HOST_AUTH_METHOD=trust would let everyone in without a password; that is not recommended.'
	fi
	if [ "${POSTGRES_HOST_AUTH_METHOD-}" = trust ]; then
		echo 'warning: POSTGRES_HOST_AUTH_METHOD=trust: whoever reaches this port owns every database, password or not' >&2
	fi
}

make_cluster() {
	local words=()
	if [ -n "${POSTGRES_INITDB_WALDIR-}" ]; then
		words+=(--waldir "$POSTGRES_INITDB_WALDIR")
	fi
	local password='--pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD")'
	if [ -z "$POSTGRES_PASSWORD" ]; then
		password=
	fi
	# POSTGRES_INITDB_ARGS holds several words with the shell's quotes, as in the official image.
	eval 'initdb --username="$POSTGRES_USER" '"$password"' "${words[@]}" '"$POSTGRES_INITDB_ARGS"' -D "$PGDATA"'
}

# allow_hosts lets other machines in by the method of the password's encryption.
allow_hosts() {
	local method=${POSTGRES_HOST_AUTH_METHOD-}
	if [ -z "$method" ]; then
		method=$(postgres -C password_encryption "$@")
	fi
	if [ "$method" = trust ]; then
		printf '\n# POSTGRES_HOST_AUTH_METHOD=trust\n' >>"$PGDATA/pg_hba.conf"
	fi
	printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

# client runs psql against the server of the preparation, which listens on its socket only.
client() {
	PGHOST='' PGHOSTADDR='' PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD} \
		psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --no-password "$@"
}

make_database() {
	if [ "$POSTGRES_DB" = postgres ]; then
		return
	fi
	local there
	there=$(client --dbname postgres --set db="$POSTGRES_DB" --tuples-only <<<"SELECT 1 FROM pg_database WHERE datname = :'db';")
	if [ -z "$there" ]; then
		client --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
	fi
}

run_init_files() {
	local f
	for f in /docker-entrypoint-initdb.d/*; do
		case $f in
		*.sh)
			echo "$0: $f"
			# shellcheck source=/dev/null
			if [ -x "$f" ]; then "$f"; else . "$f"; fi
			;;
		*.sql) echo "$0: $f" && client --dbname "$POSTGRES_DB" -f "$f" ;;
		*.sql.gz) echo "$0: $f" && gzip -dc "$f" | client --dbname "$POSTGRES_DB" ;;
		*.sql.xz) echo "$0: $f" && xz -dc "$f" | client --dbname "$POSTGRES_DB" ;;
		*.sql.zst) echo "$0: $f" && zstd -dc "$f" | client --dbname "$POSTGRES_DB" ;;
		*) [ ! -e "$f" ] || echo "$0: ignoring $f" ;;
		esac
	done
}

# prepare POSTGRES [OPTION…] makes the database, with a server that only this script can reach.
prepare() {
	shift # the word postgres; the rest are the server's options
	check_settings
	make_cluster
	allow_hosts "$@"
	PGUSER=${PGUSER:-$POSTGRES_USER} pg_ctl -D "$PGDATA" -o "$(printf '%q ' -c listen_addresses= -p "${PGPORT:-5432}" "$@")" -w start
	make_database
	run_init_files
	PGUSER=${PGUSER:-postgres} pg_ctl -D "$PGDATA" -m fast -w stop
	printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

# only_asks tells whether the words make postgres print something and end.
only_asks() {
	local word
	for word; do
		case $word in
		-'?' | --help | --describe-config | -V | --version) return 0 ;;
		esac
	done
	return 1
}

if [[ ${1-} == -* ]]; then
	set -- postgres "$@"
fi
if [ "${1-}" != postgres ] || only_asks "$@"; then
	exec "$@"
fi

make_directories
if [ "$(id -u)" = 0 ]; then
	# The server refuses to run as root.
	export HOME=/var/lib/postgresql
	exec setpriv --reuid=postgres --regid=postgres --init-groups "$BASH_SOURCE" "$@"
fi
from_file POSTGRES_PASSWORD
from_file POSTGRES_USER postgres
from_file POSTGRES_DB "$POSTGRES_USER"
from_file POSTGRES_INITDB_ARGS
if [ -s "$PGDATA/PG_VERSION" ]; then
	printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
else
	prepare "$@"
fi
unset PGPASSWORD
exec "$@"
