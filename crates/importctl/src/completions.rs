//! The shells' completions: generated here, kept in `dist/`, and compared by a test.
//!
//! To update them after a change of the command line:
//! `IMPORTD_UPDATE=1 cargo test -p importd-importctl completions`.

use crate::args;
use crate::verb::{Names, ROWS};
use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, ValueHint};
use clap_complete::{Shell, generate};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The whole command line with verbs as subcommands, each of which takes every option, as options
/// may stand after the verb.
fn command() -> Command {
    let mut command = bare("importctl").args(options());
    for row in ROWS {
        let mut verb = bare(row.name).about(row.about).args(options());
        for operand in row.operands {
            let hint = match operand.names {
                Names::File => ValueHint::FilePath,
                Names::Folder => ValueHint::DirPath,
                Names::Other => ValueHint::Other,
            };
            let mut arg = Arg::new(operand.name)
                .value_hint(hint)
                .required(operand.required);
            if operand.many {
                arg = arg.num_args(1..);
            }
            verb = verb.arg(arg);
        }
        command = command.subcommand(verb);
    }
    command
}

fn bare(name: &'static str) -> Command {
    Command::new(name)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
}

/// The options that the help shows; those with few values get them, which their parsers do not
/// tell.
fn options() -> Vec<Arg> {
    let command = args::command();
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    shown.cloned().map(with_values).collect()
}

fn with_values(arg: Arg) -> Arg {
    let values: &[&str] = match arg.get_id().as_str() {
        "class" => &["machine", "portable", "sysext", "confext"],
        "verify" => &["no", "checksum", "signature"],
        "format" => &["uncompressed", "xz", "gzip", "bzip2", "zstd", "lz4"],
        "json" => &["pretty", "short", "off"],
        "progress" => &["auto", "bar", "plain", "json", "none"],
        "keep_download" => &["yes", "no"],
        _ => return arg,
    };
    arg.value_parser(PossibleValuesParser::new(values))
}

fn installed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../dist/usr/share")
        .join(path)
}

fn check(shell: Shell, path: &str) {
    let mut generated = Vec::new();
    generate(shell, &mut command(), "importctl", &mut generated);
    let path = installed(path);
    if std::env::var_os("IMPORTD_UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(&path).unwrap().write_all(&generated).unwrap();
    }
    let kept = fs::read(&path).unwrap_or_default();
    assert!(
        kept == generated,
        "{} is out of date, run the tests with IMPORTD_UPDATE=1",
        path.display()
    );
}

#[test]
fn completions_of_bash_are_up_to_date() {
    check(Shell::Bash, "bash-completion/completions/importctl");
}

#[test]
fn completions_of_zsh_are_up_to_date() {
    check(Shell::Zsh, "zsh/site-functions/_importctl");
}

#[test]
fn completions_of_fish_are_up_to_date() {
    check(Shell::Fish, "fish/vendor_completions.d/importctl.fish");
}
