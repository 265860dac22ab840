#!/usr/bin/env bash
# Runs inside the booted system (see run.sh): the life of the service under the real service manager and bus.
set -uo pipefail
. "$(dirname "$0")/check.sh"
# Type=notify-reload came with 253, signals with values with 254.
[ "$(systemctl --version | awk 'NR == 1 {print $2}' | cut -d. -f1)" -ge 254 ] || { echo "life: skipped, this systemd is too old"; exit 0; }
import1() { busctl --system call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager "$@"; }
figure() { busctl --system get-property org.freedesktop.import1 "/org/freedesktop/import1/transfer/_$1" io.importd.Transfer1 "$2"; }
most() { busctl --system get-property org.freedesktop.import1 /org/freedesktop/import1 io.importd.Manager1 MaxTransfers; }
main_pid() { systemctl show -p MainPID --value systemd-importd; }
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
# Waits until a command succeeds: there is no notification of what it asks for.
until_true() { for _ in $(seq 100); do "$@" && return; read -rt 0.1 <> <(:) || true; done; return 1; }
is() { [ "$("${@:2}" 2>/dev/null)" = "$1" ]; }
none_hidden() { ! ls -A /var/lib/machines | grep -q importd; }

work=$(mktemp -d /var/tmp/life.XXXXXX); cd "$work" || exit 1
mkfifo one two; exec 8<>one 9<>two
printf 'bytes' > small.raw
limit() { mkdir -p /etc/systemd/importd.conf.d; printf '[Service]\nMaxTransfers=%s\n' "$1" > /etc/systemd/importd.conf.d/test.conf; }
# The descriptor comes with the call only as long as the client lives, which busctl does not after the answer.
start() { machinectl -q import-raw "$1" "$2" >/dev/null 2>&1 & }
id_of() { import1 ListTransfers | grep -oE '[0-9]+ "import-raw" "[^"]*" "'"$1"'"' | cut -d' ' -f1; }
running() { [ -n "$(id_of "$1")" ]; }

systemctl restart systemd-importd
check 'the limit is the usual one' is 'u 64' most
limit 1
check 'systemctl reloads it' systemctl reload systemd-importd
check 'and waits until that is done' is 'u 1' most
check 'it is active again' is active systemctl is-active systemd-importd

start one first; check 'a transfer runs' until_true running first
start two second; check 'another one waits' until_true running second
first=$(id_of first); second=$(id_of second)
check 'the first is running' is 's "running"' figure "$first" State
check 'the second is queued' is 's "queued"' figure "$second" State
check 'whose it is is told' is 'u 0' figure "$first" Owner
check 'and where it goes' is 's "/var/lib/machines/first"' figure "$first" Destination
check 'anyone may read that' as_nobody busctl --system call org.freedesktop.import1 /org/freedesktop/import1 io.importd.Manager1 ListTransfers st '' 0
check 'a reload ends nothing' bash -c 'systemctl reload systemd-importd'
check 'both are still there' is 's "queued"' figure "$second" State
import1 CancelTransfer u "$first" >/dev/null
check 'the second has its turn' until_true is 's "running"' figure "$second" State
check 'nothing is left of the first' bash -c '! ls -A /var/lib/machines | grep -q first'

systemctl kill --kill-whom=main --signal=RTMIN+18 --kill-value=$((0x301)) systemd-importd
logged() { journalctl -q -u systemd-importd -o cat | grep -q "$1"; }
check 'figures are told on request' until_true logged 'Transfers: 1 running of 1, 0 waiting'
systemctl kill --kill-whom=main --signal=RTMIN+18 --kill-value=$((0x107)) systemd-importd
check 'the log level is changed on request' until_true is debug systemctl service-log-level systemd-importd

watches() { ls -l "/proc/$(main_pid)/fd" | grep -q memory.pressure; }
if tr '\0' '\n' < "/proc/$(main_pid)/environ" | grep -q '^MEMORY_PRESSURE_WATCH=/[^d]'; then
  check 'memory pressure is watched' watches
fi

old=$(main_pid); worker=$(pgrep -P "$old" systemd-import)
check 'a worker is there' kill -0 "$worker"
check 'what it makes is hidden' bash -c 'ls -A /var/lib/machines | grep -q "^.#importd.second"'
kill -KILL "$old"
gone() { ! kill -0 "$1" 2>/dev/null; }
check 'the worker of a killed daemon ends' until_true gone "$worker"
check 'the next daemon runs' until_true import1 ListTransfers
check 'and nothing is left' until_true none_hidden

limit 64; systemctl reload systemd-importd
start one third; check 'a transfer runs again' until_true running third
check 'its number goes on' [ "$(id_of third)" -gt "$second" ]
check 'the service stops while it runs' systemctl stop systemd-importd
check 'without a failure' is success systemctl show -p Result --value systemd-importd
check 'and its last words are its exit status' is 0 systemctl show -p ExecMainStatus --value systemd-importd
check 'nothing is left of the transfer' bash -c '! ls -A /var/lib/machines | grep -qE "third|importd"'
# Ours is started more often here than systemd lets a service by default, which is five times in ten seconds.
systemctl reset-failed systemd-importd.service systemd-importd.socket 2>/dev/null
check 'a small import works again' machinectl -q import-raw small.raw small
rm -rf /etc/systemd/importd.conf.d; systemctl reload systemd-importd
kill $(jobs -p) 2>/dev/null
result life
