#!/usr/bin/env bash
# Our package under a real systemd: a Debian root made with debootstrap is booted in namespaces of its own, the package is
# installed into it by dpkg, its own importctl, machinectl, busctl, systemd-sysupdate and others drive our programs, and the package is removed again.
#   tests/booted/run.sh FOLDER_OF_PROGRAMS
# Needs root, debootstrap and cargo-deb (skipped, with the reason, elsewhere). SUITE chooses the Debian release, see base.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$(realpath "$1")

skip() { echo "booted test skipped: $*"; [ -z "${CI:-}" ] || { echo "in CI it must run" >&2; exit 1; }; exit 0; }
[ "$(id -u)" = 0 ] || skip "not root"
command -v debootstrap >/dev/null || skip "debootstrap is missing"
cargo deb --version >/dev/null 2>&1 || skip "cargo-deb is missing"
echo "making a Debian root (once) …"
base=$(bash "$here/base.sh")
root=$base.root

# One part that fails does not hide what the others say.
status=0
part() { "$@" || status=1; }

pid=
halt() { [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true; pid=; }
down() {
  halt
  for mount in $(awk -v r="$root" '$2 ~ "^"r {print $2}' /proc/mounts | sort -r); do umount -l "$mount" || true; done
  [ ! -d "$root/var/lib" ] || find "$root/var/lib" -maxdepth 1 -name machines -exec chattr -R -f -i {} + || true
  rm -rf "$root"
}
trap down EXIT

boot() { # arguments of the first process; $credentials, if set, are given to it
  setsid unshare --mount --pid --uts --ipc --cgroup --fork --kill-child bash -euc '
    root=$1 credentials=$2; shift 2
    mount --make-rprivate /
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
    cd "$root"
    # No chroot: below one the kernel makes no user namespaces.
    pivot_root . .
    umount -l .
    # As in other containers: what a service mounts for the system is seen by the system.
    mount --make-rshared /
    exec env -i container=other ${credentials:+CREDENTIALS_DIRECTORY="$credentials"} PATH=/usr/sbin:/usr/bin:/sbin:/bin \
      /usr/lib/systemd/systemd --system systemd.unit=multi-user.target "$@"
  ' _ "$root" "${credentials:-}" "$@" </dev/null >"$base.console" 2>&1 &
  local outer=$!
  for _ in $(seq 200); do
    pid=$(pgrep -P "$outer" | head -n 1 || true)
    if [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm")" = systemd ] &&
       { inside systemctl is-system-running 2>/dev/null || true; } | grep -qE 'running|degraded'; then return; fi
    # Waiting for a boot to finish: there is nothing to be notified by before PID 1 is up.
    read -rt 0.3 <> <(:) || true
  done
  tail -n 30 "$base.console" >&2; echo "the booted system did not come up" >&2; exit 1
}
inside() {
  nsenter -t "$pid" -m -u -i -p -C -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8 "$@"
}
# The original's importctl is the client by its name; ours has another.
among_clients() { inside env PATH=/tests/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"; }

rm -rf "$root"; cp -a --reflink=auto "$base" "$root"
mkdir -p "$root/tests/bin"; cp "$here"/*.sh "$here"/*.py "$root/tests/"
echo "making the package …"
cp "$(FAST=1 bash "$here/../../tools/package.sh" "$bin")" "$root/tests/importd.deb"
if command -v lintian >/dev/null; then part lintian --fail-on error "$root/tests/importd.deb"; fi
bash "$here/atboot.sh" make "$root/tests"
if command -v mkfs.btrfs >/dev/null; then
  truncate -s 256M "$root/tests/btrfs.img"; mkfs.btrfs -q "$root/tests/btrfs.img" >/dev/null
fi
cp -a "$root/usr/bin/importctl" "$root/tests/bin/importctl" 2>/dev/null || true
ln -s /usr/bin/importctl "$root/tests/bin/importctl-ours"

part chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive bash /tests/dpkg.sh /tests/importd.deb
boot
echo "booted: $(inside systemctl --version | head -n 1)"
part inside bash /tests/offers.sh /tests/offers/theirs
part inside dpkg --install /tests/importd.deb
part among_clients bash /tests/inside.sh
part inside bash /tests/life.sh
part among_clients bash /tests/sysupdate.sh
part among_clients bash /tests/package.sh
part among_clients bash /tests/stack.sh
part among_clients bash /tests/oci.sh
part among_clients bash /tests/user.sh
part among_clients bash /tests/client.sh
# Last: it takes the bus away, and not everything survives that.
part among_clients bash /tests/varlink.sh
halt
# Without a socket in the package nobody would answer the wishes, and the boot would wait for them.
if ! grep -q 'system/systemd-importd.socket$' "$root/var/lib/dpkg/info/importd.list"; then
  boot
else
  credentials=/tests/atboot/credentials boot \
    systemd.pull=tar,machine,verify=checksum:byline:file:///tests/atboot/byline.tar \
    systemd.pull=oci,machine,blockdev:never:example.org/never \
    systemd.pull=oci,machine:byoci:at.boot/some/img \
    systemd.pull=tar,machine,runtime=yes,verify=checksum:byrun:file:///tests/atboot/byrun.tar
fi
part inside bash /tests/atboot.sh
part inside bash /tests/removed.sh
exit $status
