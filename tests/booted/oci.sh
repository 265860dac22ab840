#!/usr/bin/env bash
# Runs inside the booted system (see run.sh): an image out of a registry, pulled through our service, in the hands of that system's own programs.
set -uo pipefail
. "$(dirname "$0")/check.sh"
machines=/var/lib/machines
version=$(systemctl --version | awk 'NR == 1 {print $2}' | cut -d. -f1)
work=$(mktemp -d /var/tmp/oci.XXXXXX); cd "$work" || exit 1

# A system that is just enough for a shell, and a layer that takes something away and changes something.
mkdir -p lower/usr/bin lower/usr/lib lower/usr/lib64 lower/etc lower/srv lower/tmp upper/etc upper/srv
ln -s usr/bin lower/bin; ln -s usr/lib lower/lib; ln -s usr/lib64 lower/lib64
for program in sh cat env ls id getent; do
  cp -L "$(command -v "$program")" "lower/usr/bin/$program"
  ldd "$(command -v "$program")" | grep -oE '/[^ )]+' | while read -r library; do
    mkdir -p "lower/usr$(dirname "${library#/usr}")"; cp -L "$library" "lower/usr${library#/usr}"
  done
done
printf 'ID=box\n' > lower/usr/lib/os-release
printf 'root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n' > lower/etc/passwd
printf 'root:x:0:\nuser:x:1000:\n' > lower/etc/group
echo gone > lower/etc/gone; echo old > lower/etc/changed; chmod 1777 lower/tmp
: > upper/etc/.wh.gone; echo new > upper/etc/changed; echo 'some words' > upper/srv/file

blobs=registry/v2/box/blobs; mkdir -p "$blobs" registry/v2/box/manifests
blob() { # a file becomes a blob; what documents call it
  local sum; sum=sha256:$(sha256sum < "$1" | cut -d' ' -f1)
  cp "$1" "$blobs/$sum"; printf '"digest":"%s","size":%s' "$sum" "$(stat -c %s "$1")"
}
layer() { tar -C "$1" --sort=name -cf "$1.tar" .; gzip -nkf "$1.tar"; printf '{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip",%s}' "$(blob "$1.tar.gz")"; }
plain() { printf '"sha256:%s"' "$(sha256sum < "$1.tar" | cut -d' ' -f1)"; }
layers=$(layer lower),$(layer upper)
cat > config <<EOF
{"architecture":"any","os":"linux","rootfs":{"type":"layers","diff_ids":[$(plain lower),$(plain upper)]},
 "config":{"User":"user","WorkingDir":"/srv","Env":["WORDS=two words","ODD=\"quoted\" %h \\\\"],"Entrypoint":["/bin/sh","-c"],
 "Cmd":["id -u; cat file; cat /etc/changed; ls /etc; env"]}}
EOF
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json",%s},"layers":[%s]}' \
  "$(blob config)" "$layers" > registry/v2/box/manifests/latest
python3 -u -m http.server --bind 127.0.0.1 --directory registry 0 > served 2>&1 & server=$!
trap 'kill $server' EXIT
until port=$(grep -oE 'port [0-9]+' served | cut -d' ' -f2) && [ -n "$port" ]; do read -rt 0.1 <> <(:) || true; done
mkdir -p /etc/systemd/oci-registry
echo '{"defaultProtocol":"http"}' > "/etc/systemd/oci-registry/registry.localhost%3a$port.oci-registry"

check 'the service pulls an image' importctl-ours -m pull-oci "localhost:$port/box"
check 'it is a stack of two layers' [ "$(readlink -f $machines/box.mstack/layer@1 | grep -c .oci-sha256)" = 1 ]
check 'its settings are there' grep -qx 'WorkingDirectory=/srv' $machines/box.nspawn
check 'again is refused' bash -c "! importctl-ours -m pull-oci localhost:$port/box"
check 'another name, and nothing is fetched again' bash -c "before=\$(grep -c blobs served); importctl-ours -m pull-oci localhost:$port/box other && [ \$((\$(grep -c blobs served) - before)) = 1 ]"
check 'one tree' importctl-ours -m pull-oci --flat "localhost:$port/box" flat
check 'has no markers' bash -c "[ ! -e $machines/flat/etc/gone ] && [ \"\$(cat $machines/flat/etc/changed)\" = new ] && [ -z \"\$(find $machines/flat -name '.wh.*')\" ]"

says() { # what a container of the image says
  "$@" > said 2>&1 </dev/null || { cat said; return 1; }
  grep -qx 1000 said && grep -qx 'some words' said && grep -qx new said && ! grep -qx gone said &&
    grep -qx 'WORDS=two words' said && grep -qxF 'ODD="quoted" %h \' said || { cat said; return 1; }
}
nspawn() { SYSTEMD_NSPAWN_LOCK=0 systemd-nspawn -q --register=no --keep-unit --pipe --settings=trusted "$@"; }
check 'systemd-nspawn starts the tree' says nspawn -M flat
if [ "$version" -ge 262 ]; then
  check 'systemd-nspawn starts the stack' says nspawn -M box
  check 'systemd-mstack mounts it' systemd-mstack --mount --mkdir $machines/box.mstack /run/box
  check 'as the image is' bash -c '[ ! -e /run/box/etc/gone ] && [ "$(cat /run/box/etc/changed)" = new ] && [ "$(stat -c %a /run/box/tmp)" = 1777 ] && echo kept > /run/box/etc/kept'
  check 'and gives it back' systemd-mstack --umount --rmdir /run/box
  check 'a newer image keeps what was changed' bash -c "importctl-ours -m pull-oci --force localhost:$port/box && [ \"\$(cat $machines/box.mstack/rw/data/etc/kept)\" = kept ]"
fi
check 'it is exported' importctl-ours --standalone -m export-oci box exported.tar
check 'and imported again' importctl-ours -m import-oci exported.tar back
check 'with the same files' bash -c "[ \"\$(cat $machines/back.mstack/layer@1/etc/changed)\" = new ]"
check 'layers without an image go' bash -c "rm -rf $machines/{box,other,back}.mstack && importctl-ours --standalone -m clean && ! ls -A $machines | grep -q oci-sha256"
rm -rf "$machines"/{box,other,back,flat}* "/etc/systemd/oci-registry/registry.localhost%3a$port.oci-registry"
result oci
