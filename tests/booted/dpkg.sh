#!/usr/bin/env bash
# Runs in a root that is not booted (chroot): the package under dpkg, beside systemd-container in every order, with upgrades and failures. The
# root is in the end as it was. dpkg.sh PACKAGE
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/check.sh"
package=$(realpath "$1")
work=$(mktemp -d /var/tmp/dpkg.XXXXXX); cd "$work" || exit 1

repack() { # package: the one that is installed, as a file again
  local name=$1 folder=$work/$1; mkdir -p "$folder/DEBIAN"
  dpkg-query --status "$name" | grep -vE '^(Status|Conffiles):|^ /' > "$folder/DEBIAN/control"
  dpkg-query --listfiles "$name" | while read -r file; do
    # /bin and /lib are links on the disk, but folders in packages of Debian 12.
    if [ -d "$file" ]; then mkdir -p "$folder$file"; elif [ -e "$file" ]; then cp -a "$file" "$folder$file"; fi
  done
  for script in preinst postinst prerm postrm; do
    [ ! -e "/var/lib/dpkg/info/$name.$script" ] || cp "/var/lib/dpkg/info/$name.$script" "$folder/DEBIAN/$script"
  done
  dpkg-deb --build -Znone "$folder" "$work/$name.deb" >/dev/null
}
variant() { # name, version, command that changes the unpacked package $folder
  local folder=$work/$1
  dpkg-deb --raw-extract "$package" "$folder"
  sed -i "s/^Version: .*/Version: $2/" "$folder/DEBIAN/control"
  rm -f "$folder/DEBIAN/md5sums"
  eval "$3"
  dpkg-deb --build -Znone "$folder" "$work/$1.deb" >/dev/null
}
picture() { # what the root holds outside of logs and dpkg's own state
  find / -xdev \( -path /var/lib/dpkg -o -path /var/log -o -path /var/cache -o -path /proc -o -path "$work" -o -path /tests -o -path /tmp \) -prune -o \
    \( -type f -o -type l -o -path '/usr/lib/importd*' \) -printf '%p %y %m %s %l\n' | sort
}
ours() { /usr/lib/systemd/systemd-importd --version | grep -q 'importd 0'; }
theirs() { [ -e /usr/lib/systemd/systemd-importd ] && ! ours; }
same_as() { picture > "$work/now"; diff "$1" "$work/now"; }
unchanged() { same_as before; }
no_diversion() { ! dpkg-divert --list | grep importd; }
install() { dpkg --install "$@"; }
remove() { dpkg --remove "$1"; }

repack systemd-container
picture > before
check 'installed over the original' install "$package"
check 'ours is in place' ours
check 'no file was damaged' bash -c '[ -z "$(dpkg --verify importd 2>&1)" ]'
check 'installed again' install "$package"
check 'the original is upgraded beside it' install systemd-container.deb
check 'ours is still in place' ours
check 'and unharmed' bash -c '[ -z "$(dpkg --verify importd 2>&1)" ]'
check 'removed' remove importd
check 'the original is back' theirs
check 'and all else is as before' unchanged

check 'installed again' install "$package"
check 'the original is removed beside it' remove systemd-container
check 'ours is still in place' ours
check 'and installed beside it' install systemd-container.deb
check 'ours is still in place' ours
check 'removed' remove importd
check 'all is as before' unchanged

check 'the original is removed first' remove systemd-container
picture > before_alone
check 'ours is installed alone' install "$package"
check 'ours is in place' ours
check 'removed' remove importd
check 'nothing is left' same_as before_alone
check 'and no diversion' no_diversion
check 'installed alone again' install "$package"
check 'the original comes after' install systemd-container.deb
check 'ours is still in place' ours
check 'removed' remove importd
check 'the original is back' theirs
check 'all is as before' unchanged

# Debian 12 has files below /lib that later releases have below /usr/lib, which is the same folder on the disk: an upgrade of the release.
if [ -d systemd-container/lib/systemd ]; then
  cp -a systemd-container moved; mkdir -p moved/usr/lib
  cp -a moved/lib/. moved/usr/lib/; rm -r moved/lib
  sed -i 's/^Version: .*/&+moved/' moved/DEBIAN/control
  dpkg-deb --build -Znone moved moved.deb >/dev/null
  check 'installed before an upgrade of the release' install "$package"
  check 'the original moves to its other name' install moved.deb
  check 'ours is still in place' ours
  check 'and unharmed' bash -c '[ -z "$(dpkg --verify importd 2>&1)" ]'
  check 'removed' remove importd
  check 'the original is back under its new name' bash -c 'dpkg-query --search /usr/lib/systemd/systemd-importd | grep -q "^systemd-container:" && [ -z "$(dpkg --verify systemd-container 2>&1)" ]'
  check 'and is the original' theirs
  check 'the older original is installed again' install systemd-container.deb
  check 'all is as before' unchanged
fi

# A newer version that holds one file more, which the original has too, and one less. One that cannot be unpacked, because another
# package has one of its files; one whose script fails.
more=/usr/bin/systemd-nspawn less=/usr/share/man/man5/importd.conf.5.gz
variant newer 0.2 'echo more > $folder'"$more"'; rm $folder'"$less"'; sed -i "s#^usr/bin/importctl\$#&\n'"${more#/}"'#; \\#^'"${less#/}"'\$#d" $folder/DEBIAN/preinst'
variant clash 0.3 'echo more > $folder'"$more"'; echo > $folder/usr/bin/dpkg; sed -i "s#^usr/bin/importctl\$#&\n'"${more#/}"'#" $folder/DEBIAN/preinst'
variant failing 0.4 'printf "#!/bin/sh\nexit 1\n" > $folder/DEBIAN/postinst'
refused 'a first installation that fails' 'trying to overwrite' install clash.deb
check 'leaves all as before' unchanged
check 'and no diversion' no_diversion
check 'installed' install "$package"
check 'upgraded' install newer.deb
check 'the new file took the place of the original' grep -qx more $more
check 'and its diversion came, the one of the old file went' bash -c "dpkg-divert --list | grep -q '$more ' && ! dpkg-divert --list | grep -q '$less '"
check 'downgraded' install "$package"
check 'the original of the new file is back' bash -c "! grep -qx more $more"
refused 'an upgrade that fails' 'trying to overwrite' install clash.deb
check 'leaves the old version' bash -c '[ "$(dpkg-query -W -f "\${Version} \${db:Status-Status}" importd)" = "$(dpkg-deb -f '"$package"' Version) installed" ]'
check 'ours is in place' ours
check 'and unharmed' bash -c '[ -z "$(dpkg --verify importd 2>&1)" ]'
check 'and what only the new one had is the original' bash -c "! grep -qx more $more"
refused 'an upgrade whose script fails' 'post-?inst' install failing.deb
check 'is mended by the next one' install "$package"
check 'ours is in place' ours
check 'purged' dpkg --purge importd
check 'the original is back' theirs
check 'all is as before' unchanged
check 'and no diversion' no_diversion
cd /; rm -rf "$work"
result dpkg
