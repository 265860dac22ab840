#!/usr/bin/env bash
# until.sh COMMAND…: waits, 30 seconds at most, until the command succeeds. For what nothing tells when it is so far.
set -euo pipefail
for _ in $(seq 300); do
  if "$@" >/dev/null 2>&1; then exit 0; fi
  read -rt 0.1 <> <(:) || true
done
echo "not within 30 seconds: $*" >&2; exit 1
