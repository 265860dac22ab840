//! systemd-import-generator: units for the downloads asked for on the kernel command line and by
//! the credential `import.pull`, systemd-import-generator(8).
//!
//! `environment`: arguments and variables. `sources`, `command_line`, `origin`: what was asked for,
//! and where the machine was booted from. `generate`: from that to units. `unit`, `escape`, `write`:
//! one download as text, as files. `input`, `log`: files with a limit, lines for people.
//!
//! It asks no service, starts nothing but what decrypts a credential (`decrypt`), and one wrong request
//! never costs the others.

#![forbid(unsafe_code)]

mod command_line;
mod decrypt;
mod environment;
mod escape;
mod generate;
mod input;
mod log;
mod origin;
mod sources;
mod unit;
mod write;

use environment::Environment;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let environment = Environment::read(|name| std::env::var_os(name), Path::new("/"));
    let mut log = environment.open_log();
    let folder = environment::output_folder(std::env::args_os().skip(1));
    match folder.and_then(|folder| generate::run(&folder, &environment, &mut log)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => log.failed(&error),
    }
}
