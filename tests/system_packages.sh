#!/bin/sh
# System packages that some tests need, installed where this may be done: on Debian, as root.
# Elsewhere those tests skip and name their package. Takes a moment only if all are there.
set -eu

missing=""
command -v prometheus >/dev/null || missing="$missing prometheus"
command -v docker-compose >/dev/null || missing="$missing docker-compose"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "Not installed, so tests that need it skip:$missing"
  exit 0
fi
echo "Installing for tests:$missing"
log=$(mktemp)
# Only the programs are wanted: no service of theirs may start.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
if ! { apt-get update && apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
  tail -5 "$log"
  echo "Not installed, so tests that need it skip:$missing"
fi
rm -f "$log"
