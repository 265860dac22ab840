#!/usr/bin/env bash
# Runs inside the booted system (see run.sh): that system's own varlinkctl on our sockets.
set -uo pipefail
. "$(dirname "$0")/check.sh"
command -v varlinkctl >/dev/null || { echo "varlink: skipped, this system has no varlinkctl"; exit 0; }
socket=/run/systemd/io.systemd.Import
call() { varlinkctl call "$socket" "$@"; }
more() { varlinkctl call --more "$socket" "$@"; }
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

work=$(mktemp -d /var/tmp/work.XXXXXX); cd "$work"; chmod 755 .
mkdir -p tree/usr; echo hello > tree/usr/greeting
tar -C tree -cf tree.tar .; truncate -s 3M disk.raw; printf x | dd of=disk.raw conv=notrunc status=none
sha256sum tree.tar disk.raw > SHA256SUMS

check 'the socket listens' systemctl --quiet is-active systemd-importd.socket
check 'everybody may connect' [ "$(stat -c %a $socket)" = 666 ]
check 'the registry knows it' [ "$(readlink -f /run/varlink/registry/io.systemd.Import)" = "$socket" ]
systemctl stop systemd-importd.service
check 'a call starts the service' call io.systemd.service.Ping '{}'
check 'it runs' bash "$(dirname "$0")/until.sh" systemctl --quiet is-active systemd-importd.service
info=$(varlinkctl info "$socket" 2>&1)
for interface in io.importd.Import io.systemd io.systemd.Import io.systemd.service org.varlink.service; do
  check "it has $interface" grep -qw "$interface" <<<"$info"
  check "$interface is described in words that varlinkctl reads" bash -o pipefail -c "varlinkctl introspect $socket $interface | varlinkctl validate-idl"
done
pull() { printf '{"remote":"file://%s/%s","local":"%s","class":"%s","type":"%s","readOnly":%s,"verify":"checksum"%s}' "$work" "$1" "$2" "$3" "$4" "$5" "${6:-}"; }
check 'a pull with --more' bash -c "varlinkctl call --more $socket io.systemd.Import.Pull '$(pull disk.raw vl machine raw false)' > replies && grep -q id replies"
check 'its log was told' grep -q 'priority' replies
check 'the image is the same' cmp disk.raw /var/lib/machines/vl.raw
check 'as the generator calls: another image root, read-only' varlinkctl call -q --more --timeout=infinity "$socket" io.systemd.Import.Pull "$(pull tree.tar vlrun machine tar true ',"imageRoot":"/run/machines"')"
check 'the tree is where it was wanted' diff -r tree /run/machines/vlrun
refused 'the same again without force' 'TransferFailed' more io.systemd.Import.Pull "$(pull disk.raw vl machine raw false)"
refused 'a class that is none' 'InvalidParameter|Invalid argument|parameter' more io.systemd.Import.Pull "$(pull disk.raw vl none raw false)"
refused 'an empty list' 'NoTransfers' more io.systemd.Import.ListTransfers '{}'
refused 'a list without more' 'ExpectedMore|more' call io.systemd.Import.ListTransfers '{}'
check 'the level of the log' bash -o pipefail -c "varlinkctl call $socket io.systemd.service.GetLogLevel '{}' | grep 6"
check 'the environment, for root' bash -o pipefail -c "varlinkctl call -j $socket io.systemd.service.GetEnvironment '{}' | grep RUNTIME_DIRECTORY"
check 'everybody may ask for a sign of life' as_nobody varlinkctl call "$socket" io.systemd.service.Ping '{}'
refused 'a pull of somebody without privileges' 'PermissionDenied|InteractiveAuthenticationRequired|ermission|authentication' as_nobody varlinkctl call "$socket" io.systemd.Import.Pull "$(pull disk.raw nobody machine raw false)"
refused 'the environment for somebody else' 'PermissionDenied|ermission' as_nobody varlinkctl call "$socket" io.systemd.service.GetEnvironment '{}'
check 'images' bash -o pipefail -c "varlinkctl call --more -j $socket io.importd.Import.ListImages '{\"class\":\"machine\"}' | grep '\"vl\"'"
if varlinkctl --help 2>&1 | grep -e --push-fd >/dev/null; then
  check 'an import brings its descriptor' bash -c "varlinkctl call --more --push-fd=3 $socket io.importd.Import.Import '{\"local\":\"vlfd\",\"type\":\"raw\",\"class\":\"machine\"}' 3<disk.raw && cmp disk.raw /var/lib/machines/vlfd.raw"
fi

# Early at boot there is no bus.
systemctl stop systemd-importd.service
systemctl stop dbus.socket dbus.service 2>/dev/null
check 'without a bus: a pull' varlinkctl call -q --more "$socket" io.systemd.Import.Pull "$(pull disk.raw vlearly machine raw false)"
check 'the image is there' cmp disk.raw /var/lib/machines/vlearly.raw
check 'the service says that it is ready' bash "$(dirname "$0")/until.sh" systemctl --quiet is-active systemd-importd.service
systemctl start dbus.socket dbus.service 2>/dev/null
check 'when the bus comes it is joined' bash "$(dirname "$0")/until.sh" busctl --system --no-pager call org.freedesktop.import1 /org/freedesktop/import1 org.freedesktop.import1.Manager ListTransfers
result varlink
