#!/usr/bin/env bash
# First inputs for every target, made by the tools people make them with, into corpus/TARGET.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p corpus/{tar,checksums,pgp_signature,pgp_keyring,gzip,bzip2,xz,zstd,lz4,acl,texts} "$work/tree/d"
printf 'hello' > "$work/tree/d/f"; ln "$work/tree/d/f" "$work/tree/l"; ln -s d/f "$work/tree/s"; mkfifo "$work/tree/p"
truncate -s 40K "$work/tree/hole"; printf x | dd of="$work/tree/hole" bs=1 seek=20000 conv=notrunc status=none
touch "$work/tree/$(printf 'n%.0s' {1..120})"; setfattr -n user.a -v b "$work/tree/d/f" 2>/dev/null || true; setfacl -m u:5:r "$work/tree/d/f" 2>/dev/null || true
for format in v7 ustar gnu oldgnu posix; do
  tar -c --format=$format --ignore-failed-read -C "$work/tree" -f corpus/tar/$format . 2>/dev/null || true
  tar -c --format=$format --sparse -C "$work/tree" -f corpus/tar/$format-sparse hole 2>/dev/null || true
done
for version in 0.0 0.1 1.0; do tar -c --format=posix --sparse --sparse-version=$version -C "$work/tree" -f corpus/tar/sparse-$version hole; done
tar -c --format=posix --xattrs --acls -C "$work/tree" -f corpus/tar/attributes d
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
(cd "$work/tree/d" && sha256sum f && sha256sum --tag f) > corpus/checksums/list
cp fixtures/document.sig corpus/pgp_signature/one; cp fixtures/key.pgp corpus/pgp_keyring/one
printf 'user::rw-,user:root:r--:0,group::r--,mask::r--,other::---' > corpus/acl/text
printf 'https://user:word@example.org:8/a/b.tar.xz?q#f' > corpus/texts/url; printf 'a/../b' > corpus/texts/path
