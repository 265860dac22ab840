#!/usr/bin/env bash
# First inputs for every target, made by the tools people make them with, into corpus/TARGET.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p corpus/{tar,cpio,checksums,pgp_signature,pgp_keyring,pgp_clear,minisign,gzip,bzip2,xz,zstd,lz4,acl,texts,headers,qcow2,vmdk,vhd,vhdx,vdi,varlink,oci,registry} "$work/tree/d"
printf 'hello' > "$work/tree/d/f"; ln "$work/tree/d/f" "$work/tree/l"; ln -s d/f "$work/tree/s"; mkfifo "$work/tree/p"
truncate -s 40K "$work/tree/hole"; printf x | dd of="$work/tree/hole" bs=1 seek=20000 conv=notrunc status=none
touch "$work/tree/$(printf 'n%.0s' {1..120})"; setfattr -n user.a -v b "$work/tree/d/f" 2>/dev/null || true; setfacl -m u:5:r "$work/tree/d/f" 2>/dev/null || true
for format in v7 ustar gnu oldgnu posix; do
  tar -c --format=$format --ignore-failed-read -C "$work/tree" -f corpus/tar/$format . 2>/dev/null || true
  tar -c --format=$format --sparse -C "$work/tree" -f corpus/tar/$format-sparse hole 2>/dev/null || true
done
for version in 0.0 0.1 1.0; do tar -c --format=posix --sparse --sparse-version=$version -C "$work/tree" -f corpus/tar/sparse-$version hole; done
tar -c --format=posix --xattrs --acls -C "$work/tree" -f corpus/tar/attributes d
for format in newc odc bin; do
  bsdtar -c --format=$format -C "$work/tree" -f corpus/cpio/$format d l s 2>/dev/null || true
done
cp corpus/tar/ustar corpus/cpio/tar
data=$work/data; head -c 3000 /dev/urandom > "$data"; seq 2000 >> "$data"
gzip -c "$data" > corpus/gzip/one; cat corpus/gzip/one corpus/gzip/one > corpus/gzip/two
bzip2 -1c "$data" > corpus/bzip2/one; cat corpus/bzip2/one corpus/bzip2/one > corpus/bzip2/two
# Members that state their length (BGZF), and frames with skippable ones between them.
python3 - "$data" > corpus/gzip/bgzf <<'END'
import struct, sys, zlib
data = open(sys.argv[1], "rb").read()
for part in [data[:2000], b"", data[2000:]]:
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(part) + packer.flush()
    header = bytes([31, 139, 8, 4, 0, 0, 0, 0, 0, 255, 6, 0]) + b"BC" + struct.pack("<HH", 2, len(packed) + 25)
    sys.stdout.buffer.write(header + packed + struct.pack("<II", zlib.crc32(part), len(part)))
END
xz -c "$data" > corpus/xz/one; xz --block-size=4KiB -c "$data" > corpus/xz/blocks
zstd -qc "$data" > corpus/zstd/one; cat corpus/zstd/one corpus/zstd/one > corpus/zstd/two
for level in -1 -3 --fast=5; do zstd -qc $level "$data"; printf '\x50\x2a\x4d\x18\x03\0\0\0abc'; zstd -qc --no-check < "$data"; head -c 100000 /dev/zero | zstd -qc; done > corpus/zstd/frames
lz4 -qc "$data" > corpus/lz4/one; cat corpus/lz4/one corpus/lz4/one > corpus/lz4/two
(cd "$work/tree/d" && cp f x && : > BEST-BEFORE-2030-01-01 && sha256sum f x && sha256sum --tag f && sha512sum x BEST* && openssl sha512 x 2>/dev/null) > corpus/checksums/list || true
cp fixtures/document.sig corpus/pgp_signature/one; cp fixtures/key.pgp corpus/pgp_keyring/one; cp fixtures/document.asc corpus/pgp_clear/one
cp fixtures/document.minisig corpus/minisign/signature; cp fixtures/minisign.pub corpus/minisign/key
sum=sha256:$(printf 0a%.0s $(seq 32))
printf '{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":2,"data":"e30="},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"%s","size":9}]}' $sum $sum > corpus/oci/manifest
printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":9,"platform":{"os":"linux","architecture":"arm","variant":"v7"}}]}' $sum > corpus/oci/index
printf '{"architecture":"amd64","config":{"User":"a","Env":["A=b"],"Cmd":null,"Entrypoint":"x"},"rootfs":{"diff_ids":["%s"]}}' $sum > corpus/oci/config
printf 'Bearer realm="https://a/t",service="s",scope="repository:x:pull,push", Basic realm="a\\"b"\nNegotiate abc==' > corpus/registry/challenge
printf '{"token":"a.b","access_token":"c","expires_in":300}' > corpus/registry/token
printf '{"auths":{"registry.example/a":{"auth":"dTpw","identitytoken":"t"}},"credHelpers":{"h":"n"},"credsStore":"n"}' > corpus/registry/login
printf '{"overrideRegistry":"r:1/p","shortImagePrefix":"library/","mirrors":["m/x"]}' > corpus/registry/description
printf '{"Username":"<token>","Secret":"s"}' > corpus/registry/answer
printf '\4{"method":"a.b.C","parameters":{"x":[1,"2",null,0.5]},"more":true}\0{"parameters":{},"continues":true}\0{"error":"a.b.E"}\0' > corpus/varlink/calls
printf 'user::rw-,user:root:r--:0,group::r--,mask::r--,other::---' > corpus/acl/text
printf 'bytes 5-9/10' > corpus/headers/range; printf 'bytes 5-9/*' > corpus/headers/open
printf 'https://user:word@example.org:8/a/b.tar.xz?q#f' > corpus/texts/url; printf 'a/../b' > corpus/texts/path

if command -v qemu-img >/dev/null; then
  disk=$work/disk; head -c 9000 "$data" > "$disk"; truncate -s 1M "$disk"; head -c 70000 /dev/urandom >> "$disk"; truncate -s 3M "$disk"
  image() { # target, name, format of qemu-img, its options, more
    qemu-img convert -q -f raw -O "$3" ${4:+-o "$4"} "${@:5}" "$disk" "corpus/$1/$2"
  }
  image qcow2 plain qcow2 cluster_size=4k; image qcow2 v2 qcow2 compat=0.10,cluster_size=512; image qcow2 parts qcow2 extended_l2=on,cluster_size=16k
  image qcow2 zlib qcow2 cluster_size=4k -c; image qcow2 zstd qcow2 cluster_size=16k,compression_type=zstd -c
  qemu-img create -q -f qcow2 -b plain -F qcow2 corpus/qcow2/child; qemu-img create -q -f qcow2 -o preallocation=metadata,cluster_size=4k corpus/qcow2/empty 64K
  image vmdk sparse vmdk zeroed_grain=on; image vmdk stream vmdk subformat=streamOptimized
  # Large formats as few pieces: fuzz/src/image.rs says how.
  truncate -s 0 "$disk"; printf hello > "$disk"; truncate -s 2100000 "$disk"
  pieces() { # target, name, format of qemu-img, its options
    qemu-img convert -q -f raw -O "$3" ${4:+-o "$4"} "$disk" "$work/image"
    python3 - "$work/image" "corpus/$1/$2" <<'END'
import sys
image = open(sys.argv[1], "rb").read()
image += bytes(-len(image) % 4096)
out = (len(image) // 4096).to_bytes(2, "little")
for unit in range(len(image) // 4096):
    piece = image[unit * 4096:][:4096].rstrip(b"\0")
    if piece:
        out += unit.to_bytes(2, "little") + len(piece).to_bytes(2, "little") + piece
open(sys.argv[2], "wb").write(out)
END
  }
  if command -v python3 >/dev/null; then
    pieces vhd dynamic vpc force_size=on; pieces vhd fixed vpc subformat=fixed; pieces vdi dynamic vdi; pieces vdi static vdi static=on
    pieces vhdx dynamic vhdx block_size=1M,log_size=1M; pieces vhdx fixed vhdx block_size=1M,log_size=1M,subformat=fixed
  fi
fi
