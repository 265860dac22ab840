#!/usr/bin/env bash
# Runs inside the booted system (see run.sh), before and after the package is installed: writes down what the service offers on
# the bus, and how exposed systemd thinks it is.
#   offers.sh FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"; cd "$1"
systemctl start systemd-importd
import1() { busctl --system call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager "$@"; }

mkfifo fifo; exec 9<>fifo
machinectl import-tar fifo offers >/dev/null 2>&1 & client=$!
for _ in $(seq 100); do
  path=$(import1 ListTransfers | grep -o '/org/freedesktop/import1/transfer/_[0-9]*' || true)
  [ -z "$path" ] || break
  # There is nothing to be notified by before the transfer is there.
  read -rt 0.1 <> <(:) || true
done
for object in manager:/org/freedesktop/import1 "transfer:$path" log:/org/freedesktop/LogControl1; do
  python3 "$here/members.py" "${object#*:}" | sort > "${object%%:*}"
done
import1 CancelTransfer u "${path##*_}"
wait $client || true
exec 9>&-; rm fifo
systemd-analyze --no-pager --json=short security systemd-importd.service > security.json 2>/dev/null || true
systemd-analyze --no-pager security systemd-importd.service | sed -n 's/.*exposure level for [^:]*: \([0-9.]*\).*/\1/p' > exposure
