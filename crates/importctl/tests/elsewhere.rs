//! Services of other hosts and of containers, through a bridge. ssh(1) is played by a script that
//! runs its command here.

use crate::bus::Bus;
use crate::program::{Ran, importctl, run, run_and_signal};
use crate::service::{Service, Step};
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// No bus is there.
const NO_BUS: &str = "unix:path=/nonexistent/bus";
/// A stand-in for ssh: notes its arguments, then runs what stands behind `--` and the host, as the
/// shell of another host would.
const SSH: &str = "printf '%s\\n' \"$*\" >> \"${0%/*}/ssh.log\"\n\
                   while [ \"$1\" != -- ]; do shift; done; shift 2\nexec sh -c \"exec $*\"\n";

fn script(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    let mut file = File::create(&path).unwrap();
    file.write_all(format!("#!/bin/sh\n{text}").as_bytes())
        .unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
}

/// A folder with a stand-in for ssh and a bridge that only knows this bus; `None`, with the reason
/// printed, where systemd's bridge is missing.
fn programs(address: &str) -> Option<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    script(folder.path(), "ssh", SSH);
    let real = ["/usr/bin", "/bin"]
        .map(|folder| Path::new(folder).join("systemd-stdio-bridge"))
        .into_iter()
        .find(|path| path.exists());
    let Some(real) = real else {
        println!("skipped: there is no systemd-stdio-bridge");
        return None;
    };
    let text = format!(
        "printf '%s\\n' \"$*\" >> \"${{0%/*}}/bridge.log\"\n\
         echo $$ > \"${{0%/*}}/bridge.pid\"\nexec {} --bus-path='{address}'\n",
        real.display()
    );
    script(folder.path(), "systemd-stdio-bridge", &text);
    Some(folder)
}

fn elsewhere(programs: &TempDir, words: &[&str]) -> Command {
    let mut command = importctl(NO_BUS, words);
    let path = std::env::var("PATH").unwrap();
    command
        .env("PATH", format!("{}:{path}", programs.path().display()))
        .env_remove("SYSTEMD_SSH");
    command
}

fn log(programs: &TempDir, name: &str) -> String {
    fs::read_to_string(programs.path().join(name)).unwrap_or_default()
}

fn failed(programs: &TempDir, words: &[&str]) -> String {
    let Ran {
        code,
        stdout,
        stderr,
    } = run(&mut elsewhere(programs, words));
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{words:?}");
    stderr
}

#[test]
fn transfers_of_another_host_are_started_listed_and_cancelled() {
    let Some(bus) = Bus::start() else { return };
    let Some(programs) = programs(&bus.address) else {
        return;
    };
    let service = Service::start(&bus.address, |method| match method {
        "CancelTransfer" => vec![Step::Empty],
        "ListTransfersEx" => vec![Step::Transfers(Vec::new())],
        _ => vec![
            Step::Started,
            Step::Log(1, 30, "working".into()),
            Step::Removed(1, "done"),
        ],
    });
    let words = ["-H", "joe@far:2222", "-mN", "pull-tar", "http://h/a.tar"];
    let ran = run(&mut elsewhere(&programs, &words));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.ends_with("working\n"), "{}", ran.stderr);
    let ran = run(&mut elsewhere(&programs, &["-Hfar", "list-transfers"]));
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "No transfers.\n")
    );
    let words = ["--user", "--host=far/box", "cancel-transfer", "1"];
    assert_eq!(run(&mut elsewhere(&programs, &words)).code, Some(0));
    let methods: Vec<String> = service.asked().into_iter().map(|a| a.method).collect();
    assert_eq!(methods, ["PullTar", "ListTransfersEx", "CancelTransfer"]);
    assert_eq!(
        log(&programs, "ssh.log"),
        "-xT -p 2222 -- joe@far systemd-stdio-bridge\n\
         -xT -- far systemd-stdio-bridge\n\
         -xT -- far systemd-stdio-bridge --user --machine=box\n"
    );
}

#[test]
fn files_pass_to_a_container_and_not_to_another_host() {
    let Some(bus) = Bus::start() else { return };
    let Some(programs) = programs(&bus.address) else {
        return;
    };
    let service = Service::start(&bus.address, |method| {
        let mut steps = vec![Step::Started, Step::Removed(1, "done")];
        if method.starts_with("Export") {
            steps.insert(0, Step::Write("bytes"));
        }
        steps
    });
    let file = programs.path().join("a.raw");
    File::create(&file).unwrap();
    let file = file.to_str().unwrap();
    let ran = run(&mut elsewhere(
        &programs,
        &["-Mbox", "-mN", "import-raw", file],
    ));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(service.asked()[0].arguments[0], format!("r:{file}"));
    let ran = run(&mut elsewhere(
        &programs,
        &["-Mbox", "-m", "export-raw", "a"],
    ));
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "bytes"),
        "{ran:?}"
    );
    assert_eq!(
        log(&programs, "bridge.log"),
        "--machine=box\n--machine=box\n"
    );
    let out = programs.path().join("out.raw");
    for words in [
        ["-H", "far", "-m", "import-raw", file].as_slice(),
        &["-H", "far", "-m", "import-fs", "/usr"],
        &["-H", "far", "-m", "export-raw", "a", out.to_str().unwrap()],
    ] {
        let told = failed(&programs, words);
        let message = "An open file cannot be passed to another host, ";
        assert!(told.starts_with(message), "{told}");
        assert!(told.contains("\"ssh far importctl\""), "{told}");
        assert_eq!(told.lines().count(), 1);
    }
    assert_eq!(log(&programs, "ssh.log"), "");
    assert!(!out.exists());
}

#[test]
fn a_way_that_leads_nowhere_is_one_line() {
    let Some(programs) = programs(NO_BUS) else {
        return;
    };
    let begins = "Failed to connect to system scope bus via remote transport: ";
    script(programs.path(), "ssh", "echo 'no route' >&2; exit 255\n");
    let told = failed(&programs, &["-H", "joe@far", "list-images"]);
    assert_eq!(
        told,
        format!("no route\n{begins}ssh could not connect to joe@far\n")
    );
    script(programs.path(), "ssh", "exit 127\n");
    let told = failed(&programs, &["-H", "far", "list-images"]);
    let missing = "far has no systemd-stdio-bridge, which comes with systemd";
    assert_eq!(told, format!("{begins}{missing}\n"));
    script(programs.path(), "ssh", "echo hello; exit 3\n");
    let told = failed(&programs, &["-H", "far", "list-images"]);
    assert_eq!(
        told,
        format!("{begins}ssh for far ended with exit status 3\n")
    );
    script(
        programs.path(),
        "systemd-stdio-bridge",
        "[ $SYSTEMD_LOG_TARGET = console ] && exit 1\n",
    );
    let told = failed(&programs, &["-M", "box", "--user", "list-images"]);
    assert_eq!(
        told,
        "Failed to connect to user scope bus via machine transport: \
         systemd-stdio-bridge for box ended with exit status 1 \
         (\"machinectl list\" shows the containers that run)\n"
    );
    let mut command = elsewhere(&programs, &["-H", "far", "list-images"]);
    let ran = run(command.env("SYSTEMD_SSH", "/nonexistent/ssh"));
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (
            Some(1),
            "Failed to start /nonexistent/ssh: No such file or directory (is it installed?)\n"
        )
    );
}

#[test]
fn what_works_here_only_says_so() {
    let programs = tempfile::tempdir().unwrap();
    for (words, what) in [
        (["-H", "far", "clean"].as_slice(), "clean"),
        (&["-H", "far", "verify", "http://h/a"], "verify"),
        (
            &["-H", "far", "--dry-run", "-m", "pull-tar", "http://h/a"],
            "--dry-run",
        ),
        (
            &["-H", "far", "--standalone", "list-images"],
            "--standalone",
        ),
    ] {
        assert_eq!(
            failed(&programs, words),
            format!("{what} works on this machine only, run ssh far importctl instead\n")
        );
    }
    assert_eq!(
        failed(&programs, &["-M", "box", "-m", "clean"]),
        "clean works on this machine only, run importctl inside box instead\n"
    );
}

#[test]
fn a_lost_connection_is_told_and_a_signal_to_all_is_none() {
    let Some(bus) = Bus::start() else { return };
    let Some(programs) = programs(&bus.address) else {
        return;
    };
    let pull = ["-Hfar", "-mN", "pull-tar", "http://h/a.tar"];
    let steps = || vec![Step::Started, Step::Log(1, 30, "begun".into())];
    let service = Service::start(&bus.address, move |_| steps());
    let kill = |_: &std::process::Child| {
        let bridge = log(&programs, "bridge.pid");
        let killed = Command::new("sh")
            .args(["-c", "kill \"$0\"", bridge.trim()])
            .status()
            .unwrap();
        assert!(killed.success());
    };
    let ran = crate::program::run_and(&mut elsewhere(&programs, &pull), &[("begun\n", &kill)]);
    assert_eq!(ran.code, Some(1));
    let lost = "Lost connection to the import service; the transfer did not finish (run it again; ";
    assert!(ran.stderr.contains(lost), "{}", ran.stderr);
    drop(service);
    let _service = Service::start(&bus.address, move |_| steps());
    let ran = run_and_signal(&mut elsewhere(&programs, &pull), "begun\n", "INT");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("Continuing download"), "{}", ran.stderr);
    // C-c at a terminal reaches ssh too, which ends at once.
    let both = |child: &std::process::Child| {
        let bridge = log(&programs, "bridge.pid");
        let signalled = Command::new("sh")
            .args(["-c", "kill \"$0\"; kill -s INT \"$1\"", bridge.trim()])
            .arg(child.id().to_string())
            .status()
            .unwrap();
        assert!(signalled.success());
    };
    let ran = crate::program::run_and(&mut elsewhere(&programs, &pull), &[("begun\n", &both)]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("Continuing download"), "{}", ran.stderr);
}
