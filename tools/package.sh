#!/usr/bin/env bash
# Builds the Debian package from programs that are built already, and prints its path. Debian and cargo-deb are needed.
#   tools/package.sh FOLDER_OF_PROGRAMS [FOLDER_OF_THE_PACKAGE]
# FAST=1 packs it quickly instead of small, for tests.
# Build on the oldest Debian that shall have it: the package then depends on that one's C library or a later one.
set -euo pipefail
from=$(realpath "$1") out=$(realpath -m "${2:-target/debian}")
cd "$(dirname "$0")/.."
work=target/package
tree=$work/tree scripts=$work/scripts doc=$work/tree/usr/share/doc/importd
rm -rf "$work"; mkdir -p "$scripts" "$out"

# Files.
ZSH_COMPLETIONS=/usr/share/zsh/vendor-completions bash tools/install.sh "$from" "$tree"
find "$tree/usr/bin" "$tree/usr/lib/systemd" -type f -perm -0100 -exec strip --strip-unneeded {} +
# What an original can have is diverted: everything but the documentation of the package.
packed() { (cd "$tree" && find . -type f -o -type l) | sed 's/^\.\///' | sort; }
find "$tree/usr/share/man" -type f -exec gzip -9n {} +
find "$tree/usr/share/man" -type l | while read -r link; do
  ln -s "$(readlink "$link").gz" "$link.gz"; rm "$link"
done
diverted=$(packed)
install -d -m 0755 "$doc"
install -m 0644 README.md docs/*.md packaging/debian/README.Debian "$doc/"
gzip -9n < CHANGELOG.md > "$doc/NEWS.gz"; chmod 0644 "$doc/NEWS.gz"

# The libraries that are in the programs, with their licences.
cargo tree --locked --workspace --edges normal --prefix none --format '{p} {l}' | sed 's/ (\(\*\|\/[^)]*\|proc-macro\))//g' | sort -u |
  grep -v '^importd-' | gzip -9n > "$doc/LIBRARIES.gz"
install -D -m 0644 packaging/debian/lintian-overrides "$tree/usr/share/lintian/overrides/importd"

# Maintainer scripts.
for script in preinst postinst prerm postrm; do
  text=$(<"packaging/debian/$script")
  functions=$(grep -v '^#!' packaging/debian/functions.sh)
  text=${text/@FUNCTIONS@/"$functions"}
  printf '%s\n' "${text/@FILES@/"$diverted"}" > "$scripts/$script"
  chmod 0755 "$scripts/$script"
done

# Anything older in the folder is not what was asked for.
rm -f "$out"/importd_*.deb
cargo deb --quiet ${FAST:+--fast} --no-build --no-strip --package importd-daemon --output "$out/" >&2
ls "$out"/importd_*.deb
