#!/usr/bin/env bash
# Puts the secrets of a workflow into files that only this user reads (write), or
# removes them (remove). A secret that is not given has no file and no output. An
# earlier step may have run code of others: what it left here is not followed.
set -euo pipefail
set -o noclobber
umask 077

base="${RUNNER_TEMP:?is not set: this runs in a step of GitHub Actions}/stagecrew"
dir="$base/secrets"

stop() {
  printf '::error title=stagecrew secrets::%s\n' "$1" >&2
  exit 2
}

# clear removes the folder, or the link that somebody put in its place.
clear() {
  if [ -L "$base" ]; then
    stop "RUNNER_TEMP/stagecrew is a symbolic link, which an earlier step has left: run what others wrote in a job of its own"
  fi
  rm -rf -- "$dir"
}

# masks KUBECONFIG prints a mask for each secret in it: in lines as kubectl writes them, and
# in what clouds and people write, as JSON, {token: x} or 'x'.
masks() {
  local names='(token|password|client-key-data|client-secret|[a-z]+-token)' quote="[\"']"
  {
    sed -n -E "s/^[[:space:]-]*$quote?$names$quote?: *$quote?([^\"'[:space:]]{8,})$quote?[[:space:]]*\$/::add-mask::\2/p" <<<"$1"
    grep -oE "$quote?$names$quote?[[:space:]]*:[[:space:]]*$quote?[^][:space:],{}\"']{8,}" <<<"$1" | sed -E "s/^[^:]*:[[:space:]]*$quote?/::add-mask::/" || true
  } | awk '!seen[$0]++'
}

# plain CONTENT: a kubeconfig, also one that was put into the secret as base64. That is
# the better form: of a text, GitHub masks each line, such as `kind: Config`.
plain() {
  local decoded
  if [[ "${1//[[:space:]]/}" =~ ^[A-Za-z0-9+/]+=*$ ]] && decoded="$(printf '%s' "${1//[[:space:]]/}" | base64 -d 2>/dev/null | tr -d '\000')" && [[ "$decoded" == *clusters* ]]; then
    # What was one mask is many secrets now.
    masks "$decoded"
    put kubeconfig "$decoded"
  else
    put kubeconfig "$1"
  fi
}

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
  # It becomes a part of a JSON document.
  if ! [[ "${REGISTRY:-}" =~ ^[A-Za-z0-9._:/-]+$ ]]; then
    stop "the registry is not HOST[:PORT]"
  fi
  auth="$(printf '%s:%s' "$user" "$password" | base64 | tr -d '\n')"
  echo "::add-mask::$auth"
  mkdir -m 700 -- "$dir/docker"
  printf '{"auths":{"%s":{"auth":"%s"}}}\n' "$REGISTRY" "$auth" >"$dir/docker/config.json"
  printf 'docker-config=%s\n' "$dir/docker" >>"$GITHUB_OUTPUT"
}

case "${1:-}" in
write)
  clear
  mkdir -p -- "$base"
  mkdir -m 700 -- "$dir"
  plain "${KUBECONFIG_CONTENT:-}"
  put sign-key "${SIGN_KEY:-}"
  login
  ;;
remove) clear ;;
*)
  echo "usage: secrets.sh write|remove" >&2
  exit 2
  ;;
esac
