#!/usr/bin/env bash
# cancel.sh CLIENT NAME: a transfer that waits for its input is listed by the client, and cancelled by it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkfifo "$2"; exec 9<>"$2"
"$1" -m import-tar "$2" "$2" >/dev/null 2>&1 & waiting=$!
bash "$here/until.sh" bash -c "$1 list-transfers --no-legend | grep -q ' $2 '"
"$1" cancel-transfer "$("$1" list-transfers --no-legend | awk -v name="$2" '{for (i = 1; i <= NF; i++) if ($i == name) print $1}')"
if wait $waiting; then echo "the cancelled transfer succeeded" >&2; exit 1; fi
! ls -A /var/lib/machines | grep -q "$2"
