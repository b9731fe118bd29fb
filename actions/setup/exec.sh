#!/usr/bin/env bash
# Becomes `stagecrew COMMAND`: exec, so that the runner's signals reach it when a
# job is cancelled. BIN names the binary; empty, it is the one that setup left.
set -euo pipefail

default="${RUNNER_TEMP:?is not set: this runs in a step of GitHub Actions}/stagecrew"
bin="${BIN:-$default/bin/stagecrew}"
if [ ! -f "$bin" ] || [ ! -x "$bin" ]; then
  echo "::error title=stagecrew $1::there is no program $bin: run the setup action in an earlier step of this job, or give the input binary" >&2
  exit 2
fi
if [ -z "${STAGECREW_RECORD:-}" ]; then
  mkdir -p "$default"
  export STAGECREW_RECORD="$default/$1.json"
fi
export STAGECREW_EVIDENCE_DIR="${STAGECREW_EVIDENCE_DIR:-$default/evidence}"
exec "$bin" "$@"
