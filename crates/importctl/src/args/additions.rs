//! The long options that we have and the original has not.

use clap::Command;
use importd_api::abbreviation::LongOption;

/// Long options that the original does not have.
const ADDITIONS: [&str; 22] = [
    "arch",
    "cmd",
    "connect-timeout",
    "connections",
    "dry-run",
    "entrypoint",
    "env",
    "flat",
    "image-root",
    "keep-partial",
    "limit-rate",
    "mirror",
    "older-than",
    "progress",
    "reset",
    "retries",
    "run-as",
    "stall-timeout",
    "standalone",
    "superseded",
    "tag",
    "workdir",
];

/// All long options of a command line, and which of them the original has.
pub(super) fn long_options(command: &Command) -> Vec<LongOption<'_>> {
    let options = command.get_arguments().filter_map(|option| {
        let name = option.get_long()?;
        Some(LongOption {
            name,
            takes_value: option.get_action().takes_values(),
            is_original: !ADDITIONS.contains(&name),
        })
    });
    options.collect()
}
