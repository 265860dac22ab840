#!/usr/bin/env bash
# Runs inside the booted system (see run.sh): that system's own clients on our service.
set -uo pipefail
. "$(dirname "$0")/check.sh"
import1() { busctl --system call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager "$@"; }

work=$(mktemp -d /var/tmp/work.XXXXXX); cd "$work"
mkdir -p tree/usr/lib tree/etc tree/bin www
echo 'ID=test' > tree/usr/lib/os-release
printf 'hello' > tree/etc/greeting; ln tree/etc/greeting tree/etc/link; ln -s ../etc/greeting tree/bin/l
install -m 4755 /bin/true tree/bin/true; mknod tree/null c 1 3; mkfifo tree/fifo
setfacl -m u:12345:r tree/etc/greeting; setfattr -n trusted.t -v 1 tree/etc
truncate -s 5M tree/hole; printf x | dd of=tree/hole bs=1 seek=3M conv=notrunc status=none
tar --create --sparse --xattrs --xattrs-include='*' --acls -C tree . | zstd -q > www/tree.tar.zst
truncate -s 20M www/disk.raw; printf 'boot' | dd of=www/disk.raw conv=notrunc status=none
xz -k www/disk.raw
(cd www && sha256sum tree.tar.zst disk.raw.xz > SHA256SUMS)
describe() { (cd "$1" && find . -printf '%P|%y|%m|%U:%G|%T@|%l|%n\n' | sort; find . -type f -exec sha256sum {} + | sort; getfacl -Rn . 2>/dev/null; getfattr -dRhm - . 2>/dev/null); }
same() { diff <(describe "$1") <(describe "$2"); }

check 'the service starts and says it is ready' systemctl start systemd-importd
check 'it is our program' bash -c 'cmp /proc/$(systemctl show -p MainPID --value systemd-importd)/exe /usr/lib/systemd/systemd-importd && /usr/lib/systemd/systemd-importd --version | grep -q "^systemd 262 (importd"'
check 'busctl sees the manager' bash -c 'busctl introspect org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager | grep -q PullTarEx'
check 'an empty list' bash -c '[ "$(busctl --system call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager ListTransfers)" = "a(usssdo) 0" ]'

check 'machinectl import-tar' machinectl -q import-tar www/tree.tar.zst fromtar
check 'the tree is the same' same tree /var/lib/machines/fromtar
check 'machinectl lists it' bash -c 'machinectl list-images | grep -q fromtar'
check 'machinectl import-raw' machinectl -q import-raw www/disk.raw.xz disk
check 'the disk image is the same' cmp www/disk.raw /var/lib/machines/disk.raw
check 'machinectl import-fs' machinectl -q import-fs tree fromfs
check 'the folder is the same' same tree /var/lib/machines/fromfs
check 'machinectl export-tar' machinectl -q export-tar fromtar out.tar.gz
check 'the archive is a whole gzip file' gzip -t out.tar.gz
check 'machinectl export-raw' machinectl -q export-raw disk out.raw
check 'the exported disk image is the same' cmp www/disk.raw out.raw
check 'machinectl pull-tar from a file' machinectl -q pull-tar --verify=checksum "file://$work/www/tree.tar.zst" pulled
check 'the pulled tree is the same' same tree /var/lib/machines/pulled
refused 'a name that is taken' 'exists' machinectl pull-tar --verify=no "file://$work/www/tree.tar.zst" pulled
refused 'a missing signature' 'ignature' machinectl pull-tar --verify=signature "file://$work/www/tree.tar.zst" unsigned
refused 'a missing file' 'ailed' machinectl pull-raw --verify=no "file://$work/www/nothing.raw" nothing
check 'nothing is left of what was refused' bash -c '! ls -A /var/lib/machines | grep -E "unsigned|nothing|importd"'

if command -v importctl >/dev/null; then
  check 'the original importctl imports a system extension' importctl -q --class=sysext import-tar www/tree.tar.zst ext
  check 'it lies where extensions do' same tree /var/lib/extensions/ext
  check 'and lists it' bash -c 'importctl --class=sysext list-images | grep -q "^sysext *ext "'
  check 'and replaces it' importctl -q --class=sysext --force import-tar www/tree.tar.zst ext
fi
check 'our importctl lists transfers' bash -c 'importctl-ours list-transfers 2>&1 | grep -q "No transfers"'
check 'our importctl pulls' importctl-ours -m -q --verify=checksum pull-raw "file://$work/www/disk.raw.xz" ours
check 'our importctl exports' bash -c 'importctl-ours -m export-raw ours ours.raw && cmp ours.raw www/disk.raw'
check 'read-only images are' bash -c 'importctl-ours -m -q --read-only import-raw www/disk.raw ro && [ "$(stat -c %a /var/lib/machines/ro.raw)" = 444 ]'

mkfifo slow; exec 9<>slow
check 'a transfer can be cancelled' bash -c '
  machinectl import-tar slow slow >/dev/null 2>&1 & client=$!
  for _ in $(seq 100); do id=$(busctl --system call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager ListTransfers | awk "\$2==1{print \$3}"); [ -n "$id" ] && break; read -rt 0.1 <> <(:) || true; done
  machinectl cancel-transfer "$id" && ! wait $client && ! ls -A /var/lib/machines | grep -q "slow"'
exec 9>&-
refused 'an unprivileged user may not import' 'denied|not permitted|uthor|uthent' setpriv --reuid=65534 --regid=65534 --clear-groups busctl --system call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager CancelTransfer u 1
check 'but may list images' setpriv --reuid=65534 --regid=65534 --clear-groups busctl --system call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager ListImages st '' 0
check 'the service stops politely' systemctl stop systemd-importd
check 'and did so without a failure' bash -c '[ "$(systemctl show -p Result --value systemd-importd)" = success ]'
check 'the bus starts it again' import1 ListTransfers
result clients
