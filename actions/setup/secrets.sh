#!/usr/bin/env bash
# Puts the secrets of a workflow into files that only this user reads (write), or
# removes them (remove). A secret that is not given has no file and no output.
set -euo pipefail
umask 077

dir="${RUNNER_TEMP:?is not set: this runs in a step of GitHub Actions}/stagecrew/secrets"

# put NAME CONTENT writes a file and names it in the step's output.
put() {
  if [ -n "$2" ]; then
    printf '%s\n' "$2" >"$dir/$1"
    printf '%s=%s\n' "$1" "$dir/$1" >>"$GITHUB_OUTPUT"
  fi
}

# login writes Docker's own file, which every registry client reads.
login() {
  local user="${REGISTRY_USERNAME:-}" password="${REGISTRY_PASSWORD:-}" auth
  # The job's token is for GitHub's registry only.
  if [ -z "$password" ] && [ "${REGISTRY:-}" = ghcr.io ]; then
    user="${GHCR_USERNAME:-}" password="${GHCR_PASSWORD:-}"
  fi
  [ -n "$password" ] || return 0
  auth="$(printf '%s:%s' "$user" "$password" | base64 | tr -d '\n')"
  echo "::add-mask::$auth"
  mkdir -p "$dir/docker"
  printf '{"auths":{"%s":{"auth":"%s"}}}\n' "$REGISTRY" "$auth" >"$dir/docker/config.json"
  printf 'docker-config=%s\n' "$dir/docker" >>"$GITHUB_OUTPUT"
}

case "${1:-}" in
write)
  mkdir -p "$dir"
  put kubeconfig "${KUBECONFIG_CONTENT:-}"
  put sign-key "${SIGN_KEY:-}"
  login
  ;;
remove) rm -rf "$dir" ;;
*)
  echo "usage: secrets.sh write|remove" >&2
  exit 2
  ;;
esac
