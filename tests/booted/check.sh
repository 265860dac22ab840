# What the scripts that run inside the booted system count with; sourced by them.
passed=0 failed=0
check() { # description, command...
  local what=$1; shift
  if output=$("$@" 2>&1); then passed=$((passed + 1)); printf 'PASS %s\n' "$what"
  else failed=$((failed + 1)); printf 'FAIL %s\n%s\n' "$what" "$output"; fi
}
refused() { # description, pattern, command...
  local what=$1 pattern=$2; shift 2
  if output=$("$@" 2>&1); then failed=$((failed + 1)); printf 'FAIL %s: it succeeded\n%s\n' "$what" "$output"
  elif grep -qE "$pattern" <<<"$output"; then passed=$((passed + 1)); printf 'PASS %s\n' "$what"
  else failed=$((failed + 1)); printf 'FAIL %s: no "%s" in\n%s\n' "$what" "$pattern" "$output"; fi
}
result() {
  [ "$failed" = 0 ] || journalctl --quiet --no-pager --lines=60 --unit=systemd-importd.service --unit=systemd-importd.socket || true
  printf '%s: %s passed, %s failed\n' "$1" "$passed" "$failed"; [ "$failed" = 0 ]
}
