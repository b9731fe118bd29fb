#!/usr/bin/env bash
# Becomes `stagecrew COMMAND`: exec, so that the runner's signals reach it when a
# job is cancelled. BIN names the binary; empty, it is the one that setup left, which
# must still be the one: steps between the two may have run code of others. BIN_SHA256
# is its checksum as an output of setup, which no other step can change.
set -euo pipefail

# stop NAME MESSAGE: the message is one line of data to the runner.
stop() {
  local text="${2//'%'/%25}"
  text="${text//$'\r'/%0D}"
  printf '::error title=stagecrew %s::%s\n' "$1" "${text//$'\n'/%0A}" >&2
  exit 2
}

checksum() {
  if command -v sha256sum >/dev/null; then
    sha256sum <"$1" | cut -d ' ' -f 1
  else
    shasum -a 256 <"$1" | cut -d ' ' -f 1
  fi
}

default="${RUNNER_TEMP:?is not set: this runs in a step of GitHub Actions}/stagecrew"
read -r version <"$(dirname "${BASH_SOURCE[0]}")/VERSION"
bin="${BIN:-$default/bin/$version/stagecrew}"
if [ ! -f "$bin" ] || [ ! -x "$bin" ]; then
  stop "$1" "there is no program $bin: run the setup action of this version ($version) in an earlier step of this job, or give the input binary"
fi
# Without a slash exec would look for it in PATH, where another one may be.
bin="$(cd "$(dirname -- "$bin")" && pwd)/$(basename -- "$bin")"

want="${BIN_SHA256:-}"
if [ -z "$want" ] && [ -z "${BIN:-}" ] && [ -f "$bin.sha256" ]; then
  want="$(head -c 64 "$bin.sha256")"
fi
if [ -n "$want" ] && [ "$(checksum "$bin")" != "$want" ]; then
  stop "$1" "$bin is not the program that the setup action left: a step in between has replaced it; do not trust this job, and run what others wrote in a job of its own"
fi

# Where the record and the evidence go unless a setting, also one of stagecrew.yaml,
# names another place.
mkdir -p "$default"
export STAGECREW_ACTION_DIR="$default"
exec "$bin" "$@"
