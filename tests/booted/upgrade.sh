#!/usr/bin/env bash
# upgrade.sh ARCHIVE NAME: a transfer that runs while the package is installed again is not disturbed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkfifo "$2.pipe"; exec 9<>"$2.pipe"
importctl-ours -q -m import-tar "$2.pipe" "$2" 9>&- & waiting=$!
bash "$here/until.sh" bash -c "importctl-ours list-transfers --no-legend | grep -q ' $2 '"
dpkg --install /tests/importd.deb
kill -0 $waiting
cat "$1" >&9; exec 9>&-
wait $waiting
[ -e "/var/lib/machines/$2/usr/lib/os-release" ]
