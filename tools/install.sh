#!/usr/bin/env bash
# Puts programs and dist/ where systemd and its clients look for them.
#   tools/install.sh FOLDER_OF_PROGRAMS [DESTDIR]
set -euo pipefail
cd "$(dirname "$0")/.."
from=$1 destdir=${2:-}
for program in systemd-importd systemd-import systemd-import-fs systemd-export systemd-pull; do
  install -D -m 0755 "$from/$program" "$destdir/usr/lib/systemd/$program"
done
install -D -m 0755 "$from/systemd-import-generator" "$destdir/usr/lib/systemd/system-generators/systemd-import-generator"
install -D -m 0755 "$from/importctl" "$destdir/usr/bin/importctl"
(cd dist && find . -type f -o -type l) | while read -r file; do
  mkdir -p "$destdir/$(dirname "$file")"
  if [ -L "dist/$file" ]; then cp -P --remove-destination "dist/$file" "$destdir/$file"; else install -m 0644 "dist/$file" "$destdir/$file"; fi
done
