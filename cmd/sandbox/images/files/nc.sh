#!/bin/sh
# busybox's nc with the option -z (connect, send nothing, end), which Debian's build leaves out.

# parse reads the words of a call with -z; any other option is left to the program itself.
zero= wait= verbose= host= port=
parse() {
	while [ $# -gt 0 ]; do
		case $1 in
		-w) wait=${2-} && [ $# -gt 1 ] && shift ;;
		-w*) wait=${1#-w} ;;
		-z) zero=1 ;;
		-v) verbose=1 ;;
		-zv | -vz) zero=1 verbose=1 ;;
		-n | -4) ;;
		-zw | -zvw | -vzw)
			zero=1 wait=${2-}
			[ $# -gt 1 ] && shift
			;;
		-*) return 1 ;;
		*) if [ -z "$host" ]; then host=$1; elif [ -z "$port" ]; then port=$1; else return 1; fi ;;
		esac
		shift
	done
	[ -n "$zero" ]
}

parse "$@" || exec busybox nc "$@"
if [ -z "$port" ]; then
	echo "usage: nc -z [-v] [-w SECONDS] HOST PORT" >&2
	exit 1
fi
# -e makes busybox end as soon as the connection stands.
busybox nc ${wait:+-w "$wait"} "$host" "$port" -e /bin/true || exit 1
[ -z "$verbose" ] || echo "$host ($host:$port) open" >&2
