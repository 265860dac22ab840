#!/usr/bin/env bash
# Our programs at their real paths under a real systemd: a Debian root made with debootstrap is booted in namespaces of its
# own, our programs and dist/ are installed into it, and its own importctl, machinectl and busctl drive them.
#   tests/booted/run.sh FOLDER_OF_PROGRAMS
# Needs root and debootstrap (skipped, with the reason, elsewhere). SUITE chooses the Debian release (default trixie); the root is
# kept in /var/tmp/importd-booted-SUITE for the next run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$(realpath "$1")
suite=${SUITE:-trixie}
base=/var/tmp/importd-booted-$suite
root=$base.root

skip() { echo "booted test skipped: $*"; [ -z "${CI:-}" ] || { echo "in CI it must run" >&2; exit 1; }; exit 0; }
[ "$(id -u)" = 0 ] || skip "not root"
command -v debootstrap >/dev/null || skip "debootstrap is missing"

mirror() { # the archive this machine's own apt uses
  { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null || true; } |
    grep -v '^#' | grep -oE 'https?://[^ ]*/debian/?( |$)' | head -n 1 | tr -d ' '
}
make_base() {
  [ -e "$base/.complete" ] && return
  rm -rf "$base"
  debootstrap --variant=minbase \
    --include=systemd,systemd-sysv,systemd-container,dbus,gnupg,zstd,xz-utils,acl,attr,ca-certificates,procps \
    "$suite" "$base" "$(mirror)" /usr/share/debootstrap/scripts/sid >"$base.log" 2>&1 ||
    { tail -n 20 "$base.log" >&2; echo "debootstrap failed; see $base.log" >&2; exit 1; }
  touch "$base/.complete"
}

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
       inside systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded'; then return; fi
    # Waiting for a boot to finish: there is nothing to be notified by before PID 1 is up.
    read -rt 0.3 <> <(:) || true
  done
  tail -n 30 "$base.console" >&2; echo "the booted system did not come up" >&2; exit 1
}
inside() {
  nsenter -t "$pid" -m -u -i -p -C -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8 "$@"
}

echo "making a Debian $suite root (once) …"
make_base
rm -rf "$root"; cp -a --reflink=auto "$base" "$root"
"$here/../../tools/install.sh" "$bin" "$root" >/dev/null
mkdir -p "$root/tests"; cp "$here/inside.sh" "$root/tests/"
# The original's importctl is the client here; ours lies beside it.
cp -a --remove-destination "$base/usr/bin/importctl" "$root/usr/bin/importctl" 2>/dev/null || true
cp "$bin/importctl" "$root/usr/bin/importctl-ours"
boot
echo "booted: $(inside systemctl --version | head -n 1)"
inside bash /tests/inside.sh
