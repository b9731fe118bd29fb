#!/usr/bin/env bash
# Puts stagecrew where the other actions of the job look for it: a binary that is
# given, or one built from the sources that this script lies in.
set -euo pipefail

stop() {
  echo "::error title=stagecrew setup::$1" >&2
  exit 2
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

"$bin" version || stop "$bin does not run on this machine"
printf 'path=%s\n' "$bin" >>"${GITHUB_OUTPUT:?is not set: this runs in a step of GitHub Actions}"
