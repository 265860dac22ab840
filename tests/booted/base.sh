#!/usr/bin/env bash
# Makes a Debian root with debootstrap, once, and prints its folder. It is what the booted test boots a copy of, and the
# distribution-sized tree of the black-box suite.
#   tests/booted/base.sh
# Needs root and debootstrap. SUITE chooses the Debian release (default trixie).
set -euo pipefail
suite=${SUITE:-trixie}
# The last four are there for their size and number of files.
packages=systemd,systemd-sysv,systemd-container,libpam-systemd,libfdisk1,dbus,dbus-user-session,polkitd,uidmap,gnupg,zstd,xz-utils,acl,attr,ca-certificates,procps,e2fsprogs,python3,git,vim,locales-all
# A base that was made of other packages is not mistaken for this one.
base=/var/tmp/importd-base-$suite-$(sha256sum <<<"$packages" | cut -c -8)

mirror() { # the archive this machine's own apt uses
  { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null || true; } |
    grep -v '^#' | grep -oE 'https?://[^ ]*/debian/?( |$)' | head -n 1 | tr -d ' '
}
if [ ! -e "$base.complete" ]; then
  rm -rf "$base"
  debootstrap --variant=minbase --include="$packages" "$suite" "$base" "$(mirror)" /usr/share/debootstrap/scripts/sid >"$base.log" 2>&1 ||
    { tail -n 20 "$base.log" >&2; echo "debootstrap failed; see $base.log" >&2; exit 1; }
  rm -rf "$base"/var/cache/apt/archives/*.deb
  touch "$base.complete"
fi
echo "$base"
