#!/usr/bin/env bash
# Runs inside the booted system (see run.sh): what its programs, and ours, make of a stack of layers that lies there.
set -uo pipefail
. "$(dirname "$0")/check.sh"
machines=/var/lib/machines
layer=.oci-sha256:$(printf 'layer' | sha256sum | cut -d' ' -f1)
mkdir -p "$machines/$layer/usr/lib"
echo 'ID=test' > "$machines/$layer/usr/lib/os-release"
chattr +i "$machines/$layer" 2>/dev/null || true
for stack in only open; do
  mkdir "$machines/$stack.mstack"
  ln -s "../$layer" "$machines/$stack.mstack/layer@0"
done
mkdir "$machines/open.mstack/rw"

ours() { importctl-ours -m -j list-images | python3 -c 'import json, sys
name, want = sys.argv[1], sys.argv[2:]
found = [image for image in json.load(sys.stdin) if image["name"] == name][0]
sys.exit([found["type"], str(found["ro"]).lower()] != want)' "$@"; }
check 'our lists show a stack' ours open mstack false
check 'and that one without a place for changes is read-only' ours only mstack true
check 'standalone too' bash -c 'importctl-ours --standalone -m list-images --no-legend | grep -q "^machine *open *mstack"'

# What the original's machinectl can do with one is noted here; see docs/oci.md.
version=$(systemctl --version | awk 'NR == 1 {print $2}' | cut -d. -f1)
if [ "$version" -ge 260 ]; then
  check 'machinectl lists it as such' bash -c 'machinectl --no-legend list-images | grep -q "^open *mstack *no"'
  check 'and shows it' bash -c 'machinectl image-status open | grep -q "Type: mstack"'
  refused 'it cannot be renamed' 'not supported' machinectl rename open renamed
  refused 'it cannot be marked' 'not supported' machinectl read-only open yes
  check 'it is removed, and its layers stay' bash -c "machinectl remove open && [ ! -e $machines/open.mstack ] && [ -e $machines/$layer ]"
else
  check 'an older machinectl takes it for a folder' bash -c 'machinectl --no-legend list-images | grep -q "^open.mstack *directory"'
  check 'which it removes, and its layers stay' bash -c "machinectl remove open.mstack && [ ! -e $machines/open.mstack ] && [ -e $machines/$layer ]"
fi
check 'machinectl clean takes the layers away from those who use them' bash -c "machinectl clean >/dev/null && [ ! -e $machines/$layer ]"
chattr -i "$machines/$layer" 2>/dev/null
rm -rf "${machines:?}"/*.mstack "${machines:?}/$layer"
result stack
