#!/usr/bin/env bash
# Puts stagecrew where the other actions of the job look for it: the program of the
# release in VERSION, whose checksums SHA256SUMS beside it has, so that the commit of
# the actions decides about every byte; or one that is given (BINARY), or one built from
# the sources that this script lies in (INSTALL=source). macOS has bash 3.2.
set -euo pipefail
umask 022

# stop MESSAGE: the message is one line of data to the runner.
stop() {
  local text="${1//'%'/%25}"
  text="${text//$'\r'/%0D}"
  printf '::error title=stagecrew setup::%s\n' "${text//$'\n'/%0A}" >&2
  exit 2
}

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
read -r version <"$here/VERSION"
base="${RUNNER_TEMP:?is not set: this runs in a step of GitHub Actions}/stagecrew"
bin="$base/bin/$version/stagecrew"
work=''

# finish: whatever else fails has an annotation, too; a signal needs none.
finish() {
  local code=$?
  [ -z "$work" ] || rm -rf -- "$work"
  if [ "$code" -ne 0 ] && [ "$code" -ne 2 ] && [ "$code" -lt 128 ]; then
    stop "a command of setup.sh ended with exit $code: the log above says which; is the disk full, or $base not writable?"
  fi
}
trap finish EXIT

checksum() {
  if command -v sha256sum >/dev/null; then
    sha256sum <"$1" | cut -d ' ' -f 1
  else
    shasum -a 256 <"$1" | cut -d ' ' -f 1
  fi
}

# platform sets os, arch, and folder: the last one's name in a tool cache.
platform() {
  case "${RUNNER_OS:-$(uname -s)}" in
  Linux) os=linux ;;
  macOS | Darwin) os=darwin ;;
  Windows* | MINGW* | MSYS* | CYGWIN*) stop "there is no stagecrew for Windows: run this job on Linux (runs-on: ubuntu-latest) or macOS" ;;
  *) stop "there is no stagecrew for ${RUNNER_OS:-$(uname -s)}: run this job on Linux (runs-on: ubuntu-latest) or macOS" ;;
  esac
  case "${RUNNER_ARCH:-$(uname -m)}" in
  X64 | x86_64) arch=amd64 folder=x64 ;;
  ARM64 | aarch64 | arm64) arch=arm64 folder=arm64 ;;
  *) stop "there is no stagecrew for the processor ${RUNNER_ARCH:-$(uname -m)}: releases are for X64 and ARM64; set the input install to source, or give the input binary" ;;
  esac
}

# wanted NAME is its checksum in SHA256SUMS; nothing without one.
wanted() {
  local sum name
  while read -r sum name; do
    if [ "$name" = "$1" ]; then
      printf '%s' "$sum"
      return
    fi
  done <"$here/SHA256SUMS"
}

# download URL FILE SUM goes on where it was cut off, and asks again for what does not
# come: an asset is not there in the seconds after its release was published.
download() {
  local try code why='' wrong=0
  command -v curl >/dev/null || stop "curl is missing, which downloads stagecrew: install it in an earlier step, or give the input binary"
  for try in 1 2 3 4 5; do
    [ "$try" -eq 1 ] || { echo "try $((try - 1)): $why" && sleep $((1 << (try - 1))); }
    code=0
    curl --proto '=https,http' --tlsv1.2 -fsSL --connect-timeout 15 --speed-limit 1024 --speed-time 30 -C - -o "$2" -- "$1" 2>"$work/why" || code=$?
    if [ -f "$2" ] && [ "$(checksum "$2")" = "$3" ]; then
      return
    fi
    case "$code" in
    0) [ -f "$2" ] || : >"$2"
      why="it has the checksum $(checksum "$2"), not $3" wrong=$((wrong + 1)) ;;
    *) why="$(tail -n 1 "$work/why")" ;;
    esac
    # Cut off (18, 28, 52, 55, 56, 92) is what can go on.
    case "$code" in 18 | 28 | 52 | 55 | 56 | 92) ;; *) rm -f -- "$2" ;; esac
    if [ "$wrong" -eq 2 ]; then
      stop "$1 is not what this commit of the actions wants: $why. Nothing of it was run. A mirror may hold another release, or somebody has replaced it"
    fi
  done
  stop "$1 did not come in $try tries: $why. Where github.com cannot be reached, give the input download-url (a mirror) or binary"
}

# keep FILE puts a program into the tool cache. It is only the quicker way for the next
# job: a cache that cannot be written is none.
keep() {
  local parent="${cache%/*}" fresh
  rm -rf -- "$cache.complete" "$cache" 2>/dev/null || return 0
  mkdir -p "$parent" 2>/dev/null && fresh="$(mktemp -d "$parent/.new.XXXXXX" 2>/dev/null)" || return 0
  if cp "$1" "$fresh/stagecrew" && chmod 755 "$fresh" && mv "$fresh" "$cache"; then
    : >"$cache.complete"
  else
    rm -rf -- "$fresh"
  fi
}

# release makes $work/stagecrew the program of the release. A tool cache is shared and
# writable: what comes from there is copied first, and the copy is looked at.
release() {
  local name want cache url="${DOWNLOAD_URL:-https://github.com/stagecrew/stagecrew/releases/download}"
  platform
  url="${url%/}"
  case "$url" in
  https://* | http://*) ;;
  *) stop "input download-url: $url is no address https://…" ;;
  esac
  name="stagecrew_${version}_${os}_${arch}"
  want="$(wanted "$name")"
  if [ -z "$want" ]; then
    stop "this commit of the actions belongs to no release (the next one is $version), so no program is pinned: take the commit of a release; or set the input install to source, which needs Go, downloads 480 MB of modules and compiles for about 10 minutes; or give the input binary"
  fi
  cache="${RUNNER_TOOL_CACHE:+$RUNNER_TOOL_CACHE/stagecrew/$version/$folder}"
  if [ -n "$cache" ] && [ -f "$cache.complete" ] && [ -f "$cache/stagecrew" ]; then
    cp "$cache/stagecrew" "$work/stagecrew"
    if [ "$(checksum "$work/stagecrew")" = "$want" ]; then
      echo "stagecrew $version comes from the tool cache"
      return
    fi
    echo "the stagecrew in the tool cache is another one than $version: it is not used"
    rm -f -- "$work/stagecrew"
  fi
  download "$url/v$version/$name.gz" "$work/stagecrew.gz" "$(wanted "$name.gz")"
  gzip -dc "$work/stagecrew.gz" >"$work/stagecrew"
  rm -f -- "$work/stagecrew.gz"
  if [ "$(checksum "$work/stagecrew")" != "$want" ]; then
    stop "the program in $name.gz is not the one of this commit of the actions: nothing of it was run"
  fi
  chmod 755 "$work/stagecrew"
  [ -z "$cache" ] || keep "$work/stagecrew"
}

# compile makes $work/stagecrew from the sources. A cancelled job ends it: bash itself
# would wait for the compiler.
compile() {
  local pid root
  root="$(cd "$here/../.." && pwd)"
  command -v go >/dev/null || stop "building from source needs Go $(sed -n 's/^go //p' "$root/go.mod") or newer: run actions/setup-go in an earlier step, or leave the input install empty"
  echo "building stagecrew from source: 480 MB of modules and about 10 minutes on 2 cores, unless Go's caches hold them"
  # Go of distributions and setup-go refuse to fetch the toolchain that go.mod wants.
  (cd "$root" && HOME="${HOME:-$base}" CGO_ENABLED=0 GOEXPERIMENT=jsonv2 GOFLAGS='"-gcflags=all=-dwarf=false -l -d=ssa/prove/off" -gcflags=runtime/...=-dwarf=false -gcflags=internal/runtime/...=-dwarf=false -gcflags=compress/...=-dwarf=false -gcflags=github.com/klauspost/compress/...=-dwarf=false -tags=disable_grpc_modules,kustomize_disable_go_plugin_support,netgo,osusergo' \
    GOTOOLCHAIN=auto \
    exec go build -buildvcs=false -ldflags "-s -w -X github.com/stagecrew/stagecrew/pkg/cli.version=$version-source" -o "$base/bin/$version/built" ./cmd/stagecrew) &
  pid=$!
  trap 'kill -TERM "$pid" 2>/dev/null; exit 143' INT TERM
  wait "$pid" || stop "building stagecrew failed: the log above says why. It needs Go, and github.com's module proxy or the one in GOPROXY; without them leave the input install empty, or give the input binary"
  trap - INT TERM
  ln -s "$base/bin/$version/built" "$work/stagecrew"
}

given() {
  if [ ! -f "$BINARY" ] || [ ! -x "$BINARY" ]; then
    stop "input binary: $BINARY is not a program; give the path of an executable stagecrew"
  fi
  ln -s "$(cd "$(dirname -- "$BINARY")" && pwd)/$(basename -- "$BINARY")" "$work/stagecrew"
}

# place is the last act: what is not the right program, or does not run here, never gets
# to where the other actions look. That of another version of the actions stays beside it.
place() {
  local said
  sum="$(checksum "$work/stagecrew")"
  if [ -n "${BIN_SHA256:-}" ] && [ "$sum" != "$BIN_SHA256" ]; then
    stop "input binary-checksum: the program has the checksum $sum, not $BIN_SHA256"
  fi
  said="$("$work/stagecrew" version 2>&1)" || stop "stagecrew does not run on this machine, or in this container: $(printf '%s' "$said" | tail -n 1)"
  rm -rf -- "$bin" "$bin.sha256"
  mv -- "$work/stagecrew" "$bin"
  # Later steps run what was seen here, and nothing that was put in its place.
  printf '%s\n' "$sum" >"$bin.sha256"
}

# again: a setup before this one left the program, and nobody asks for another.
again() {
  sum="$(checksum "$bin")"
  if [ "$sum" != "${BIN_SHA256:-$(head -c 64 "$bin.sha256")}" ]; then
    stop "$bin is not the program that an earlier setup left: a step in between has replaced it; do not trust this job, and run what others wrote in a job of its own"
  fi
}

command -v sha256sum >/dev/null || command -v shasum >/dev/null ||
  stop "neither sha256sum nor shasum is on this machine, so that no program can be checked: install coreutils in an earlier step"
mkdir -p "$base/bin/$version"
if [ -z "${BINARY:-}${INSTALL:-}" ] && [ -f "$bin" ] && [ -f "$bin.sha256" ]; then
  again
else
  work="$(mktemp -d "$base/setup.XXXXXX")"
  case "${BINARY:+given}${INSTALL:-auto}" in
  given*) given ;;
  auto | release) release ;;
  source) compile ;;
  *) stop "input install: $INSTALL is none of auto, release and source" ;;
  esac
  place
fi

name="$("$bin" version | head -n 1)"
name="${name#stagecrew }"
case "$name" in '' | *[!A-Za-z0-9.+\(\)-]*) name=unknown ;; esac
echo "stagecrew $name, sha256 $sum"
printf 'path=%s\nversion=%s\nchecksum=%s\n' "$bin" "$name" "$sum" >>"${GITHUB_OUTPUT:?is not set: this runs in a step of GitHub Actions}"
