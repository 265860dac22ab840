#!/usr/bin/env bash
# Runs inside the booted system (see run.sh): our importctl through every way to the service, and what it says to people and
# programs. ssh(1) is played by a script that runs its command here, by the system's own bridge.
set -uo pipefail
. "$(dirname "$0")/check.sh"
work=$(mktemp -d /var/tmp/client.XXXXXX); cd "$work"; chmod 755 .
truncate -s 8M disk.raw; printf boot | dd of=disk.raw conv=notrunc status=none
cat > ssh <<'SCRIPT'
#!/bin/sh
while [ "$1" != -- ]; do shift; done; shift 2
exec sh -c "exec $*"
SCRIPT
chmod 755 ssh
export SYSTEMD_SSH=$work/ssh
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/ "$@"; }

check 'this machine by its name' bash -c 'importctl-ours -M .host list-images | grep -q "\.host"'
check 'another host is listed' bash -c 'importctl-ours -H root@far list-images | grep -q "\.host"'
check 'a download of another host' importctl-ours -H far -mN -q --verify=no pull-raw "file://$work/disk.raw" clientfar
check 'is there' cmp disk.raw /var/lib/machines/clientfar.raw
refused 'files do not pass to it' 'run "ssh far importctl"' importctl-ours -H far -m import-raw disk.raw clientnever
refused 'a container that does not run' 'via machine transport: systemd-stdio-bridge for nosuch ' importctl-ours -M nosuch list-images
refused 'an option is no host' "must not begin with '-'" importctl-ours -H -oProxyCommand=x list-images
# user.sh has made one, and says if there is no manager for it.
if id walter >/dev/null 2>&1 && loginctl enable-linger walter && systemctl start "user@$(id -u walter).service"; then
  check "another user's service" bash -c 'importctl-ours --user -M walter@.host list-transfers | grep -q "No transfers"'
  loginctl disable-linger walter; systemctl stop "user@$(id -u walter).service"
fi
check 'a program reads how it goes' bash -c "importctl-ours -mN --progress=json import-raw disk.raw clientjson 2>&1 | grep -c '^{\"type\":\"progress\",\"id\":' && importctl-ours -mN --force --progress=json import-raw disk.raw clientjson 2>&1 | tail -n 1 | grep -qF '\"result\":\"done\",\"kind\":null,\"reason\":null}'"
refused 'and why it fails' '"result":"failed","kind":"exists","reason":' importctl-ours -mN --progress=json import-raw disk.raw clientjson
refused 'people are told what to do about a name' 'force' importctl-ours -mN import-raw disk.raw clientjson
refused 'and about a right that is missing' 'nobody can be asked here|root may do it' as_nobody importctl-ours -m import-raw disk.raw clientnever
check 'nothing came of what was refused' bash -c '! ls /var/lib/machines | grep clientnever'
check 'anybody may list through a bridge' as_nobody importctl-ours -H far list-images
rm -f /var/lib/machines/clientfar.raw /var/lib/machines/clientjson.raw; rm -rf "$work"
result client
