//! Abbreviated long options on command lines that have more options than the original's.
//!
//! getopt_long(3) takes any beginning of a long option that no other option has. Options that we add
//! must not take beginnings away that scripts may use: where an abbreviation fits one option of the
//! original, it means that one, whatever we have added.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A long option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongOption<'a> {
    /// Its name, without the dashes.
    pub name: &'a str,
    /// A value follows, behind `=` or as the next argument.
    pub takes_value: bool,
    /// The original has it too.
    pub is_original: bool,
}

/// Writes out abbreviations that fit one option of the original and some of ours. All else stays as it
/// is, values of options and what follows `--` too.
pub fn write_out(
    arguments: impl IntoIterator<Item = OsString>,
    options: &[LongOption<'_>],
) -> Vec<OsString> {
    let mut is_value = false;
    let mut is_over = false;
    let mut written = Vec::new();
    for argument in arguments {
        let long = argument.as_bytes().strip_prefix(b"--");
        let Some(long) = long.filter(|_| !is_value && !is_over) else {
            is_value = false;
            written.push(argument);
            continue;
        };
        is_over = long.is_empty();
        let end = long.iter().position(|byte| *byte == b'=');
        let (name, value) = long
            .split_at_checked(end.unwrap_or(long.len()))
            .unwrap_or((long, b""));
        match meant(name, options) {
            Some(option) => {
                is_value = option.takes_value && value.is_empty();
                let full = [b"--", option.name.as_bytes(), value].concat();
                written.push(OsString::from_vec(full));
            }
            None => written.push(argument),
        }
    }
    written
}

/// The option that a name means, if it is clear; what is not is left to whoever reads the line.
fn meant<'a>(name: &[u8], options: &[LongOption<'a>]) -> Option<LongOption<'a>> {
    let exact = options.iter().find(|option| option.name.as_bytes() == name);
    if let Some(exact) = exact {
        return Some(*exact);
    }
    if name.is_empty() {
        return None;
    }
    let fits = |option: &&LongOption<'_>| option.name.as_bytes().starts_with(name);
    let mut originals = options
        .iter()
        .filter(|option| option.is_original)
        .filter(fits);
    match (originals.next(), originals.next()) {
        (Some(only), None) => Some(*only),
        (Some(_), Some(_)) => None,
        (None, _) => {
            let mut ours = options.iter().filter(fits);
            ours.next().filter(|_| ours.next().is_none()).copied()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn option(name: &str, takes_value: bool, is_original: bool) -> LongOption<'_> {
        LongOption {
            name,
            takes_value,
            is_original,
        }
    }

    fn line(text: &str) -> String {
        let options = [
            option("direct", false, true),
            option("read-only", false, true),
            option("roothash", true, true),
            option("roothash-signature", true, true),
            option("depth-max", true, false),
            option("dry-run", false, false),
            option("retries", true, false),
        ];
        let arguments = text.split(' ').map(OsString::from);
        let written = write_out(arguments, &options);
        written.join(" ".as_ref()).into_string().unwrap()
    }

    #[test]
    fn the_originals_options_keep_their_abbreviations() {
        for (typed, written) in [
            ("--d --re x", "--direct --read-only x"),
            ("--dep 3", "--depth-max 3"),
            ("--ret=--d", "--retries=--d"),
            // Clear to nobody, and told so later.
            ("--r", "--r"),
            ("--nothing", "--nothing"),
            // Exact, though the beginning of another.
            ("--roothash --d", "--roothash --d"),
            ("--retries --d --d", "--retries --d --direct"),
            ("-d raw --d=1", "-d raw --direct=1"),
            ("--d -- --d", "--direct -- --d"),
            ("--", "--"),
        ] {
            assert_eq!(line(typed), written);
        }
    }
}
