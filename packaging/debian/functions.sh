# What the maintainer scripts share; tools/package.sh puts it where they say @FUNCTIONS@. Plain sh, and nothing that is not
# in Essential packages: a script may run while nothing else is unpacked.

# Where the originals wait. A folder of its own, because some folders give a meaning to every file that lies in them: all
# programs among the generators are run, all links in sockets.target.wants are followed.
diverted=/usr/lib/importd/diverted

# Diversions that are ours, one path on each line.
diversions() {
  LC_ALL=C dpkg-divert --list | sed -n 's/^diversion of \(.*\) to .* by importd$/\1/p'
}

# Ends one diversion: the original, if it is there, is back under its name.
give_back() {
  dpkg-divert --quiet --package importd --remove --rename "$1"
}

# Ends all diversions, and removes the place.
give_all_back() {
  diversions | while read -r path; do give_back "$path"; done
  if [ -d "$DPKG_ROOT$diverted" ]; then
    find "$DPKG_ROOT$diverted" -depth -type d -exec rmdir --ignore-fail-on-non-empty {} +
    rmdir --ignore-fail-on-non-empty "$DPKG_ROOT/usr/lib/importd" 2>/dev/null || true
  fi
}

# Ends the diversions of files that this version of the package does not hold. Folders stay, empty or not: dpkg makes none for
# what it diverts, so a later installation of systemd-container needs them.
settle() {
  ours=$(dpkg-query --listfiles importd)
  diversions | while read -r path; do
    case $path in
      /usr/*) file=$path ;;
      *) file=/usr$path ;;
    esac
    printf '%s\n' "$ours" | grep -qxF -- "$file" || give_back "$path"
  done
}

# Whether there is a service manager to talk to, and it is this system's.
running() {
  [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]
}

# Makes the running system use the files that are there now. A service in the middle of transfers is left to them: it ends
# by itself when it rests, and the next call starts the new one.
refresh() {
  running || return 0
  systemctl --system daemon-reload || true
  socket=
  [ ! -e /usr/lib/systemd/system/systemd-importd.socket ] || socket=systemd-importd.socket
  if systemctl --quiet is-active systemd-importd.service; then
    busy=$(busctl --system --timeout=5 call org.freedesktop.import1 /org/freedesktop/import1 \
      org.freedesktop.import1.Manager ListTransfers 2>/dev/null) || busy=
    case $busy in
      # Both at once, or the socket would start it again.
      '' | 'a(usssdo) 0') systemctl stop $socket systemd-importd.service || true ;;
      *) return 0 ;;
    esac
  fi
  [ -z "$socket" ] || systemctl restart $socket || true
}
