#!/usr/bin/env bash
# Runs inside the booted system (see run.sh), which was booted with wishes on its command line and in a credential.
#   atboot.sh make FOLDER     (outside of it, before) makes the images and the credential
#   atboot.sh                 looks at what became of the wishes
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if [ "${1:-}" = make ]; then
  set -e
  mkdir -p "$2/atboot/tree/usr/lib/extension-release.d" "$2/atboot/credentials"; cd "$2/atboot"
  echo 'ID=_any' > tree/usr/lib/extension-release.d/extension-release.bycredential
  echo 'at boot' > tree/usr/atboot
  # One archive for each: two transfers of one address at once are refused.
  for name in byline byrun bycredential; do tar -C tree -cf $name.tar .; done
  # A registry that is a folder, with an image of one layer.
  blobs=registry/v2/some/img/blobs; mkdir -p "$blobs" registry/v2/some/img/manifests
  blob() { digest=sha256:$(sha256sum "$1" | cut -d' ' -f1); size=$(stat -c %s "$1"); mv "$1" "$blobs/$digest"; }
  plain=sha256:$(sha256sum byline.tar | cut -d' ' -f1)
  gzip -nc byline.tar > layer; blob layer; layer="{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"$digest\",\"size\":$size}"
  printf '{"os":"linux","config":{"Cmd":["/usr/atboot"]},"rootfs":{"type":"layers","diff_ids":["%s"]}}' "$plain" > config
  blob config; config="{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"$digest\",\"size\":$size}"
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}' "$config" "$layer" > registry/v2/some/img/manifests/latest
  mkdir -p "$2/../etc/systemd/oci-registry"
  echo '{"defaultProtocol":"file","overrideRegistry":"/tests/atboot/registry"}' > "$2/../etc/systemd/oci-registry/registry.at.boot.oci-registry"
  truncate -s 8M disk.raw
  sha256sum ./*.tar disk.raw > SHA256SUMS
  cat > credentials/import.pull <<'WISHES'
# what the fleet needs
tar,sysext,verify=checksum:bycredential:file:///tests/atboot/bycredential.tar

this is no wish
raw,portable,ro,verify=checksum:bycredential:file:///tests/atboot/disk.raw
WISHES
  exit 0
fi
. "$here/check.sh"
if ! grep -q 'system/systemd-importd.socket$' /var/lib/dpkg/info/importd.list; then echo "boot: skipped, the package has no socket yet"; exit 0; fi
command -v varlinkctl >/dev/null || { echo "boot: skipped, this system has no varlinkctl"; exit 0; }

check 'the target of downloads was reached' bash "$here/until.sh" systemctl --quiet is-active imports.target
units() { systemctl list-units --all --no-legend --plain 'systemd-import@*' | awk '{print $1}'; }
check 'each wish that can be understood has a unit' bash -c "[ \"$(units | wc -l)\" = 5 ]"
for unit in $(units); do
  check "$unit succeeded" bash -c "[ \"\$(systemctl show -p Result --value '$unit')\" = success ] || { systemctl status --no-pager '$unit'; exit 1; }"
done
check 'an archive from the command line' diff -r /tests/atboot/tree /var/lib/machines/byline
check 'a stack of layers from a registry' bash -c 'diff -r /tests/atboot/tree /var/lib/machines/byoci.mstack/layer@0/ && [ -d /var/lib/machines/byoci.mstack/rw ] && [ -e /var/lib/machines/byoci.nspawn ]'
check 'one below /run, where it was wanted' diff -r /tests/atboot/tree /run/machines/byrun
check 'an extension from the credential' diff -r /tests/atboot/tree /var/lib/extensions/bycredential
check 'a disk image from it, read-only' bash -c 'cmp /tests/atboot/disk.raw /var/lib/portables/bycredential.raw && [ "$(stat -c %a /var/lib/portables/bycredential.raw)" = 444 ]'
check 'the extension was there before extensions are merged' bash -c "systemctl show -p Before --value '$(units | grep extensions)' | grep -q systemd-sysext.service"
result boot
