#!/usr/bin/env bash
# Runs inside the booted system (see run.sh), with our package installed: removes it. The original must be back, and nothing of ours left.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/check.sh"
import1() { busctl --system call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager "$@"; }
files=$(dpkg --listfiles importd)
check 'the service runs' import1 ListTransfers
check 'the package is removed' dpkg --remove importd
check 'ours does not run any more' bash -c '! readlink /proc/[0-9]*/exe 2>/dev/null | grep -E "systemd-importd \(deleted\)"'
check 'systemd and systemd-container are as Debian packed them' bash -c '[ -z "$(dpkg --verify systemd systemd-container 2>&1 | grep -v " c /")" ]'
left() { # files of ours that are still there, and belong to no other package
  local file
  for file in $files; do
    [ ! -d "$file" ] || [ -L "$file" ] || continue
    [ ! -e "$file" ] || dpkg-query --search "$file" >/dev/null 2>&1 || dpkg-query --search "${file#/usr}" >/dev/null 2>&1 || echo "$file"
  done
  ls -d /usr/lib/importd 2>/dev/null
  dpkg-divert --list | grep importd
}
nothing_left() { local found; found=$(left); echo "$found"; [ -z "$found" ]; }
check 'no file of ours is left, and no diversion' nothing_left
check 'the original service starts' import1 ListTransfers
check 'and is the original' bash -c '! grep -q importd-daemon "/proc/$(systemctl show -p MainPID --value systemd-importd)/exe" && ! /usr/lib/systemd/systemd-importd --version 2>/dev/null | grep -q importd'
mkdir -p /var/tmp/removed/usr/lib; echo 'ID=test' > /var/tmp/removed/usr/lib/os-release
check 'it imports' bash -c 'tar -C /var/tmp/removed -c . | machinectl -q import-tar - removed && [ -e /var/lib/machines/removed/usr/lib/os-release ]'
check 'images that we made are still there' test -d /var/lib/machines/importctlours
check 'and it exports them' bash -c 'machinectl -q export-tar importctlours /var/tmp/removed.tar && tar -tf /var/tmp/removed.tar | grep -q usr/lib/os-release'
check 'the cache stays until the package is purged' test -d /var/cache/importd
check 'the package is purged' dpkg --purge importd
check 'then it is gone' bash -c '[ ! -e /var/cache/importd ]'
result removed
