#!/usr/bin/env bash
# Runs inside the booted system (see run.sh): that system's systemd-sysupdate drives our workers through every kind of
# transfer that they do for it, three versions of each, from a server with a signed list and from folders.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/check.sh"

sysupdate=/usr/lib/systemd/systemd-sysupdate
[ -x "$sysupdate" ] || { echo "sysupdate: skipped, this system has none"; exit 0; }
work=$(mktemp -d /var/tmp/sysupdate.XXXXXX); cd "$work" || exit 1
mkdir -p www made local defs efi trees apps boxes rooms gpg

server= volumes= disk=
clean() {
  [ -z "$server" ] || kill "$server"
  [ -z "$volumes" ] || umount "$volumes"
  [ -z "$disk" ] || losetup --detach "$disk"
}
trap clean EXIT
if ldconfig -p | grep -q libfdisk.so.1; then
  python3 "$here/gpt.py" make disk.img 2
  disk=$(losetup --find --show disk.img) || exit 1
else echo "partitions: skipped, there is no libfdisk"; fi
# The file system is made outside, where there is mkfs.btrfs.
if [ -e "$here/btrfs.img" ] && mkdir volumes && mount -o loop "$here/btrfs.img" volumes; then volumes=$work/volumes
else echo "subvolumes: skipped, there is no btrfs"; fi

chmod 700 gpg
export GNUPGHOME=$work/gpg
gpg --batch --quiet --passphrase '' --quick-generate-key 'Updates <updates@example.org>' ed25519 sign never
rm -f /etc/systemd/import-pubring.pgp
gpg --batch --quiet --export > /etc/systemd/import-pubring.gpg

coproc python3 -u -m http.server --bind 127.0.0.1 --directory www 0 2>/dev/null
server=$!
read -r _ _ _ _ _ port _ <&"${COPROC[0]}"
url=http://127.0.0.1:$port/

for version in 1 2 3 4; do
  echo "kernel $version" > "made/kernel_$version.efi"
  head -c 3000000 /dev/urandom > "made/root_$version"
  xz -kc "made/root_$version" > "made/root_$version.xz"
  mkdir -p "made/tree_$version/usr/lib"; echo "VERSION_ID=$version" > "made/tree_$version/usr/lib/os-release"
  tar -C "made/tree_$version" -czf "made/tree_$version.tar.gz" .
done
publish() { # version
  cp "made/kernel_$1.efi" "made/root_$1.xz" "made/tree_$1.tar.gz" www/
  (cd www && sha256sum kernel_* root_* tree_* > SHA256SUMS)
  sign
  echo "app $1" > "local/app_$1"
  tar -C "made/tree_$1" -cf "local/box_$1.tar" .
  rm -rf "local/room_$1"; cp -a "made/tree_$1" "local/room_$1"
}
sign() { rm -f www/SHA256SUMS.gpg; gpg --batch --quiet --detach-sign --output www/SHA256SUMS.gpg www/SHA256SUMS; }
transfer() { # name, type, path and pattern of the source, the same of the target, more lines of the target...
  local name=$1; shift
  { printf '[Source]\nType=%s\nPath=%s\nMatchPattern=%s\n\n[Target]\nType=%s\nPath=%s\nMatchPattern=%s\n' "${@:1:6}"
    printf '%s\n' "${@:7}"; } > "defs/$name.transfer"
}
transfer 10-kernel url-file "$url" kernel_@v.efi regular-file "$work/efi" kernel_@v.efi Mode=0444 InstancesMax=2
[ -z "$disk" ] || transfer 20-root url-file "$url" root_@v.xz partition "$disk" root_@v MatchPartitionType=linux-generic
transfer 30-tree url-tar "$url" tree_@v.tar.gz directory "$work/trees" tree_@v InstancesMax=2
[ -z "$volumes" ] || transfer 40-volume url-tar "$url" tree_@v.tar.gz subvolume "$volumes" v_@v InstancesMax=2
transfer 50-app regular-file "$work/local" app_@v regular-file "$work/apps" app_@v InstancesMax=2
transfer 60-box tar "$work/local" box_@v.tar directory "$work/boxes" box_@v InstancesMax=2
transfer 70-room directory "$work/local" room_@v directory "$work/rooms" room_@v InstancesMax=2
update() { "$sysupdate" --definitions="$work/defs" "$@"; }

on_disk() { # version: the partition of that label begins with that version's bytes
  local start
  [ -n "$disk" ] || return 0
  start=$(python3 "$here/gpt.py" show "$disk" | awk -v label="root_$1" '$1 == label { print $2 }')
  [ -n "$start" ] && cmp -n 3000000 -i "$start:0" "$disk" "made/root_$1"
}
there() { # version: everything of it is in its place
  local version=$1
  cmp "efi/kernel_$version.efi" "made/kernel_$version.efi" && [ "$(stat -c %a "efi/kernel_$version.efi")" = 444 ] &&
    on_disk "$version" && diff -r "trees/tree_$version" "made/tree_$version" && cmp "apps/app_$version" "local/app_$version" &&
    diff -r "boxes/box_$version" "made/tree_$version" && diff -r "rooms/room_$version" "made/tree_$version" &&
    { [ -z "$volumes" ] || { diff -r "$volumes/v_$version" "made/tree_$version" && [ "$(stat -c %i "$volumes/v_$version")" = 256 ]; }; }
}
only() { # versions...: nothing else is there, hidden entries neither
  local place version expected found
  for place in efi/kernel_:.efi trees/tree_: apps/app_: boxes/box_: rooms/room_:; do
    expected=$(for version; do echo "$(basename "${place%:*}")$version${place#*:}"; done)
    found=$(ls -A "$(dirname "${place%:*}")")
    [ "$found" = "$expected" ] || { echo "${place%/*}: $found"; return 1; }
  done
}

publish 1
check 'sysupdate sees a new version' bash -c "[ \"\$($sysupdate --definitions=$work/defs check-new)\" = 1 ]"
check 'and installs it everywhere' update update
check 'all of it is there' there 1
check 'and nothing else' only 1
refused 'there is nothing newer then' '' update check-new
publish 2
check 'a second version is installed' update update
check 'all of it is there' there 2
check 'beside the first one' there 1
publish 3
check 'a third one takes the place of the first' update update
check 'all of it is there' there 3
check 'and the first one is gone' only 2 3
check 'vacuuming leaves one' update vacuum --instances-max=1
check 'the newest' only 3

publish 4
printf x >> www/kernel_4.efi
refused 'a file that is not what the list says' 'is not what' update update
check 'does not become visible, nor does the rest' only 3
cp made/kernel_4.efi www/
echo '# more' >> www/SHA256SUMS
refused 'a list that is not what was signed' 'ignature' update update
check 'changes nothing' only 3
publish 4
check 'what is mended is installed' update update
check 'all of it is there' there 4
result sysupdate
