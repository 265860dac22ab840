//! Trees of foreign ids, with stand-ins for the two services of systemd that make them.

use super::cut::unfinished;
use super::person::{Person, UID, USUAL};
use crate::make::{file, has};
use crate::tree::assert_same;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// The first foreign id.
const FOREIGN: u32 = 0x7FFE_0000;

/// The stand-ins, and what they were asked.
struct Services {
    process: Child,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Services {
    fn start(person: &Person) -> Option<Self> {
        if !has("python3") {
            return None;
        }
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/src/user/services.py");
        let mut process = Command::new("python3")
            .arg(program)
            .arg(person.work.path("services"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let calls: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&calls);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                noted.lock().unwrap().push(line);
            }
        });
        Some(Self { process, calls })
    }

    fn were_asked(&self, method: &str) -> bool {
        let calls = self.calls.lock().unwrap();
        calls.iter().any(|call| call.ends_with(method))
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.process.kill().unwrap_or(());
        self.process.wait().map(drop).unwrap_or(());
    }
}

fn prepared() -> Option<(Person, Services)> {
    let person = Person::new(USUAL)?;
    let services = Services::start(&person)?;
    Some((person, services))
}

fn owner(path: &Path) -> (u32, u32) {
    let meta = std::fs::symlink_metadata(path).unwrap();
    (meta.uid(), meta.gid())
}

#[test]
fn an_archive_becomes_a_tree_of_foreign_ids_and_comes_back() {
    let Some((person, services)) = prepared() else {
        return;
    };
    let (tree, archive) = person.tree();
    person.succeed("systemd-import", &["--user", "tar", &archive, "one"]);
    for method in ["AllocateUserRange", "MakeDirectory", "MountDirectory"] {
        assert!(services.were_asked(method), "{method}");
    }
    let image = person.machine("one");
    assert_eq!(owner(&image), (FOREIGN, FOREIGN));
    assert_eq!(owner(&image.join("etc/shadow")), (FOREIGN, FOREIGN + 42));
    let closed = (FOREIGN + 65534, FOREIGN + 65534);
    assert_eq!(owner(&image.join("etc/closed/in")), closed);
    let (exported, _) = person.succeed("systemd-export", &["--user", "tar", "one"]);
    assert_same(&tree, &person.unpacked(&exported));
    assert_eq!(person.machines(), ["one"]);
}

#[test]
fn a_download_becomes_a_tree_of_foreign_ids() {
    let Some((person, _services)) = prepared() else {
        return;
    };
    let (tree, archive) = person.tree();
    let url = format!("file://{archive}");
    let pull = ["--user", "tar", "--verify=no", &url, "one"];
    for force in [&[][..], &["--force"]] {
        person.succeed("systemd-pull", &[&pull[..], force].concat());
        assert_eq!(owner(&person.machine("one")), (FOREIGN, FOREIGN));
        assert_eq!(person.machines(), ["one"]);
    }
    let (exported, _) = person.succeed("systemd-export", &["--user", "tar", "one"]);
    assert_same(&tree, &person.unpacked(&exported));
}

#[test]
fn an_old_tree_of_foreign_ids_is_replaced_and_removed() {
    let Some((person, _services)) = prepared() else {
        return;
    };
    let (_, archive) = person.tree();
    for _ in 0..2 {
        let import = ["--user", "--force", "tar", &archive, "x"];
        let (_, said) = person.succeed("systemd-import", &import);
        assert!(!said.contains("could not be removed"), "{said}");
        assert_eq!(person.machines(), ["x"]);
    }
}

#[test]
fn a_failed_import_leaves_nothing() {
    let Some((person, _services)) = prepared() else {
        return;
    };
    let (_, archive) = person.tree();
    let bytes = std::fs::read(&archive).unwrap();
    let half = file(&person.home("half.tar"), &bytes[..bytes.len() / 2]);
    let half = half.to_str().unwrap();
    person.fail("systemd-import", &["--user", "tar", half, "x"]);
    assert_eq!(person.machines(), [""; 0]);
}

#[test]
fn an_owner_beyond_a_container_is_named() {
    let Some((person, _services)) = prepared() else {
        return;
    };
    let script = "mkdir -p t/usr; chown 70000 t/usr; tar -C t -cf out.tar .";
    let archive = crate::make::small_archive(&person.work, script);
    let archive = file(&person.home("far.tar"), archive);
    let archive = archive.to_str().unwrap();
    let said = person.fail("systemd-import", &["--user", "tar", archive, "x"]);
    assert!(
        said.contains("beyond the 65536 that containers of users have"),
        "{said}"
    );
    assert_eq!(person.machines(), [""; 0]);
}

#[test]
fn a_folder_of_the_user_stays_the_users() {
    let Some((person, services)) = prepared() else {
        return;
    };
    person.succeed("mkdir", &["-p", "mine/usr"]);
    person.succeed("systemd-import-fs", &["--user", "run", "mine", "mine"]);
    assert_eq!(owner(&person.machine("mine")), (UID, UID));
    assert!(!services.were_asked("AllocateUserRange"));
}

#[test]
fn a_disk_image_replaces_a_tree_of_foreign_ids() {
    let Some((person, _services)) = prepared() else {
        return;
    };
    let (_, archive) = person.tree();
    let disk = file(&person.home("disk.raw"), vec![7; 1 << 20]);
    let disk = disk.to_str().unwrap();
    let url = format!("file://{disk}");
    for (program, raw) in [
        ("systemd-import", &["raw", disk][..]),
        ("systemd-pull", &["raw", "--verify=no", &url]),
    ] {
        let tree = ["--user", "--force", "tar", &archive, "x"];
        person.succeed("systemd-import", &tree);
        let arguments = [&["--user", "--force"][..], raw, &["x"]].concat();
        let (_, said) = person.succeed(program, &arguments);
        let machines = person.machines();
        let left = machines.iter().filter(|name| !name.starts_with(".raw-"));
        assert!(left.eq(["x.raw"]), "{machines:?}: {said}");
    }
}

#[test]
fn a_killed_import_is_swept_or_cleaned() {
    let Some((person, _services)) = prepared() else {
        return;
    };
    for next in [&["--user", "clean"][..], &["--user", "tar"]] {
        let (mut child, pipe) = unfinished(&person);
        kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
        child.wait().unwrap();
        drop(pipe);
        assert_eq!(person.machines().len(), 1);
        if next.contains(&"clean") {
            person.succeed("systemd-pull", next);
            assert_eq!(person.machines(), [""; 0]);
        } else {
            let archive = person.home("tree.tar");
            let archive = archive.to_str().unwrap();
            let (_, said) = person.succeed("systemd-import", &[next, &[archive, "y"]].concat());
            assert!(said.contains("Removed 1 leftovers"), "{said}");
            assert_eq!(person.machines(), ["y"]);
        }
    }
}
