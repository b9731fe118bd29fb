#!/usr/bin/env bash
# Says at the start of a job of deploy.yml and rollback.yml, before any minute is spent,
# what cannot work. DOING is build, deploy, promote or rollback. The output repository
# is what the provenance must name where the signature alone does not tell.
set -euo pipefail

stop() {
  local text="${1//'%'/%25}"
  text="${text//$'\r'/%0D}"
  printf '::error title=stagecrew %s::%s\n' "$DOING" "${text//$'\n'/%0A}" >&2
  exit 2
}

# sets NAME: the configuration has this setting.
sets() {
  [ -n "${CONFIG:-}" ] && [ -f "$CONFIG" ] && grep -q "^[\"']\{0,1\}$1[\"']\{0,1\}[[:space:]]*:" "$CONFIG"
}

case "${GITHUB_EVENT_NAME:-}" in
pull_request_target)
  stop "on: pull_request_target runs the code of a pull request with the rights of main: whoever opens one would get production. Deploy on: release, push or workflow_dispatch"
  ;;
pull_request)
  if [ "${FORK:-}" = true ]; then
    stop "this pull request comes from a fork: GitHub gives it no secrets and a token that can only read, and nobody has looked at its code. Leave the job out for forks:
if: github.event.pull_request.head.repo.fork == false"
  fi
  ;;
esac

if [ -z "${WORKFLOW_SHA:-}" ] && [ "${GITHUB_SERVER_URL:-https://github.com}" != https://github.com ]; then
  stop "this server does not tell which commit of stagecrew this workflow is from (GitHub Enterprise Server does not): give the input stagecrew-ref, the commit behind the @ of uses:, or use the actions in a workflow of your own"
fi

case "$DOING" in
deploy)
  if [ -z "${IMAGE:-}" ]; then
    stop "the job build gave no digest; GitHub withholds an output that holds the value of a secret"
  fi
  ;;
promote)
  if ! [[ "${IMAGE:-}" =~ ^[^@[:space:]]+@sha256:[0-9a-f]{64}$ ]]; then
    stop "input image: ${IMAGE:-nothing} is not REPOSITORY@sha256:… A tag may lead elsewhere by now: take the output image of the job that has built it"
  fi
  ;;
esac

if [ "$DOING" != build ] && [ "${HAS_KUBECONFIG:-}" = false ]; then
  echo "::notice title=stagecrew $DOING::the secret KUBECONFIG is empty here. Secrets of a called workflow are those that the caller names (secrets: inherit passes none to another organisation) and those of the job's environment"
fi

# Without a key it signs as this workflow, and GitHub gives these only with the permission.
if [ "$DOING" = deploy ] && [ "${HAS_KEY:-}" = false ] && [ -z "${STAGECREW_SIGN_KEY:-}" ] && [ -z "${ACTIONS_ID_TOKEN_REQUEST_URL:-}" ] && ! sets sign-key; then
  stop "there is no key to sign with (the secret SIGN_KEY, or sign-key in the configuration), and this job has no identity to sign as. Add to it, and to the job that calls this workflow:
permissions:
  id-token: write"
fi

# Keyless, all callers of a reusable workflow have its identity, and not their own.
if [ "${HAS_KEY:-}" = false ] && ! sets sign-key && ! sets verify-key && ! sets verify-repository; then
  printf 'repository=%s/%s\n' "$GITHUB_SERVER_URL" "$GITHUB_REPOSITORY" >>"$GITHUB_OUTPUT"
fi
