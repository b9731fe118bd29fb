#!/usr/bin/env bash
# Puts stagecrew where the other actions of the job look for it: a binary that is
# given, or one built from the sources that this script lies in.
set -euo pipefail

# stop MESSAGE: the message is one line of data to the runner.
stop() {
  local text="${1//'%'/%25}"
  text="${text//$'\r'/%0D}"
  printf '::error title=stagecrew setup::%s\n' "${text//$'\n'/%0A}" >&2
  exit 2
}

checksum() {
  if command -v sha256sum >/dev/null; then
    sha256sum <"$1" | cut -d ' ' -f 1
  else
    shasum -a 256 <"$1" | cut -d ' ' -f 1
  fi
}

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
bin="${RUNNER_TEMP:?is not set: this runs in a step of GitHub Actions}/stagecrew/bin/stagecrew"
mkdir -p "$(dirname "$bin")"

if [ -n "${BINARY:-}" ]; then
  if [ ! -f "$BINARY" ] || [ ! -x "$BINARY" ]; then
    stop "input binary: $BINARY is not a program; give the path of an executable stagecrew"
  fi
  ln -sfn "$(realpath "$BINARY")" "$bin"
elif [ ! -x "$bin" ]; then
  command -v go >/dev/null || stop "building from source needs Go (see go.mod for the version): run actions/setup-go in an earlier step, or give the input binary"
  echo "building stagecrew; without a build cache this takes about 10 minutes on 2 cores"
  (cd "$root" && CGO_ENABLED=0 GOEXPERIMENT=jsonv2 GOFLAGS='' go build -buildvcs=false -ldflags '-s -w' -o "$bin" ./cmd/stagecrew)
fi

sum="$(checksum "$bin")"
if [ -n "${BIN_SHA256:-}" ] && [ "$sum" != "$BIN_SHA256" ]; then
  stop "$bin is not the program that an earlier setup left: a step in between has replaced it; do not trust this job, and run what others wrote in a job of its own"
fi
"$bin" version || stop "$bin does not run on this machine"
# Later steps run what was seen here, and nothing that was put in its place.
rm -f -- "$bin.sha256"
printf '%s\n' "$sum" >"$bin.sha256"
printf 'path=%s\nchecksum=%s\n' "$bin" "$sum" >>"${GITHUB_OUTPUT:?is not set: this runs in a step of GitHub Actions}"
