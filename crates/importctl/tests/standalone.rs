//! Without a service, with workers played by scripts.

use crate::program::{importctl, run, run_and, run_and_signal, send};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// No bus is there.
const NO_BUS: &str = "unix:path=/nonexistent/bus";

/// A folder in which every worker is this script. It starts with its arguments in `$ARGUMENTS`.
pub(crate) fn workers(script: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().display();
    let text =
        format!("#!/bin/sh\nprintf '%s\\n' \"${{0##*/}}\" \"$@\" > {here}/arguments\n{script}");
    for name in [
        "systemd-import",
        "systemd-import-fs",
        "systemd-export",
        "systemd-pull",
    ] {
        let path = folder.path().join(name);
        File::create(&path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

pub(crate) fn alone(workers: &TempDir, words: &[&str]) -> Command {
    let mut command = importctl(NO_BUS, &[["--standalone"].as_slice(), words].concat());
    command.env("IMPORTD_WORKER_DIRECTORY", workers.path());
    command
}

/// Gives a command to one that runs what its last arguments say.
fn hand_on(wrapper: &mut Command, command: &Command) {
    let variables = command.get_envs();
    wrapper
        .arg(command.get_program())
        .args(command.get_args())
        .envs(variables.filter_map(|(name, value)| Some((name, value?))))
        .stdin(Stdio::null());
}

fn arguments(workers: &TempDir) -> String {
    let text = fs::read_to_string(workers.path().join("arguments")).unwrap();
    text.trim_end().replace('\n', " ")
}

#[test]
fn plans_and_cleaning_are_the_workers_even_with_a_service() {
    let workers = workers("echo told\nexit 0\n");
    for (words, line) in [
        (
            ["-m", "--dry-run", "pull-raw", "http://h/a.raw", "b"].as_slice(),
            "systemd-pull --dry-run --json=off raw --system --verify signature \
             --keep-download=yes -- http://h/a.raw b",
        ),
        (
            &[
                "-S",
                "--image-root=/ir",
                "-j",
                "--dry-run",
                "pull-tar",
                "http://h/a.tar",
            ],
            "systemd-pull --dry-run --json=short tar --system --verify signature --class sysext \
             --keep-download=no --image-root /ir -- http://h/a.tar a",
        ),
        (
            &["-m", "--dry-run", "--arch=arm64", "pull-oci", "h:1/a/b:c"],
            "systemd-pull --dry-run --json=off oci --system --arch arm64 -- h:1/a/b:c b",
        ),
        (
            &["-m", "clean"],
            "systemd-pull clean --system --json=off --",
        ),
        (
            &[
                "--image-root=/ir",
                "--json=pretty",
                "--superseded",
                "clean",
                "--dry-run",
            ],
            "systemd-pull clean --system --image-root /ir --dry-run --superseded --json=pretty --",
        ),
        (
            &[
                "-P",
                "--user",
                "--older-than=30d",
                "clean",
                "http://h/a",
                "--",
                "-b",
            ],
            "systemd-pull clean --user --class portable --older-than=30d --json=off -- http://h/a -b",
        ),
    ] {
        let mut command = importctl(NO_BUS, words);
        command.env("IMPORTD_WORKER_DIRECTORY", workers.path());
        let outcome = run(&mut command);
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (Some(0), "told\n"),
            "{words:?}"
        );
        assert_eq!(arguments(&workers), line, "{words:?}");
    }
}

#[test]
fn options_of_plans_and_cleaning_are_refused_elsewhere() {
    for (words, refusal) in [
        (
            ["--dry-run", "-m", "import-tar", "x"].as_slice(),
            "--dry-run is for ",
        ),
        (&["--dry-run", "list-images"], "--dry-run is for "),
        (
            &["--superseded", "-m", "pull-raw", "http://h/a"],
            "are for clean",
        ),
        (
            &["--image-root=/ir", "-m", "pull-raw", "http://h/a"],
            "needs --standalone",
        ),
        (&["clean"], "No image class specified"),
    ] {
        let outcome = run(&mut importctl(NO_BUS, words));
        assert_eq!(outcome.code, Some(1), "{words:?}");
        assert!(
            outcome.stderr.contains(refusal),
            "{words:?}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn workers_get_the_arguments_that_the_service_would_give_them() {
    let workers = workers("exit 0\n");
    let source = workers.path().join("n.raw");
    File::create(&source).unwrap();
    let source = source.to_str().unwrap();
    for (words, line) in [
        (
            ["-m", "--verify=no", "pull-tar", "http://h/a.tar"],
            "systemd-pull tar --system --verify no --keep-download=yes -- http://h/a.tar a",
        ),
        (
            ["--user", "-S", "pull-raw", "http://h/a.raw"],
            "systemd-pull raw --user --verify signature --class sysext --keep-download=no -- \
             http://h/a.raw a",
        ),
        (
            ["-m", "--force", "import-raw", source],
            "systemd-import raw --system --force -- - n",
        ),
        (
            ["-m", "--image-root=/ir", "import-fs", "/tmp"],
            "systemd-import-fs run --system --image-root /ir -- - tmp",
        ),
        (
            ["-m", "--force", "export-tar", "i"],
            "systemd-export tar --system -- i",
        ),
    ] {
        let ran = run(&mut alone(&workers, &words));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{words:?}");
        assert_eq!(arguments(&workers), line);
    }
}

#[test]
fn bytes_go_in_and_out_and_the_log_is_shown_without_prefixes() {
    let workers = workers(
        "echo '<30>Reading.' >&2\nprintf '<2' >&2\nprintf '9>Cut in two.\\n' >&2\necho plain >&2\n\
         echo \"<30>$SYSTEMD_LOG_TARGET\" >&2\nexec cat\n",
    );
    let source = workers.path().join("in.tar");
    File::create(&source).unwrap().write_all(b"bytes").unwrap();
    let log = "Reading.\nCut in two.\nplain\nconsole-prefixed\n";
    // An import's own output is log, too.
    let ran = run(&mut alone(
        &workers,
        &["-m", "import-tar", source.to_str().unwrap()],
    ));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    assert_eq!(ran.stderr, format!("{log}bytes\n"));
    let mut command = alone(&workers, &["-mq", "import-tar", "-", "n"]);
    let ran = run(command.stdin(File::open(&source).unwrap()));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), "Cut in two.\n"));
}

#[test]
fn exports_go_to_standard_output_or_a_file_that_is_whole() {
    let works = workers("printf bytes\n");
    let ran = run(&mut alone(&works, &["-m", "export-tar", "i"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "bytes"));
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("o.tar.gz");
    let words = ["-m", "export-tar", "i", file.to_str().unwrap()];
    assert_eq!(run(&mut alone(&works, &words)).code, Some(0));
    assert_eq!(
        arguments(&works),
        "systemd-export tar --system --format gzip -- i"
    );
    let fails = workers("printf half; echo '<27>No space left on device' >&2; exit 1\n");
    let ran = run(&mut alone(&fails, &words));
    assert_eq!(
        (ran.code, ran.stderr.lines().next()),
        (Some(1), Some("No space left on device"))
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "bytes");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
}

#[test]
fn a_worker_that_dies_silently_is_reported() {
    let url = "http://h/a";
    let killed = workers("kill -KILL $$\n");
    let ran = run(&mut alone(&killed, &["-m", "pull-raw", url]));
    let program = killed.path().join("systemd-pull");
    let message = format!(
        "Failed to transfer image: {} was killed by signal 9",
        program.display()
    );
    assert_eq!((ran.code, ran.stderr), (Some(1), message + "\n"));
    let ends = workers("exit 3\n");
    let ran = run(&mut alone(&ends, &["-m", "-j", "pull-raw", url]));
    let message = format!(
        "Failed to transfer image: {}/systemd-pull ended with exit status 3",
        ends.path().display()
    );
    let object =
        format!("{{\"error\":{{\"code\":\"transfer-failed\",\"message\":\"{message}\"}}}}\n");
    assert_eq!((ran.code, ran.stderr), (Some(1), object));
}

#[test]
fn a_missing_worker_is_named() {
    let empty = tempfile::tempdir().unwrap();
    let ran = run(&mut alone(&empty, &["-m", "pull-raw", "http://h/a"]));
    let message = format!(
        "Failed to start {}/systemd-pull: No such file or directory\n",
        empty.path().display()
    );
    assert_eq!((ran.code, ran.stderr), (Some(1), message));
}

#[test]
fn signals_are_passed_on_and_the_end_of_the_worker_is_waited_for() {
    for (signal, passed) in [
        ("INT", "INT"),
        ("TERM", "TERM"),
        ("HUP", "TERM"),
        ("QUIT", "TERM"),
    ] {
        let script = format!(
            "trap 'kill $!; echo \"<29>Transfer aborted.\" >&2; exit 1' {passed}\n\
             sleep 1000 & echo '<29>ready' >&2\nwait\n"
        );
        let workers = workers(&(script + "echo '<27>not interrupted' >&2\n"));
        let out = tempfile::tempdir().unwrap();
        let file = out.path().join("o");
        let words = ["-m", "export-raw", "i", file.to_str().unwrap()];
        let mut command = alone(&workers, &words);
        let ran = run_and_signal(&mut command, "ready\n", signal);
        assert_eq!(ran.code, Some(1));
        assert_eq!(ran.stderr, "ready\nTransfer aborted.\n");
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_second_signal_kills_a_worker_that_does_not_end() {
    // It takes longer to answer than two signals of one request are apart.
    let workers = workers(
        "trap 'sleep 0.3; echo \"<29>asked\" >&2' TERM\necho '<29>ready' >&2\n\
         while :; do sleep 1000 & wait; done\n",
    );
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("o");
    let words = ["-m", "export-raw", "i", file.to_str().unwrap()];
    let ran = run_and(
        &mut alone(&workers, &words),
        &[
            ("ready\n", &|child| send(child, "TERM")),
            ("asked\n", &|child| send(child, "TERM")),
        ],
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), "ready\nasked\n"));
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn a_hangup_that_was_ignored_before_us_stays_so() {
    let workers = workers(
        "echo '<29>ready' >&2\nread -r _ <\"${0%/*}/gate\"\necho '<29>not interrupted' >&2\n",
    );
    let gate = workers.path().join("gate");
    let made = Command::new("mkfifo").arg(&gate).status().unwrap();
    assert!(made.success());
    let direct = alone(&workers, &["-m", "pull-raw", "http://h/a"]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]);
    hand_on(&mut command, &direct);
    // Held open at both ends, so that neither we nor the worker wait for each other.
    let gate = OpenOptions::new().read(true).write(true).open(gate);
    let gate = gate.unwrap();
    let hang_up = |child: &Child| {
        send(child, "HUP");
        (&gate).write_all(b"\n").unwrap();
    };
    let ran = run_and(&mut command, &[("ready\n", &hang_up)]);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(0), "ready\nnot interrupted\n")
    );
}

#[test]
fn a_file_that_is_mounted_on_is_written_and_not_replaced() {
    let namespace = ["--mount", "--propagation=private"];
    let unshare = Command::new("unshare").args(namespace).arg("true").status();
    if !unshare.is_ok_and(|status| status.success()) {
        println!("skipped: no mount namespace can be made");
        return;
    }
    let works = workers("printf bytes\n");
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("o");
    File::create(&file).unwrap().write_all(b"longer").unwrap();
    let direct = alone(&works, &["-m", "export-raw", "i", file.to_str().unwrap()]);
    let mut command = Command::new("unshare");
    command
        .args(namespace)
        .args(["sh", "-c", "mount --bind \"$0\" \"$0\" && exec \"$@\""])
        .arg(&file);
    hand_on(&mut command, &direct);
    let ran = run(&mut command);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(fs::read_to_string(&file).unwrap(), "bytes");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
}

#[test]
fn the_errno_that_a_worker_reports_becomes_the_code() {
    if !has("python3") {
        println!("skipped: no python3 to send datagrams");
        return;
    }
    let workers = workers(
        "python3 - <<'END'\nimport os, socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
         s.sendto(b'X_IMPORT_PROGRESS=50%', '\\0' + os.environ['NOTIFY_SOCKET'][1:])\n\
         s.sendto(b'ERRNO=17\\nEXIT_STATUS=1', '\\0' + os.environ['NOTIFY_SOCKET'][1:])\nEND\n\
         echo '<27>It is there already' >&2\nexit 1\n",
    );
    let ran = run(&mut alone(
        &workers,
        &["-m", "-j", "pull-raw", "http://h/a"],
    ));
    assert_eq!(ran.code, Some(1));
    let object = "{\"error\":{\"code\":\"exists\",\"message\":\"It is there already\"}}\n";
    assert_eq!(ran.stderr, format!("It is there already\n{object}"));
}

pub(crate) fn has(program: &str) -> bool {
    let ran = Command::new(program).arg("--version").output();
    ran.is_ok_and(|output| output.status.success())
}

#[test]
fn images_are_found_by_looking() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("tree")).unwrap();
    File::create(root.path().join("disk.raw")).unwrap();
    let option = format!("--image-root={}", root.path().display());
    let ran = run(&mut importctl(
        NO_BUS,
        &["--standalone", &option, "-j", "list-images"],
    ));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let rows: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let found: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (&r["name"], &r["type"]))
        .collect();
    assert_eq!(
        found,
        [
            (&"disk".into(), &"raw".into()),
            (&"tree".into(), &"directory".into())
        ]
    );
    let path = root.path().join("disk.raw");
    assert_eq!(rows[0]["path"], *path.to_str().unwrap());
}

#[test]
fn what_needs_the_service_says_so() {
    for (words, start) in [
        (
            ["list-transfers"].as_slice(),
            "list-transfers has no --standalone form",
        ),
        (
            &["cancel-transfer", "1"],
            "cancel-transfer has no --standalone form",
        ),
    ] {
        let ran = run(&mut importctl(
            NO_BUS,
            &[["--standalone"].as_slice(), words].concat(),
        ));
        assert_eq!(ran.code, Some(1));
        assert!(ran.stderr.starts_with(start), "{}", ran.stderr);
    }
    let ran = run(&mut importctl(NO_BUS, &["--image-root=/x", "list-images"]));
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(1), "--image-root= needs --standalone\n")
    );
}

#[test]
fn verify_becomes_the_worker_with_its_output_and_its_status() {
    let workers = workers("echo found\necho told >&2\nexit 7\n");
    for (words, expected) in [
        (
            &["verify", "http://h/x.raw"][..],
            "systemd-pull verify --verify signature -- http://h/x.raw",
        ),
        (
            &[
                "--verify=checksum",
                "--json=pretty",
                "verify",
                "http://h/x.raw",
                "--",
                "-f",
            ],
            "systemd-pull verify --verify checksum --json=pretty -- http://h/x.raw -f",
        ),
        (
            &["-j", "verify", "http://h/x.raw", "file"],
            "systemd-pull verify --verify signature --json=short -- http://h/x.raw file",
        ),
    ] {
        let mut command = importctl(NO_BUS, words);
        command.env("IMPORTD_WORKER_DIRECTORY", workers.path());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(7), "{words:?}");
        assert_eq!(output.stdout, b"found\n");
        assert_eq!(output.stderr, b"told\n");
        assert_eq!(arguments(&workers), expected);
    }
}

#[test]
fn how_a_download_uses_the_network_is_passed_on_and_needs_the_worker() {
    let workers = workers("exit 0\n");
    let words = [
        "pull-raw",
        "-m",
        "--verify=no",
        "--mirror=http://m/x",
        "--retries=3",
        "--mirror=http://n/x",
        "http://h/x",
    ];
    let ran = run(&mut alone(&workers, &words));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let line = arguments(&workers);
    let start = "systemd-pull --mirror=http://m/x --mirror=http://n/x --retries=3 raw ";
    assert!(line.starts_with(start), "{line}");
    let mut served = importctl(NO_BUS, &words);
    let refused = run(&mut served);
    let told = refused.stderr.contains("--mirror= needs --standalone");
    assert!(told, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("importd.conf"),
        "{}",
        refused.stderr
    );
}
