#!/usr/bin/env bash
# Our programs at their real paths under a real systemd: a Debian root made with debootstrap is booted in namespaces of its
# own, our programs and dist/ are installed into it, and its own importctl, machinectl, busctl and systemd-sysupdate drive them.
#   tests/booted/run.sh FOLDER_OF_PROGRAMS
# Needs root and debootstrap (skipped, with the reason, elsewhere). SUITE chooses the Debian release, see base.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$(realpath "$1")

skip() { echo "booted test skipped: $*"; [ -z "${CI:-}" ] || { echo "in CI it must run" >&2; exit 1; }; exit 0; }
[ "$(id -u)" = 0 ] || skip "not root"
command -v debootstrap >/dev/null || skip "debootstrap is missing"
echo "making a Debian root (once) …"
base=$(bash "$here/base.sh")
root=$base.root

pid=
down() {
  [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
  for mount in $(awk -v r="$root" '$2 ~ "^"r {print $2}' /proc/mounts | sort -r); do umount -l "$mount" || true; done
  chattr -R -i "$root/var/lib/machines" 2>/dev/null || true
  rm -rf "$root"
}
trap down EXIT

boot() {
  setsid unshare --mount --pid --uts --ipc --cgroup --fork --kill-child bash -euc '
    root=$1
    mount --make-rprivate /
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
    cd "$root"
    exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /usr/lib/systemd/systemd --system systemd.unit=multi-user.target
  ' _ "$root" </dev/null >"$base.console" 2>&1 &
  local outer=$!
  for _ in $(seq 200); do
    pid=$(pgrep -P "$outer" | head -n 1 || true)
    if [ -n "$pid" ] && [ "$(readlink "/proc/$pid/root")" = "$root" ] &&
       { inside systemctl is-system-running 2>/dev/null || true; } | grep -qE 'running|degraded'; then return; fi
    # Waiting for a boot to finish: there is nothing to be notified by before PID 1 is up.
    read -rt 0.3 <> <(:) || true
  done
  tail -n 30 "$base.console" >&2; echo "the booted system did not come up" >&2; exit 1
}
inside() {
  nsenter -t "$pid" -m -u -i -p -C -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8 "$@"
}

rm -rf "$root"; cp -a --reflink=auto "$base" "$root"
"$here/../../tools/install.sh" "$bin" "$root" >/dev/null
mkdir -p "$root/tests"; cp "$here"/{check,inside,sysupdate}.sh "$here/gpt.py" "$root/tests/"
if command -v mkfs.btrfs >/dev/null; then
  truncate -s 256M "$root/tests/btrfs.img"; mkfs.btrfs -q "$root/tests/btrfs.img" >/dev/null
fi
# The original's importctl is the client here; ours lies beside it.
cp -a --remove-destination "$base/usr/bin/importctl" "$root/usr/bin/importctl" 2>/dev/null || true
cp "$bin/importctl" "$root/usr/bin/importctl-ours"
boot
echo "booted: $(inside systemctl --version | head -n 1)"
inside bash /tests/inside.sh
inside bash /tests/sysupdate.sh
