#!/usr/bin/env bash
# Installs what building and testing need and this machine lacks: Debian packages, cargo-nextest and cargo-deb.
#   tools/setup.sh        all that the tests use
#   tools/setup.sh demo   only what building and the demonstration use
# Where apt-get or root is missing it names what is missing; the tests then skip what they cannot do.
set -euo pipefail

command -v cargo >/dev/null || { echo "Rust is missing: install it from https://rustup.rs (1.89 or later)" >&2; exit 1; }

declare -A package=(
  [cc]=gcc [make]=make [gpg]=gnupg [python3]=python3 [tar]=tar [curl]=curl [zstd]=zstd [xz]=xz-utils
)
declare -A more=(
  [bzip2]=bzip2 [lz4]=lz4 [bsdtar]=libarchive-tools [gpgv]=gpgv [setfacl]=acl [setfattr]=attr [setcap]=libcap2-bin
  [mkfs.ext4]=e2fsprogs [filefrag]=e2fsprogs [losetup]=mount [mkfs.btrfs]=btrfs-progs [mkfs.xfs]=xfsprogs [qemu-img]=qemu-utils [dbus-daemon]=dbus
  [busctl]=systemd [machinectl]=systemd-container [debootstrap]=debootstrap [jq]=jq [script]=bsdutils
  [column]=bsdextrautils [setpriv]=util-linux [nm]=binutils
  [newuidmap]=uidmap [dpkg-shlibdeps]=dpkg-dev [man]=man-db [minisign]=minisign [signify-openbsd]=signify-openbsd
  [skopeo]=skopeo [umoci]=umoci [docker-registry]=docker-registry
)
missing=()
need() { command -v "$1" >/dev/null || PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null || missing+=("$2"); }
for tool in "${!package[@]}"; do need "$tool" "${package[$tool]}"; done
if [ "${1:-all}" != demo ]; then
  for tool in "${!more[@]}"; do need "$tool" "${more[$tool]}"; done
fi
if [ ${#missing[@]} -gt 0 ]; then
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing: ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "missing (install them, or their tests are skipped): ${missing[*]}" >&2
  fi
fi
if [ "${1:-all}" != demo ] && ! cargo nextest --version >/dev/null 2>&1; then
  cargo install --locked cargo-nextest
fi
if [ "${1:-all}" != demo ] && command -v dpkg-deb >/dev/null && ! cargo deb --version >/dev/null 2>&1; then
  cargo install --locked cargo-deb
fi
