//! `systemd-import-fs`: see [`importd_transfer::cli::import_fs`].

#![forbid(unsafe_code)]

use importd_transfer::cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run::<cli::import_fs::Arguments>()
}
