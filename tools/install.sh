#!/usr/bin/env bash
# Puts the programs and what is in dist/ where systemd, the bus and their clients look for them on Debian 12, 13 and testing.
#   tools/install.sh FOLDER_OF_PROGRAMS [DESTDIR]
# ZSH_COMPLETIONS: folder of zsh's completions, where it is not the one of its source (Debian's is /usr/share/zsh/vendor-completions).
set -euo pipefail
umask 022
from=$(realpath "$1") destdir=${2:-}
cd "$(dirname "$0")/.."
zsh=/usr/share/zsh/site-functions
completions=${ZSH_COMPLETIONS:-$zsh}

for program in systemd-importd systemd-import systemd-import-fs systemd-export systemd-pull; do
  install -D -m 0755 "$from/$program" "$destdir/usr/lib/systemd/$program"
done
install -D -m 0755 "$from/systemd-import-generator" "$destdir/usr/lib/systemd/system-generators/systemd-import-generator"
install -D -m 0755 "$from/importctl" "$destdir/usr/bin/importctl"

# Parts of the base system since systemd 262: they are installed where they are missing, or where they are ours. Descriptions of registries
# have no place for a mark: what is there stays.
missing_only() {
  case $1 in
    */imports.target | */imports-pre.target | */systemd-loop@.service) [ -e "$destdir$1" ] && ! grep -qs '^# importd:' "$destdir$1" ;;
    */systemd/oci-registry/*) [ -e "$destdir$1" ] ;;
    *) return 1 ;;
  esac
}

while read -r file; do
  file=${file#.}
  target=${file/#"$zsh"/"$completions"}
  if missing_only "$target"; then continue; fi
  install -d -m 0755 "$destdir$(dirname "$target")"
  if [ -L "dist$file" ]; then
    ln -sfn "$(readlink "dist$file")" "$destdir$target"
  else
    install -m 0644 "dist$file" "$destdir$target"
  fi
done < <(cd dist && find . -type f -o -type l | sort)

# Sockets are listened on without anybody enabling them, as those of the original.
for scope in system user; do
  socket=usr/lib/systemd/$scope/systemd-importd.socket
  if [ -e "dist/$socket" ]; then
    install -d -m 0755 "$destdir/usr/lib/systemd/$scope/sockets.target.wants"
    ln -sfn ../systemd-importd.socket "$destdir/usr/lib/systemd/$scope/sockets.target.wants/systemd-importd.socket"
  fi
done
