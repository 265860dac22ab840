//! `systemd-pull`: see [`importd_transfer::cli::pull`].

#![forbid(unsafe_code)]

use importd_transfer::cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run::<cli::pull::Arguments>()
}
