//! The shells' completions: made here from the one definition of the command line, kept in `dist/`,
//! and compared by a test. What runs and which images there are is asked when somebody completes.
//!
//! To update them after a change of the command line:
//! `IMPORTD_UPDATE=1 cargo test -p importd-importctl completions`.

mod bash;
mod fish;
mod zsh;

use crate::args;
use crate::verb::{Names, Operand, ROWS};
use clap::{Arg, ValueHint};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What stands at the top of each.
const HEAD: &str = "# Made from the command line of importctl by its tests: change it there.\n";
/// Options that decide which transfers and images are asked for, without those that take a value.
const SCOPE_OPTIONS: [&str; 7] = ["-m", "-P", "-S", "-C", "--system", "--user", "--standalone"];

/// An option as a shell completes it.
#[derive(Debug)]
struct OptionRow {
    short: Option<char>,
    long: Option<String>,
    about: String,
    value: Option<Value>,
}

/// What the value of an option may be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    /// One of a few words.
    OneOf(&'static [&'static str]),
    /// A folder.
    Folder,
    /// A host.
    Host,
    /// A container.
    Machine,
    /// Something that no shell can list.
    Other,
}

impl OptionRow {
    /// `-x` and `--xyz`, as far as it has them.
    fn names(&self) -> Vec<String> {
        let short = self.short.map(|letter| format!("-{letter}"));
        let long = self.long.as_ref().map(|long| format!("--{long}"));
        short.into_iter().chain(long).collect()
    }
}

/// The options that the help shows.
fn options() -> Vec<OptionRow> {
    let command = args::command();
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let row = |arg: &Arg| OptionRow {
        short: arg.get_short(),
        long: arg.get_long().map(str::to_owned),
        about: arg.get_help().map(ToString::to_string).unwrap_or_default(),
        value: arg.get_action().takes_values().then(|| value(arg)),
    };
    shown.map(row).collect()
}

fn value(arg: &Arg) -> Value {
    match arg.get_id().as_str() {
        "class" => Value::OneOf(&["machine", "portable", "sysext", "confext"]),
        "verify" => Value::OneOf(&["no", "checksum", "signature"]),
        "format" => Value::OneOf(&["uncompressed", "xz", "gzip", "bzip2", "zstd", "lz4"]),
        "json" => Value::OneOf(&["pretty", "short", "off"]),
        "progress" => Value::OneOf(&["auto", "bar", "plain", "json", "none"]),
        "keep_download" | "keep_partial" => Value::OneOf(&["yes", "no"]),
        "host" => Value::Host,
        "machine_name" => Value::Machine,
        _ if arg.get_value_hint() == ValueHint::DirPath => Value::Folder,
        _ => Value::Other,
    }
}

/// Verbs with their operands that can be completed, and how many may stand there.
fn operands() -> impl Iterator<Item = (&'static str, usize, &'static Operand)> {
    let known = |operand: &&'static Operand| operand.names != Names::Other;
    ROWS.iter().flat_map(move |row| {
        let numbered = row.operands.iter().enumerate();
        numbered
            .filter(move |(_, operand)| known(operand))
            .map(|(number, operand)| (row.name, number, operand))
    })
}

fn installed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../dist/usr/share")
        .join(path)
}

fn check(generated: &str, path: &str) {
    let path = installed(path);
    if std::env::var_os("IMPORTD_UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = File::create(&path).unwrap();
        file.write_all(generated.as_bytes()).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == generated,
        "{} is out of date, run the tests with IMPORTD_UPDATE=1",
        path.display()
    );
}

/// Runs a shell with these completions in the file `$COMPLETIONS`, and with an `importctl` before all
/// others that answers lists; what it printed, or `None`, with the reason printed, where there is no
/// such shell.
fn run(shell: &[&str], completions: &str, script: &str) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let stand_in = folder.path().join("importctl");
    let answers = "#!/bin/sh\ncase \"$*\" in\n\
        *--user*list-images*) echo '[{\"class\":\"machine\",\"name\":\"mine\"}]' ;;\n\
        *list-images*) echo '[{\"class\":\"machine\",\"name\":\"first\"},\
        {\"class\":\"machine\",\"name\":\"second one\"},\
        {\"class\":\"machine\",\"name\":\"$(touch evil)\"}]' ;;\n\
        *list-transfers*) echo '[{\"id\":3,\"progress\":1},{\"id\":14,\"progress\":null}]' ;;\n\
        esac\n";
    File::create(&stand_in)
        .unwrap()
        .write_all(answers.as_bytes())
        .unwrap();
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let file = folder.path().join("completions");
    File::create(&file)
        .unwrap()
        .write_all(completions.as_bytes())
        .unwrap();
    let output = std::process::Command::new(shell[0])
        .args(&shell[1..])
        .arg(script)
        .env("COMPLETIONS", file)
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .env("HOME", folder.path())
        .stdin(std::process::Stdio::null())
        .output();
    match output {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{errors}");
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(error) => {
            println!("skipped: {shell:?} cannot be started: {error}");
            None
        }
    }
}
