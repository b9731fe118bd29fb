#!/bin/sh
# Runs node when the first word is one of its flags or a script, and any other program as it is.
set -e

program() {
	case $1 in
	-*) return 1 ;;
	esac
	# A file that is there but may not run is a script for node.
	if [ -f "$1" ] && [ ! -x "$1" ]; then
		return 1
	fi
	command -v "$1" >/dev/null
}

if ! program "${1-}"; then
	set -- node "$@"
fi
exec "$@"
