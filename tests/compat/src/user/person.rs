//! Somebody without privileges, with a home and an `/etc` of their own.

use crate::make::{file, has, run};
use crate::subject::{Subject, Work};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The user's number, and the first of the ids that `/etc/subuid` gives them.
pub(super) const UID: u32 = 54_321;
pub(super) const FIRST: u32 = 700_000;

/// What there is of ids in most systems.
pub(super) const USUAL: &str = "tester:700000:65536\n";

/// Becomes the user: the programs and `/etc` are mounted where the user can see them, in a namespace of
/// its own; then all privileges go.
const ENTER: &str = r#"work=$1 programs=$2; shift 2
mount --bind "$programs" "$work/bin" && mount --bind "$work/etc" /etc || exit 99
mount -t tmpfs tmpfs /run && mkdir /run/systemd || exit 99
mount --bind "$work/services" /run/systemd || exit 99
cd "$work/home" && exec setpriv --reuid=54321 --regid=54321 --clear-groups --inh-caps=-all "$@""#;

/// The same below a root that is no root of a mount namespace, where the kernel makes no user
/// namespaces.
const ENTER_CHROOT: &str = r#"work=$1 programs=$2; shift 2
mkdir -p "$work/root" && mount --rbind / "$work/root" || exit 99
mount --bind "$programs" "$work/root$work/bin" || exit 99
mount --bind "$work/etc" "$work/root/etc" || exit 99
exec chroot "$work/root" setpriv --reuid=54321 --regid=54321 --clear-groups --inh-caps=-all \
    sh -c 'cd "$HOME" && exec "$@"' sh "$@""#;

/// Somebody without privileges.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) work: Work,
    enter: &'static str,
}

impl Person {
    /// A new one, whom `/etc/subuid` and `/etc/subgid` say `ids` about; `None`, with the reason
    /// printed, where that cannot be tested.
    pub(super) fn new(ids: &str) -> Option<Self> {
        let Subject::Ours(_) = Subject::get() else {
            println!("skipped: the original needs services of a running system for this");
            return None;
        };
        if !(has("setpriv") && has("newuidmap") && has("newgidmap")) {
            return None;
        }
        let work = Work::new()?;
        let top = work.path("");
        std::fs::set_permissions(&top, std::fs::Permissions::from_mode(0o755)).unwrap();
        for folder in ["bin", "etc", "home", "services"] {
            std::fs::create_dir_all(work.path(folder)).unwrap();
        }
        chown(work.path("home"), Some(UID), Some(UID)).unwrap();
        let home = work.path("home");
        let home = home.display();
        let etc = |name: &str, text: &str| file(&work.path("etc").join(name), text);
        etc(
            "passwd",
            &format!("root:x:0:0::/:/bin/sh\ntester:x:{UID}:{UID}::{home}:/bin/sh\n"),
        );
        etc("group", &format!("root:x:0:\ntester:x:{UID}:\n"));
        etc("nsswitch.conf", "passwd: files\ngroup: files\n");
        for name in ["subuid", "subgid"] {
            etc(name, ids);
        }
        let person = Self { work, enter: ENTER };
        let probe = person.command("unshare").args(["--user", "true"]).output();
        let probe = probe.unwrap();
        if !probe.status.success() {
            let why = String::from_utf8_lossy(&probe.stderr).into_owned();
            println!("skipped: no user namespaces here: {why}");
            return None;
        }
        Some(person)
    }

    /// The same where the kernel makes no user namespaces.
    pub(super) fn without_namespaces(mut self) -> Self {
        self.enter = ENTER_CHROOT;
        self
    }

    /// A path in the home.
    pub(super) fn home(&self, name: impl AsRef<Path>) -> PathBuf {
        self.work.path("home").join(name)
    }

    /// A path in the folder of machines.
    pub(super) fn machine(&self, name: &str) -> PathBuf {
        self.home(".local/state/machines").join(name)
    }

    /// Everything in the folder of machines, hidden entries too, sorted.
    pub(super) fn machines(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.machine(""));
        let names = entries.into_iter().flatten().map(|entry| entry.unwrap());
        let mut names: Vec<String> = names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// A program, run by the user in the home; one of ours, or of the system.
    pub(super) fn command(&self, program: &str) -> Command {
        let Subject::Ours(programs) = Subject::get() else {
            panic!("only ours is tested");
        };
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation=private", "sh", "-c"])
            .args([self.enter, "sh"])
            .arg(self.work.path("").canonicalize().unwrap())
            .arg(programs)
            .arg(program)
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", self.work.path("home"))
            .env("PATH", self.path_variable())
            .env("IMPORTD_WORKER_DIRECTORY", self.work.path("bin"))
            .stdin(Stdio::null());
        command
    }

    fn path_variable(&self) -> String {
        let own = self.work.path("bin");
        format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", own.display())
    }

    /// Runs a program to success; what it printed, and what it said.
    pub(super) fn succeed(&self, program: &str, arguments: &[&str]) -> (Vec<u8>, String) {
        let output = self.command(program).args(arguments).output().unwrap();
        let errors = said(&output);
        assert!(output.status.success(), "{program} {arguments:?}: {errors}");
        (output.stdout, errors)
    }

    /// Runs a program that fails; what it said.
    pub(super) fn fail(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output().unwrap();
        let errors = said(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        errors
    }

    /// Starts a program that reads a pipe.
    pub(super) fn start(&self, program: &str, arguments: &[&str]) -> Child {
        let mut command = self.command(program);
        command.args(arguments).stdin(Stdio::piped());
        command.stderr(Stdio::null()).spawn().unwrap()
    }

    /// A tree of several owners with all that somebody without privileges can make, as root has it,
    /// and an archive of it in the home.
    pub(super) fn tree(&self) -> (PathBuf, String) {
        let tree = self.work.path("tree");
        std::fs::create_dir_all(&tree).unwrap();
        let script = "rm -rf ./*; mkdir -p etc/closed usr/lib bin
            echo ID=test > usr/lib/os-release; echo secret > etc/shadow; chown 0:42 etc/shadow
            chmod 640 etc/shadow; echo web > etc/web; chown 33:33 etc/web; ln -s ../etc/web bin/web
            ln etc/web etc/again; echo in > etc/closed/in; chown 65534:65534 etc/closed/in
            chown 33:1000 etc/closed; chmod 700 etc/closed; cp /bin/true bin/su; chown 0:7 bin/su
            chmod 4755 bin/su; mkfifo fifo; truncate -s 1M hole; head -c 4M /dev/urandom > last; chmod 555 usr/lib";
        run("sh", &["-euc", script], &tree);
        if has("setfacl") {
            run("setfacl", &["-m", "u:33:rw", "etc/shadow"], &tree);
            run("setfacl", &["-d", "-m", "g:1000:rx", "etc"], &tree);
        }
        if has("setfattr") && has("setcap") {
            run("setfattr", &["-n", "user.x", "-v", "y", "etc/web"], &tree);
            run("setcap", &["cap_net_raw+ep", "bin/su"], &tree);
        }
        let archive = file(&self.home("tree.tar"), crate::make::archive(&tree));
        (tree, archive.to_str().unwrap().to_owned())
    }

    /// What an archive that was written by the user holds, as root unpacks it.
    pub(super) fn unpacked(&self, archive: &[u8]) -> PathBuf {
        let archive = file(&self.work.path("out.tar"), archive);
        let import = self.work.run("systemd-import").args(["tar", "--force"]);
        import.arg(archive).arg("out").succeed();
        self.work.image("out")
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
