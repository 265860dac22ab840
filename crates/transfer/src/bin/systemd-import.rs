//! `systemd-import`: see [`importd_transfer::cli::import`].

#![forbid(unsafe_code)]

use importd_transfer::cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run::<cli::import::Arguments>()
}
