#!/usr/bin/env bash
# The main job on real input, without any service: a small root file system made from what this
# machine has is packed, signed, served over HTTP on loopback, pulled with --verify=signature,
# installed, listed and exported again; both trees are compared. Then what was kept of the download
# is removed (it would be used again, being proven), one byte is flipped on the server, and the pull
# is refused.
#   tools/demo.sh FOLDER_OF_PROGRAMS
set -euo pipefail
bin=$(realpath "$1")
work=$(mktemp -d)
server=
finish() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  [ ! -d "$work/images" ] || chattr -R -i "$work/images" 2>/dev/null || true
  GNUPGHOME=$work/gnupg gpgconf --kill all 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '$ %s\n' "$*" | sed "s|$work|WORK|g; s|$bin/||g"; "$@"; }

step "1. A small root file system, from what this machine has"
root=$work/root
mkdir -p "$root"/{bin,etc,dev,proc,root,tmp,usr/lib,var/empty}
cp /bin/sh "$root/bin/sh"; ln "$root/bin/sh" "$root/bin/ash"; ln -s ../proc/self/mounts "$root/etc/mtab"
for library in $(ldd /bin/sh | grep -o '/[^ ]*'); do mkdir -p "$root$(dirname "$library")"; cp -L "$library" "$root$library"; done
printf 'ID=demo\nNAME="importd demonstration"\n' > "$root/etc/os-release"
truncate -s 8M "$root/var/sparse"; printf 'data' | dd of="$root/var/sparse" bs=1 seek=4M conv=notrunc status=none
chmod 1777 "$root/tmp"; touch -d '2001-02-03 04:05:06.789' "$root/var/empty"
mkdir -p "$work/www"
tar --create --sparse --xattrs --acls --format=posix --directory "$root" . | zstd -q > "$work/www/demo.tar.zst"
ls -lh "$work/www/demo.tar.zst" | awk '{print $5, "demo.tar.zst"}'

step "2. Signed, and served over HTTP on loopback"
export GNUPGHOME=$work/gnupg; mkdir -m 700 "$GNUPGHOME"
gpg --batch --quiet --pinentry-mode loopback --passphrase '' --quick-generate-key 'Demo <demo@example.org>' ed25519 sign never 2>/dev/null
gpg --batch --export > "$work/keyring.pgp"
(cd "$work/www" && sha256sum demo.tar.zst > SHA256SUMS && gpg --batch --quiet --pinentry-mode loopback --passphrase '' --detach-sign -o SHA256SUMS.gpg SHA256SUMS)
python3 - "$work/www" "$work/port" <<'PY' &
import http.server, sys, os, functools
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *arguments): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=sys.argv[1]))
with open(sys.argv[2] + ".new", "w") as f: f.write(str(server.server_port))
os.rename(sys.argv[2] + ".new", sys.argv[2])
server.serve_forever()
PY
server=$!
while [ ! -s "$work/port" ]; do kill -0 "$server"; done
url=http://127.0.0.1:$(cat "$work/port")/demo.tar.zst
export SYSTEMD_OPENPGP_KEYRING=$work/keyring.pgp
importctl=("$bin/importctl" --standalone --image-root="$work/images" -m)

step "3. Pulled, verified, installed"
run "${importctl[@]}" --verify=signature pull-tar "$url" demo

step "4. Listed"
run "${importctl[@]}" list-images

step "5. Exported, and compared entry by entry"
run "${importctl[@]}" export-tar demo "$work/again.tar.gz"
mkdir "$work/again"; tar --extract --xattrs --xattrs-include='*' --acls --directory "$work/again" --file "$work/again.tar.gz"
describe() { (cd "$1" && find . -printf '%P|%y|%m|%U:%G|%s|%T@|%l|%n\n' | sed -E 's/^([^|]*\|d\|[^|]*\|[^|]*)\|[^|]*/\1|-/; s/(T@?[0-9]+\.[0-9]{9})[0-9]*/\1/' | sort; find . -type f -exec sha256sum {} + | sort); }
diff <(describe "$root") <(describe "$work/again") && echo "Both trees are equal."

step "6. What was kept removed, and one byte flipped on the server"
run "${importctl[@]}" clean
python3 - "$work/www/demo.tar.zst" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(0, 2); middle = f.tell() // 2
    f.seek(middle); byte = f.read(1)[0]
    f.seek(middle); f.write(bytes([byte ^ 1]))
PY
if run "${importctl[@]}" --verify=signature pull-tar "$url" flipped; then echo "The damaged image was accepted!" >&2; exit 1; fi
if [ -e "$work/images/flipped" ]; then echo "The damaged image is visible!" >&2; exit 1; fi
echo "Refused, and nothing of it is left:"
find "$work/images" -mindepth 1 -maxdepth 1 -printf '  %f\n' | sed 's/http.*/…/'
step "Done."
