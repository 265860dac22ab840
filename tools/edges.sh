#!/usr/bin/env bash
# The edges between crates, and who may link a decoder or a network stack: docs/ARCHITECTURE.md §3.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0
bad() { echo "edge not allowed: $*" >&2; status=1; }

allowed() { # crate, crates of ours it may use
  local crate=$1; shift
  local used
  used=$(cargo tree --locked -p "importd-$crate" -e normal --prefix none --depth 1 | sed -n 's/^importd-\([a-z]*\) .*/\1/p' | grep -vx "$crate" || true)
  for edge in $used; do
    case " $* " in *" $edge "*) ;; *) bad "$crate -> $edge" ;; esac
  done
}
allowed api
allowed formats
allowed host
allowed varlink
allowed transfer api formats host varlink
allowed daemon api host varlink
allowed importctl api varlink
allowed generator api

never() { # crate, packages that must not be in its tree at any depth
  local crate=$1; shift
  local tree
  tree=$(cargo tree --locked -p "importd-$crate" -e normal --prefix none | awk '{print $1}' | sort -u)
  for package in "$@"; do
    if grep -qx -- "$package" <<<"$tree"; then bad "$crate links $package"; fi
  done
}
decoders="flate2 bzip2 libbz2-rs-sys liblzma liblzma-sys zstd zstd-sys lz4_flex pgp"
network="reqwest hyper rustls aws-lc-rs aws-lc-sys"
# shellcheck disable=SC2086
for crate in daemon importctl generator api varlink; do never "$crate" $decoders $network; done
# shellcheck disable=SC2086
never formats $network rustix libc-only

for crate in api formats varlink transfer daemon importctl generator; do
  for root in crates/$crate/src/lib.rs crates/$crate/src/main.rs; do
    [ ! -f "$root" ] || grep -q 'forbid(unsafe_code)' "$root" || bad "$root does not forbid unsafe code"
  done
done
[ $status = 0 ] && echo "edges are as allowed"
exit $status
