//! `systemd-export`: see [`importd_transfer::cli::export`].

#![forbid(unsafe_code)]

use importd_transfer::cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run::<cli::export::Arguments>()
}
