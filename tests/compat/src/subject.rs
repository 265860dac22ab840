//! The programs under test, and what they say.

use rustix::process::{Pid, Signal};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Runs a program of a foreign root with our `/tmp`, where all files of the tests are, our network,
/// and our descriptions of registries; it believes that systemd is running. Everything is mounted in a namespace of its own
/// and replaced by the program.
const ENTER: &str = r#"root=$1; shift
for dir in proc sys dev tmp; do mount --rbind "/$dir" "$root/$dir" || exit 99; done
mount -t tmpfs tmpfs "$root/run" && mkdir -p "$root/run/systemd/system" || exit 99
if [ -n "${IMPORTD_OCI_REGISTRY_PATH:-}" ]; then cp -r "$IMPORTD_OCI_REGISTRY_PATH" "$root/run/systemd/oci-registry" || exit 99; fi
exec chroot "$root" "$@""#;

/// Runs a program with a folder of ours in the place of `/var/lib/machines`, of a foreign root or of
/// this machine, in a namespace of its own.
const ENTER_WITH_IMAGES: &str = r#"images=$1 root=$2; shift 2
if [ -n "$root" ]; then
    for dir in proc sys dev tmp; do mount --rbind "/$dir" "$root/$dir" || exit 99; done
fi
mkdir -p "$root/var/lib/machines" || exit 99
mount --bind "$images" "$root/var/lib/machines" || exit 99
[ -n "$root" ] || exec "$@"
exec chroot "$root" "$@""#;

/// Whose programs are tested.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    Ours(PathBuf),
    Theirs(PathBuf),
}

impl Subject {
    pub(crate) fn get() -> Self {
        match std::env::var("SUBJECT").as_deref() {
            Ok("theirs") => {
                let root = std::env::var_os("REFERENCE_ROOT");
                Self::Theirs(root.expect("SUBJECT=theirs needs REFERENCE_ROOT").into())
            }
            Ok("ours") | Err(_) => {
                // target/PROFILE/deps/TEST → target/PROFILE
                let test = std::env::current_exe().unwrap();
                let folder = test.ancestors().nth(2).unwrap();
                Self::Ours(std::env::var_os("PROGRAMS").map_or(folder.into(), PathBuf::from))
            }
            Ok(other) => panic!("SUBJECT={other} is neither ours nor theirs"),
        }
    }

    /// A program that has `images` in the place of `/var/lib/machines`.
    pub(crate) fn with_images(&self, program: &str, images: &Path) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation=private", "sh", "-c"])
            .args([ENTER_WITH_IMAGES, "sh"])
            .arg(images);
        match self {
            Self::Ours(folder) => command
                .arg("")
                .arg(folder.join(program))
                .env("IMPORTD_WORKER_DIRECTORY", folder),
            Self::Theirs(root) => command.arg(root).arg(installed(program)),
        };
        command
    }

    fn command(&self, program: &str) -> Command {
        match self {
            Self::Ours(folder) => Command::new(folder.join(program)),
            Self::Theirs(root) => {
                let mut command = Command::new("unshare");
                command
                    .args(["--mount", "--propagation=private", "sh", "-c", ENTER, "sh"])
                    .arg(root)
                    .arg(installed(program));
                command
            }
        }
    }
}

/// Where a program is installed.
fn installed(program: &str) -> PathBuf {
    let folder = match program {
        "importctl" => "/usr/bin",
        _ => "/usr/lib/systemd",
    };
    Path::new(folder).join(program)
}

/// Whether the programs are ours.
pub(crate) fn is_ours() -> bool {
    matches!(Subject::get(), Subject::Ours(_))
}

/// A folder for one test, with an image root in it.
#[derive(Debug)]
pub(crate) struct Work {
    folder: tempfile::TempDir,
}

impl Work {
    /// A new one; `None`, with the reason printed, where the tests cannot run.
    pub(crate) fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: owners, devices and attributes need root");
            return None;
        }
        let folder = tempfile::Builder::new()
            .prefix("importd-compat-")
            .tempdir_in("/tmp");
        Some(Self {
            folder: folder.unwrap(),
        })
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What is kept of unfinished downloads, sorted; locks are left out.
    pub(crate) fn kept(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("cache"));
        let names = entries.into_iter().flatten().map(|entry| entry.unwrap());
        let mut names: Vec<String> = names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.ends_with(".lock"))
            .collect();
        names.sort();
        names
    }

    /// A path in the image root.
    pub(crate) fn image(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path("images").join(name)
    }

    /// A client on a private bus.
    pub(crate) fn importctl(&self, address: &str) -> Run {
        Run::new("importctl", self.folder.path()).env("DBUS_SYSTEM_BUS_ADDRESS", address)
    }

    /// Everything in the image root, hidden entries too, sorted.
    pub(crate) fn images(&self) -> Vec<String> {
        let mut names: Vec<String> = match std::fs::read_dir(self.path("images")) {
            Ok(entries) => entries
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect(),
            Err(_absent) => Vec::new(),
        };
        names.sort();
        names
    }

    /// As [`Work::run`], of the reference's program, whoever's are tested; `None`, with the reason
    /// printed, where it is not there.
    pub(crate) fn run_theirs(&self, program: &str) -> Option<Run> {
        let Some(root) = std::env::var_os("REFERENCE_ROOT") else {
            println!("skipped: REFERENCE_ROOT is not set");
            return None;
        };
        let mut run = self.run(program);
        run.subject = Subject::Theirs(root.into());
        Some(run)
    }

    /// A run of a program with nothing but the arguments that are added.
    pub(crate) fn bare(&self, program: &str) -> Run {
        Run::new(program, self.folder.path())
    }

    /// A run of a program on this folder's image root.
    pub(crate) fn run(&self, program: &str) -> Run {
        let mut run = Run::new(program, self.folder.path());
        if program != "systemd-export" {
            run = run.arg(format!("--image-root={}", self.path("images").display()));
        }
        run
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // Read-only images are immutable folders, which cannot be removed.
        let images = self.path("images");
        if images.exists() {
            let command = Command::new("chattr")
                .arg("-R")
                .arg("-i")
                .arg(images)
                .output();
            drop(command);
        }
    }
}

/// A program about to run.
#[derive(Debug)]
pub(crate) struct Run {
    subject: Subject,
    program: String,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    folder: PathBuf,
}

/// What it said.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Exit status; 128 and the signal if it was killed.
    pub(crate) status: i32,
    /// Lines for people.
    pub(crate) stderr: String,
    /// What it printed.
    pub(crate) stdout: Vec<u8>,
    /// Datagrams to the service.
    pub(crate) notes: Vec<String>,
}

impl Run {
    fn new(program: &str, folder: &Path) -> Self {
        Self {
            subject: Subject::get(),
            program: program.into(),
            arguments: Vec::new(),
            // Unfinished downloads belong to the test, as all else.
            environment: vec![(
                "IMPORTD_CACHE_DIRECTORY".into(),
                folder.join("cache").into(),
            )],
            stdin: None,
            stdout: None,
            folder: folder.into(),
        }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().into());
        self
    }

    pub(crate) fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, arguments: I) -> Self {
        let new = arguments.into_iter().map(|one| one.as_ref().to_owned());
        self.arguments.extend(new);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().into()));
        self
    }

    pub(crate) fn stdin(mut self, file: impl Into<OwnedFd>) -> Self {
        self.stdin = Some(file.into());
        self
    }

    pub(crate) fn stdout(mut self, file: impl Into<OwnedFd>) -> Self {
        self.stdout = Some(file.into());
        self
    }

    /// Starts it, with its notify socket.
    pub(crate) fn start(self) -> (Child, UnixDatagram) {
        let number = rand_name();
        let socket_path = self.folder.join(format!("notify-{number}"));
        let socket = UnixDatagram::bind(&socket_path).unwrap();
        let mut command = self.subject.command(&self.program);
        command
            .args(&self.arguments)
            .env_remove("SYSTEMD_LOG_LEVEL")
            .env("NOTIFY_SOCKET", &socket_path)
            .env("LC_ALL", "C.UTF-8")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(self.stdin.map_or_else(Stdio::null, Stdio::from))
            .stdout(self.stdout.map_or_else(Stdio::piped, Stdio::from))
            .stderr(Stdio::piped());
        let child = command.spawn();
        (
            child.unwrap_or_else(|error| panic!("{command:?}: {error}")),
            socket,
        )
    }

    /// Runs it to its end.
    pub(crate) fn outcome(self) -> Outcome {
        let (child, socket) = self.start();
        collect(child, &socket)
    }

    /// Runs it; it must succeed.
    pub(crate) fn succeed(self) -> Outcome {
        let shown = format!("{} {:?}", self.program, self.arguments);
        let outcome = self.outcome();
        assert_eq!(outcome.status, 0, "{shown}:\n{}", outcome.stderr);
        outcome
    }

    /// Runs it; it must fail with status 1 and this error number.
    pub(crate) fn fail(self, errno: rustix::io::Errno) -> Outcome {
        let shown = format!("{} {:?}", self.program, self.arguments);
        let outcome = self.outcome();
        assert_eq!(outcome.status, 1, "{shown}:\n{}", outcome.stderr);
        let expected = format!("ERRNO={}", errno.raw_os_error());
        let notes = &outcome.notes;
        assert!(
            notes.contains(&expected),
            "{shown}: {expected} is not in {notes:?}:\n{}",
            outcome.stderr
        );
        assert_eq!(
            notes.last().map(String::as_str),
            Some("EXIT_STATUS=1"),
            "{shown}"
        );
        outcome
    }

    /// Runs it; it must fail with status 1, for whatever reason.
    pub(crate) fn fail_somehow(self) -> Outcome {
        let shown = format!("{} {:?}", self.program, self.arguments);
        let outcome = self.outcome();
        assert_eq!(outcome.status, 1, "{shown}:\n{}", outcome.stderr);
        outcome
    }
}

/// Waits for a program's end.
pub(crate) fn collect(child: Child, socket: &UnixDatagram) -> Outcome {
    // Datagrams beyond the socket's queue would make the program wait.
    let reader = socket.try_clone().unwrap();
    reader
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let mut notes = Vec::new();
    let output = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let output = child.wait_with_output().unwrap();
            done.store(true, std::sync::atomic::Ordering::Release);
            output
        });
        let mut buffer = [0; 4096];
        loop {
            let over = done.load(std::sync::atomic::Ordering::Acquire);
            match reader.recv(&mut buffer) {
                Ok(length) => {
                    let text = String::from_utf8_lossy(&buffer[..length]);
                    notes.extend(text.lines().map(str::to_owned));
                }
                Err(_empty) if over => break,
                Err(_empty) => {}
            }
        }
        waiter.join().unwrap()
    });
    let status = output.status;
    Outcome {
        status: status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        stdout: output.stdout,
        notes,
    }
}

/// A program that runs; what it says is read while it does.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    socket: UnixDatagram,
    told: Arc<(Mutex<String>, Condvar)>,
    reader: JoinHandle<()>,
}

impl Started {
    pub(crate) fn new(run: Run) -> Self {
        let (mut child, socket) = run.start();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let told = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let shared = Arc::clone(&told);
        let reader = std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                *shared.0.lock().unwrap() += &format!("{line}\n");
                shared.1.notify_all();
            }
        });
        Self {
            child,
            socket,
            told,
            reader,
        }
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has said these words.
    pub(crate) fn until(&self, words: &str) {
        let (text, changed) = &*self.told;
        let mut text = text.lock().unwrap();
        while !text.contains(words) {
            assert!(
                !self.reader.is_finished(),
                "it ended without '{words}': {text}"
            );
            let waited = changed.wait_timeout(text, Duration::from_millis(50));
            text = waited.unwrap().0;
        }
    }

    /// Waits until something is so outside of it.
    pub(crate) fn wait(&self, is_so: impl Fn() -> bool) {
        while !is_so() {
            assert!(!self.reader.is_finished(), "it ended: {:?}", self.told);
            std::thread::yield_now();
        }
    }

    /// Sends a signal, and waits for the end.
    pub(crate) fn end(self, signal: Signal) -> Outcome {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.outcome()
    }

    /// Waits for the end.
    pub(crate) fn outcome(self) -> Outcome {
        let outcome = collect(self.child, &self.socket);
        self.reader.join().unwrap();
        let stderr = self.told.0.lock().unwrap().clone();
        Outcome { stderr, ..outcome }
    }
}

impl Outcome {
    /// The last line that says what went wrong.
    pub(crate) fn complaint(&self) -> &str {
        let mut lines = self.stderr.lines();
        lines.rfind(|line| *line != "Exiting.").unwrap_or("")
    }
}

/// A name that no other test has.
fn rand_name() -> String {
    use std::hash::{BuildHasher, Hasher};
    let hasher = std::hash::RandomState::new().build_hasher();
    format!("{:016x}", hasher.finish())
}
