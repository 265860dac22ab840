#!/usr/bin/env bash
# Runs inside the booted system (see run.sh) once our package is installed: what that system's programs do with it.
# /tests/bin/importctl is the original's client, importctl-ours is ours; machinectl is the original's.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/check.sh"
work=$(mktemp -d /var/tmp/package.XXXXXX); cd "$work" || exit 1
import1() { busctl --system call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager "$@"; }
as_nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; }
server=
clean() { [ -z "$server" ] || kill "$server"; }
trap clean EXIT

echo "-- files"
check 'all files are as they were packed' bash -c '[ -z "$(dpkg --verify importd 2>&1)" ]'
check 'the original waits where the package puts it' test -x /usr/lib/importd/diverted/usr/lib/systemd/systemd-importd -o -x /usr/lib/importd/diverted/lib/systemd/systemd-importd
check 'the unit is without fault' bash -c '! systemd-analyze --man=no verify systemd-importd.service 2>&1 | grep -vE "Unknown key|service type, ignoring: notify-reload" | grep -E "systemd-importd|imports|systemd-loop"'
check 'the manual pages are found' bash -c 'command -v man >/dev/null || exit 0; for page in importctl systemd-importd importd.conf org.freedesktop.import1 systemd-import-generator; do man -w "$page"; done'

echo "-- the bus and the unit, theirs and ours"
check 'what we offer is written down' bash "$here/offers.sh" /tests/offers/ours
for object in manager transfer log; do
  if grep -q '^systemd 262' <<<"$(systemctl --version)"; then
    check "the $object offers what the original's does, and nothing else but on interfaces of our own" \
      diff /tests/offers/theirs/$object <(grep -v '^io\.importd\.' /tests/offers/ours/$object)
  else
    check "the $object offers all that the older original's does" \
      bash -c "missing=\$(comm -23 /tests/offers/theirs/$object /tests/offers/ours/$object); echo \"\$missing\"; [ -z \"\$missing\" ]"
  fi
done
python3 "$here/exposure.py" /tests/offers/theirs/security.json /tests/offers/ours/security.json
echo "exposure: theirs $(cat /tests/offers/theirs/exposure), ours $(cat /tests/offers/ours/exposure)"
check 'the unit is less exposed than the original' awk 'NR==FNR {theirs=$1; next} END {exit !($1 < theirs)}' /tests/offers/theirs/exposure /tests/offers/ours/exposure

echo "-- every verb, by our client and the original's"
mkdir -p www box/usr/lib box/usr/bin box/dev
for file in /bin/true $(ldd /bin/true | grep -o '/[^ ]*'); do install -D "$file" "box$file"; done
echo 'ID=test' > box/usr/lib/os-release
mknod box/dev/loop250 b 7 250; mknod box/dev/odd c 240 1
tar -C box -c . | zstd -q > www/box.tar.zst
truncate -s 24M disk.raw; mkfs.ext4 -q -d box disk.raw; xz -kc -0 disk.raw > www/disk.raw.xz
(cd www && sha256sum box.tar.zst disk.raw.xz > SHA256SUMS)
coproc python3 -u -m http.server --bind 127.0.0.1 --directory www 0 2>/dev/null
server=$!
read -r _ _ _ _ _ port _ <&"${COPROC[0]}"
url=http://127.0.0.1:$port
for client in importctl-ours importctl; do
  command -v "$client" >/dev/null || { echo "$client: skipped, this system has none"; continue; }
  n=${client//[!a-z]/}
  check "$client pulls an archive" "$client" -q -m --verify=checksum pull-tar "$url/box.tar.zst" "$n"
  check "$client pulls a disk image" "$client" -q -m --verify=checksum pull-raw "$url/disk.raw.xz" "$n-disk"
  check "$client pulls for every class" bash -c "for class in portable sysext confext; do $client -q --class=\$class --verify=no pull-raw '$url/disk.raw.xz' $n || exit 1; done"
  check "$client replaces with --force" "$client" -q -m --force --verify=checksum pull-tar "$url/box.tar.zst" "$n"
  check "$client imports an archive" "$client" -q -m import-tar www/box.tar.zst "$n-it"
  check "$client imports a disk image read-only" "$client" -q -m --read-only import-raw www/disk.raw.xz "$n-ir"
  check "$client imports a folder" "$client" -q -m import-fs box "$n-fs"
  check "$client exports an archive" bash -c "$client -q -m export-tar $n $n.tar.xz && xz -t $n.tar.xz"
  check "$client exports a disk image" bash -c "$client -q -m export-raw $n-disk $n.raw && cmp $n.raw disk.raw"
  check "$client lists images" bash -c "$client -m list-images | grep -q '^machine *$n-fs '"
  check "$client lists images as JSON" bash -c "$client -m -j list-images | python3 -c 'import json,sys; assert any(i[\"name\"] == \"$n\" for i in json.load(sys.stdin))'"
  check "$client lists transfers, and cancels one" bash "$here/cancel.sh" "$client" "$n-slow"
  refused "$client tells of a refusal" 'xists' "$client" -q -m --verify=checksum pull-tar "$url/box.tar.zst" "$n"
done
check 'nodes of all kinds are made' bash -c '[ "$(stat -c %F:%t:%T /var/lib/machines/importctlours/dev/loop250)" = "block special file:7:fa" ] && [ "$(stat -c %F:%t:%T /var/lib/machines/importctlours/dev/odd)" = "character special file:f0:1" ]'
check 'machinectl pulls a disk image' machinectl -q --verify=checksum pull-raw "$url/disk.raw.xz" bymachinectl
check 'and lists no transfer, as none runs' bash -c '[ "$(machinectl --no-legend list-transfers 2>/dev/null | grep -c "[a-z]-raw")" = 0 ]'
check 'machinectl shows and removes an image' bash -c 'machinectl -q image-status importctlours-it | grep -q "importctlours-it" && machinectl remove importctlours-it && [ ! -e /var/lib/machines/importctlours-it ]'

if [ -e "$here/btrfs.img" ] && mkdir -p /var/lib/portables && import1 ListTransfers >/dev/null && mount -o loop "$here/btrfs.img" /var/lib/portables; then
  # The service runs already: what is mounted since must be where it looks.
  check 'on btrfs an archive becomes a subvolume' bash -c 'importctl-ours -q -P import-tar www/box.tar.zst volume && [ "$(stat -c %i /var/lib/portables/volume)" = 256 ]'
  check 'a folder import a snapshot, read-only if wanted' bash -c 'importctl-ours -q -P --read-only import-fs /var/lib/portables/volume snapshot && [ "$(stat -c %i /var/lib/portables/snapshot)" = 256 ] && ! touch /var/lib/portables/snapshot/x'
  check 'it is exported' bash -c 'importctl-ours -q -P export-tar snapshot - | tar -t | grep -q usr/lib/os-release'
  check 'and replaced' importctl-ours -q -P --force import-tar www/box.tar.zst snapshot
  umount /var/lib/portables
else echo "btrfs: skipped, there is none"; fi

echo "-- polkit"
if systemctl cat polkit.service >/dev/null 2>&1; then
  pull() { as_nobody busctl --system call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager PullRawEx sssst "$url/disk.raw.xz" "$1" "$2" no 0; }
  refused 'without a rule nobody may pull' 'InteractiveAuthorizationRequired|uthenti|denied' pull byrule sysext
  cat > /etc/polkit-1/rules.d/10-importd-test.rules <<'RULE'
polkit.addRule(function(action, subject) {
  if (action.id == "org.freedesktop.import1.pull" && subject.user == "nobody" && action.lookup("class") == "sysext")
    return polkit.Result.YES;
});
RULE
  systemctl restart polkit.service
  check 'a rule that looks at what is asked for grants it' pull byrule sysext
  check 'and the image comes' bash "$here/until.sh" test -e /var/lib/extensions/byrule.raw
  refused 'and grants nothing else' 'InteractiveAuthorizationRequired|uthenti|denied' pull byrule machine
  rm /etc/polkit-1/rules.d/10-importd-test.rules
else echo "polkit: skipped, this system has none"; fi
check 'anybody may list' as_nobody busctl --system call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager ListImages st machine 0

echo "-- life"
if [ "$(systemctl --version | awk 'NR == 1 {print $2}' | cut -d. -f1)" -ge 253 ]; then
  check 'a reload reads the settings again' bash -c 'mkdir -p /etc/systemd/importd.conf.d && printf "[Service]\nMaxTransfers=7\n" > /etc/systemd/importd.conf.d/test.conf && systemctl reload systemd-importd && busctl get-property org.freedesktop.import1 /org/freedesktop/import1 io.importd.Manager1 MaxTransfers | grep -qx "u 7" && rm /etc/systemd/importd.conf.d/test.conf'
else echo "reload: skipped, this systemd is too old"; fi
check 'an upgrade leaves a transfer alone that runs' bash "$here/upgrade.sh" www/box.tar.zst upgraded
check 'systemctl sets the log level' bash -c 'systemctl service-log-level systemd-importd debug && [ "$(systemctl service-log-level systemd-importd)" = debug ]'
check 'and the log target' bash -c 'systemctl service-log-target systemd-importd kmsg && [ "$(systemctl service-log-target systemd-importd)" = kmsg ]'
check 'the journal has the lines of workers' bash -c 'journalctl -u systemd-importd --no-pager | grep -q "systemd-importd\[.*transfer"'
mkdir -p /run/systemd/system/systemd-importd.service.d
printf '[Service]\nEnvironment=IMPORTD_IDLE_EXIT_SEC=1\n' > /run/systemd/system/systemd-importd.service.d/idle.conf
systemctl daemon-reload; systemctl restart systemd-importd
check 'at rest it leaves by itself' bash "$here/until.sh" bash -c '[ "$(systemctl show -p ActiveState --value systemd-importd)" = inactive ]'
check 'without a failure' bash -c '[ "$(systemctl show -p Result --value systemd-importd)" = success ]'
check 'and the next call starts it' import1 ListTransfers
rm -r /run/systemd/system/systemd-importd.service.d; systemctl daemon-reload

echo "-- what runs images"
check 'systemd-nspawn runs a pulled archive' systemd-nspawn --quiet --register=no --keep-unit -D /var/lib/machines/importctlours --pipe /bin/true
check 'and an image by its name' systemd-nspawn --quiet --register=no --keep-unit -M importctlours-fs --pipe /bin/true
check 'systemd-dissect reads a pulled disk image' bash -c 'systemd-dissect --copy-from /var/lib/machines/importctlours-disk.raw /usr/lib/os-release - | grep -qx ID=test'
if systemd-dissect --help | grep -- --attach >/dev/null; then
  loop=systemd-loop@$(systemd-escape --path /var/lib/machines/importctlours-disk.raw).service
  check 'a pulled disk image becomes a block device' bash -c 'systemctl start "$1" && losetup --list --noheadings --output BACK-FILE | grep -q importctlours-disk.raw' _ "$loop"
  check 'and is none any more' bash -c 'systemctl stop "$1" && ! losetup --list --noheadings --output BACK-FILE | grep -q importctlours-disk.raw' _ "$loop"
else echo "block devices: skipped, systemd-dissect is too old"; fi
extension() { # class, folder, path of the release file below it
  mkdir -p "$1/$2/extension-release.d"; echo 'ID=_any' > "$1/$2/extension-release.d/extension-release.importd-$1"
  echo "$1" > "$1/${2%%/*}/importd-$1"
  tar -C "$1" -c . > "$1.tar"
}
extension sysext usr/lib; extension confext etc
# What was pulled above is none, and merging takes all that is there.
rm -rf /var/lib/extensions/* /var/lib/confexts/*
check 'a system extension is merged' bash -c 'importctl-ours -q -S import-tar sysext.tar importd-sysext && systemd-sysext merge && [ "$(cat /usr/importd-sysext)" = sysext ] && systemd-sysext unmerge'
if command -v systemd-confext >/dev/null; then
  check 'a configuration extension is merged' bash -c 'importctl-ours -q -C import-tar confext.tar importd-confext && systemd-confext merge && [ "$(cat /etc/importd-confext)" = confext ] && systemd-confext unmerge'
else echo "configuration extensions: skipped, this system has none"; fi
rm -rf /var/lib/extensions/* /var/lib/confexts/*
result package
