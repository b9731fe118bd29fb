#!/bin/sh
# Starts PostgreSQL by the entry point of its image. What is decided here has to hold for volumes of every age: the entry
# point prepares a database on an empty volume only, and never again.
set -eu

stop() {
	# The pod's status shows what is written to this file.
	echo "$*" | tee /dev/termination-log >&2
	exit 1
}

# first_start prepares what the entry point needs on an empty volume.
first_start() {
	if [ "$APPLICATION_USER" = "$POSTGRES_USER" ]; then
		stop "POSTGRES_USER of Backstage's Secret is $APPLICATION_USER, which is the name of the database's superuser: name another user (secrets.postgresUser)"
	fi
	# Without a password from outside the superuser gets one that nobody knows; in the pod it needs none.
	if [ -z "${POSTGRES_PASSWORD-}" ]; then
		POSTGRES_PASSWORD=$(head -c 32 /dev/urandom | base64 | tr -d '\n')
		export POSTGRES_PASSWORD
	fi
	: >"$UNFINISHED"
}

# certificate fills $TLS_DIR, which is emptied with the pod.
certificate() {
	umask 077
	if [ -d /run/postgresql-tls-given ]; then
		cp /run/postgresql-tls-given/tls.crt /run/postgresql-tls-given/tls.key "$TLS_DIR/"
		return
	fi
	command -v openssl >/dev/null || stop "this image has no openssl to make a certificate with: give one (postgresql.tls.mode: secret), or do without TLS (postgresql.tls.mode: none)"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=postgresql" \
		-addext "subjectAltName=DNS:$SERVER_NAME" -keyout "$TLS_DIR/tls.key" -out "$TLS_DIR/tls.crt" 2>/dev/null ||
		stop "openssl could not make a certificate for $SERVER_NAME"
}

UNFINISHED=$(dirname "$PGDATA")/.unfinished
if [ -e "$UNFINISHED" ] && [ -e "$PGDATA" ]; then
	# The pod ended while the entry point prepared the database, which no client could reach yet: the entry point would take
	# it for a whole one. It is moved, not removed.
	mv "$PGDATA" "$PGDATA.unfinished.$(date +%s)"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	first_start
fi
if [ "$TLS" = on ]; then
	certificate
	set -- "$@" -c ssl=on -c "ssl_cert_file=$TLS_DIR/tls.crt" -c "ssl_key_file=$TLS_DIR/tls.key" -c ssl_min_protocol_version=TLSv1.2
elif [ -s "$PGDATA/pg_hba.conf" ]; then
	# What prepare-database.sh allowed over TLS only is open to all again.
	sed -i 's/^hostssl all all all /host all all all /' "$PGDATA/pg_hba.conf"
fi
exec docker-entrypoint.sh postgres "$@"
