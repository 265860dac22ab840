//! What the caller says: arguments and variables, read once, in `main`; systemd.generator(7).

use crate::log::{Log, Target};
use anyhow::bail;
use importd_api::pull_spec::boolean;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The EFI variable in which the boot stub leaves the address it was loaded from.
const BOOT_ORIGIN: &str =
    "sys/firmware/efi/efivars/StubDeviceURL-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/// Everything that decides what is generated, but for the requests themselves.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// Where the kernel command line is.
    pub(crate) command_line: CommandLine,
    /// Which part of the boot this is.
    pub(crate) phase: Phase,
    /// The file with the address that the machine was booted from, if it was from one.
    pub(crate) boot_origin: PathBuf,
    /// `$CREDENTIALS_DIRECTORY`.
    pub(crate) credentials: Option<PathBuf>,
    /// `$ENCRYPTED_CREDENTIALS_DIRECTORY`.
    pub(crate) encrypted_credentials: Option<PathBuf>,
    target: Target,
    debug: bool,
}

/// Where the kernel command line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommandLine {
    /// `$SYSTEMD_PROC_CMDLINE`: this text.
    Given(OsString),
    /// A file with one line, words between blanks.
    Kernel(PathBuf),
    /// A container has no kernel command line: the arguments of its first process take its place,
    /// a file with a NUL after each.
    FirstProcess(PathBuf),
}

/// Which part of the boot this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before the root file system is mounted.
    Initrd,
    /// The system itself.
    Host,
}

impl Environment {
    /// Reads the variables, and looks below `root` for what they do not say.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<OsString>, root: &Path) -> Self {
        let text = |name| variable(name).unwrap_or_default();
        let folder = |name| {
            let value = variable(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        let container = !text("container").is_empty()
            || starts_with(&text("SYSTEMD_VIRTUALIZATION"), "container")
            || root.join("run/systemd/container").exists();
        let initrd = text("SYSTEMD_IN_INITRD").to_str().and_then(boolean);
        let initrd = initrd.unwrap_or_else(|| root.join("etc/initrd-release").exists());
        Self {
            command_line: match variable("SYSTEMD_PROC_CMDLINE") {
                Some(line) => CommandLine::Given(line),
                None if container => CommandLine::FirstProcess(root.join("proc/1/cmdline")),
                None => CommandLine::Kernel(root.join("proc/cmdline")),
            },
            phase: if initrd { Phase::Initrd } else { Phase::Host },
            boot_origin: root.join(BOOT_ORIGIN),
            credentials: folder("CREDENTIALS_DIRECTORY"),
            encrypted_credentials: folder("ENCRYPTED_CREDENTIALS_DIRECTORY"),
            target: target(&text("SYSTEMD_LOG_TARGET"), &text("SYSTEMD_SCOPE")),
            debug: ["debug", "7"]
                .map(OsStr::new)
                .contains(&&*text("SYSTEMD_LOG_LEVEL")),
        }
    }

    /// Opens what log lines go to.
    pub(crate) fn open_log(&self) -> Log {
        Log::open(self.target, self.debug)
    }
}

/// The folder that units go to: the first of one or three arguments. The other two, for units
/// before and after those of the administrator, are never written to.
///
/// # Errors
/// For any other number of arguments.
pub(crate) fn output_folder(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<PathBuf> {
    let arguments: Vec<_> = arguments.collect();
    match arguments.as_slice() {
        [folder] | [folder, _, _] => Ok(PathBuf::from(folder)),
        _ => bail!(
            "One or three folders are expected as arguments, not {}",
            arguments.len()
        ),
    }
}

/// The manager gives generators no useful standard error, and no journal runs yet: under it, the
/// kernel's log buffer is where lines are found.
fn target(wanted: &OsStr, scope: &OsStr) -> Target {
    match wanted.to_str().unwrap_or_default() {
        "console" => Target::Console,
        "console-prefixed" => Target::ConsolePrefixed,
        "kmsg" => Target::Kernel,
        "null" => Target::Nowhere,
        _ if scope == "system" => Target::Kernel,
        _ => Target::Console,
    }
}

fn starts_with(text: &OsStr, prefix: &str) -> bool {
    text.as_encoded_bytes().starts_with(prefix.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)], root: &Path) -> Environment {
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Environment::read(find, root)
    }

    fn touch(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(path).unwrap();
    }

    #[test]
    fn the_command_line_is_the_variable_then_the_containers_then_the_kernels() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let kernel = CommandLine::Kernel(root.join("proc/cmdline"));
        let first = CommandLine::FirstProcess(root.join("proc/1/cmdline"));
        let given = CommandLine::Given("a".into());
        let container = ("container", "x");
        for (variables, expected) in [
            (&[][..], &kernel),
            (&[("SYSTEMD_VIRTUALIZATION", "vm:kvm")], &kernel),
            (&[container], &first),
            (&[("SYSTEMD_VIRTUALIZATION", "container:podman")], &first),
            (&[container, ("SYSTEMD_PROC_CMDLINE", "a")], &given),
        ] {
            let environment = read(variables, root);
            assert_eq!(environment.command_line, *expected, "{variables:?}");
        }
        touch(&root.join("run/systemd/container"));
        assert_eq!(read(&[], root).command_line, first);
    }

    #[test]
    fn the_initrd_is_told_by_the_variable_then_by_its_release_file() {
        let root = tempfile::tempdir().unwrap();
        let phase = |value| read(&[("SYSTEMD_IN_INITRD", value)], root.path()).phase;
        assert_eq!(phase("1"), Phase::Initrd);
        assert_eq!(phase("maybe"), Phase::Host);
        touch(&root.path().join("etc/initrd-release"));
        assert_eq!(phase("maybe"), Phase::Initrd);
        assert_eq!(phase("0"), Phase::Host);
    }

    #[test]
    fn units_go_to_the_first_of_one_or_three_folders() {
        for count in 0..5 {
            let arguments = ["a", "b", "c", "d"].map(OsString::from);
            let folder = output_folder(arguments.into_iter().take(count)).ok();
            let expected = [1, 3].contains(&count).then(|| PathBuf::from("a"));
            assert_eq!(folder, expected);
        }
    }

    #[test]
    fn under_the_manager_lines_go_to_the_kernel_unless_told_otherwise() {
        for (wanted, scope, expected) in [
            ("", "", Target::Console),
            ("", "system", Target::Kernel),
            ("journal-or-kmsg", "system", Target::Kernel),
            ("console", "system", Target::Console),
            ("console-prefixed", "", Target::ConsolePrefixed),
            ("kmsg", "", Target::Kernel),
            ("null", "system", Target::Nowhere),
        ] {
            assert_eq!(target(wanted.as_ref(), scope.as_ref()), expected);
        }
    }
}
