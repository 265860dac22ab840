//! The service of a user, started by a session bus of its own.

use super::person::{FIRST, Person, USUAL};
use crate::make::{file, has};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Runs a script as the user on a session bus that starts the service.
fn in_session(person: &Person, script: &str) -> String {
    let services = person.home(".local/share/dbus-1/services");
    let folder = services.to_str().unwrap();
    person.succeed("mkdir", &["-p", folder]);
    let program = person.work.path("bin/systemd-importd");
    let text = format!(
        "[D-BUS Service]\nName=org.freedesktop.import1\nExec={} --user\n",
        program.display()
    );
    file(&services.join("org.freedesktop.import1.service"), text);
    let script = format!("export XDG_RUNTIME_DIR=$HOME/run; mkdir -m 700 run\n{script}");
    // Only failures take so long.
    let arguments = ["60", "dbus-run-session", "--", "sh", "-euc", &script];
    let (printed, _) = person.succeed("timeout", &arguments);
    String::from_utf8(printed).unwrap()
}

#[test]
fn everything_works_through_the_service_in_a_fresh_home() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    if !has("dbus-run-session") {
        return;
    }
    let (_, archive) = person.tree();
    file(&person.home("disk.raw"), vec![7; 1 << 20]);
    let script = format!(
        "importctl --user -m import-tar {archive} tree
        importctl --user -m import-raw disk.raw disk
        mkdir -p mine/usr; importctl --user -P import-fs mine fs
        importctl --user -S --verify=no pull-tar file://{archive} tree
        importctl --user -C --verify=no pull-raw file://$HOME/disk.raw disk
        importctl --user -m export-tar tree tree-out.tar; /bin/tar -tf tree-out.tar >names
        importctl --user -m export-raw disk disk-out.raw; cmp disk.raw disk-out.raw
        importctl --user list-images --json=short"
    );
    let printed = in_session(&person, &script);
    let listed: serde_json::Value = serde_json::from_str(printed.trim()).unwrap();
    let mut images: Vec<(String, String)> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|image| {
            let text = |key: &str| image[key].as_str().unwrap().to_owned();
            (text("class"), text("name"))
        })
        .collect();
    images.retain(|(_, name)| !name.starts_with('.'));
    images.sort();
    let expected = [
        ("confext", "disk"),
        ("machine", "disk"),
        ("machine", "tree"),
        ("portable", "fs"),
        ("sysext", "tree"),
    ];
    assert_eq!(
        images,
        expected.map(|(class, name)| (class.into(), name.into()))
    );
    let web = person.machine("tree").join("etc/web");
    assert_eq!(web.metadata().unwrap().uid(), FIRST + 32);
    let names = std::fs::read_to_string(person.home("names")).unwrap();
    assert!(names.contains("etc/closed/in"), "{names}");
}

#[test]
fn a_transfer_of_the_user_is_cancelled() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    if !(has("dbus-run-session") && has("busctl")) {
        return;
    }
    let script = "mkfifo slow; exec 9<>slow
        importctl --user -m import-tar slow slow >client 2>&1 & client=$!
        until importctl --user list-transfers --json=short >listed && grep -q import-tar listed
        do kill -0 $client; done
        importctl --user cancel-transfer 1
        if wait $client; then exit 1; fi
        importctl --user list-transfers --json=short; exec 9>&-";
    let printed = in_session(&person, script);
    assert_eq!(printed.trim(), "[]");
    assert_eq!(person.machines(), [""; 0]);
}

#[test]
fn a_killed_worker_leaves_nothing() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    if !has("dbus-run-session") {
        return;
    }
    let (_, archive) = person.tree();
    let script = format!(
        "mkfifo slow; exec 9<>slow
        importctl --user -m import-tar slow killed >client 2>&1 & client=$!
        head -c 3M {archive} >&9
        until ls -d .local/state/machines/.#*/etc/closed 2>/dev/null; do kill -0 $client; done
        # Other tests have workers of the same user.
        for worker in $(pgrep -u 54321 -x systemd-import); do
            if grep -q killed /proc/$worker/cmdline; then kill -KILL $worker; fi
        done
        if wait $client; then exit 1; fi
        until [ -z \"$(ls -A .local/state/machines)\" ]; do :; done; exec 9>&-"
    );
    in_session(&person, &script);
    assert!(Path::new(&person.machine("")).is_dir());
}
