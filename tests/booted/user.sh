#!/usr/bin/env bash
# Runs inside the booted system (see run.sh): a user's own service manager, session bus and import service.
set -uo pipefail
. "$(dirname "$0")/check.sh"
uid=4321
id walter >/dev/null 2>&1 || useradd --create-home --uid $uid --shell /bin/bash walter
for file in /etc/subuid /etc/subgid; do
  sed -i '/^walter:/d' "$file" 2>/dev/null; echo 'walter:700000:65536' >> "$file"
done
home=/home/walter machines=/home/walter/.local/state/machines
as() { setpriv --reuid=$uid --regid=$uid --init-groups env -i HOME=$home USER=walter PATH=/tests/bin:/usr/bin:/bin LANG=C.UTF-8 \
  XDG_RUNTIME_DIR=/run/user/$uid DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$uid/bus "$@"; }

check 'the user lingers' loginctl enable-linger walter
# Returns when the user's manager is ready.
check 'the user has a service manager' systemctl start user@$uid.service
check 'and a session bus' as busctl --user status
cd "$home" || exit 1
mkdir -p tree/usr/lib tree/etc/closed; echo ID=test > tree/usr/lib/os-release
echo web > tree/etc/web; chown 33:33 tree/etc/web; echo in > tree/etc/closed/in
chown 65534:42 tree/etc/closed/in; chown 33:33 tree/etc/closed; chmod 700 tree/etc/closed
tar -C tree --format=posix -cf tree.tar .; truncate -s 20M disk.raw; printf boot | dd of=disk.raw conv=notrunc status=none
sha256sum tree.tar disk.raw > SHA256SUMS
chown walter: tree.tar disk.raw SHA256SUMS
describe() { (cd "$1" && find . -printf '%P|%y|%m|%U:%G|%T@|%l|%n\n' | sort; find . -type f -exec sha256sum {} + | sort); }

check 'the session bus starts the service' as busctl --user call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager ListTransfers
check 'it is our program, in the unit of the user' bash -c "
  pid=\$(systemctl --user -M walter@.host show -p MainPID --value systemd-importd) && cmp /proc/\$pid/exe /usr/lib/systemd/systemd-importd && grep -q user@$uid /proc/\$pid/cgroup"
for client in importctl importctl-ours; do
  command -v $client >/dev/null || continue
  as $client --help 2>/dev/null | grep -q -e --user || continue
  check "$client imports a tree of several owners" as $client --user -m -q import-tar tree.tar "tree-$client"
  check 'its owners are ids of the user' bash -c "[ \"\$(stat -c %u:%g $machines/tree-$client/{etc/web,etc/closed/in,usr} | xargs)\" = '700032:700032 765533:700041 $uid:$uid' ]"
  check "$client exports it" as $client --user -m -q export-tar "tree-$client" "$client.tar"
  rm -rf /tmp/back; mkdir /tmp/back; tar -C /tmp/back --numeric-owner -xpf "$client.tar"
  check 'the exported tree is the same' diff <(describe tree) <(describe /tmp/back)
  check "$client pulls a disk image" as $client --user -m -q --verify=checksum pull-raw "file://$home/disk.raw" "disk-$client"
  check "$client exports it" as $client --user -m -q export-raw "disk-$client" "$client.raw"
  check 'the exported disk image is the same' cmp disk.raw "$client.raw"
  check "$client replaces a tree" as $client --user -m -q --force import-tar tree.tar "tree-$client"
  check "$client lists both" as bash -c "[ \$($client --user -m list-images --no-legend | grep -cE ' (tree|disk)-$client ') = 2 ]"
done
check 'an extension of the name of a machine' as importctl-ours --user -S -q import-tar tree.tar tree-importctl-ours
check 'lies in a folder of its own' test -d $home/.local/state/extensions/tree-importctl-ours/usr
check 'without the service too' as importctl-ours --user --standalone -m -q import-tar tree.tar alone
check 'util-linux removes a tree' as unshare --map-root-user --map-auto rm -r "$machines/alone"
check 'the service stops politely' systemctl --user -M walter@.host stop systemd-importd
check 'and did so without a failure' bash -c '[ "$(systemctl --user -M walter@.host show -p Result --value systemd-importd)" = success ]'
check 'nothing is left' bash -c "! ls -A $machines | grep -F '.#'"
loginctl disable-linger walter; systemctl stop user@$uid.service
result user
