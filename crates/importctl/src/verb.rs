//! The verbs: what each is called and takes.

use crate::report::Failure;
use crate::spelling;
use importd_api::job::Kind;
use std::ffi::{OsStr, OsString};

/// What importctl can be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Start a transfer.
    Transfer(Kind),
    /// Explain what a download would be proven by.
    Verify,
    /// List running transfers.
    ListTransfers,
    /// End transfers.
    CancelTransfer,
    /// List images.
    ListImages,
    /// Remove kept downloads.
    Clean,
    /// Show the help.
    Help,
}

/// What an argument names; completions offer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// An image.
    Image,
    /// A running transfer.
    Transfer,
    /// Something that no shell can list.
    Other,
}

/// An argument of a verb.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand {
    /// Its name in the help.
    pub(crate) name: &'static str,
    /// What it names.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "the completions are made by a test, see completions.rs"
        )
    )]
    pub(crate) names: Names,
    /// Whether it must be given.
    pub(crate) required: bool,
    /// Whether it may be given more than once.
    pub(crate) many: bool,
}

/// A verb as users see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The verb.
    pub(crate) verb: Verb,
    /// Its name.
    pub(crate) name: &'static str,
    /// Its arguments.
    pub(crate) operands: &'static [Operand],
    /// What it does.
    pub(crate) about: &'static str,
}

const fn required(name: &'static str, names: Names) -> Operand {
    Operand {
        name,
        names,
        required: true,
        many: false,
    }
}

const fn optional(name: &'static str, names: Names) -> Operand {
    Operand {
        name,
        names,
        required: false,
        many: false,
    }
}

const NAME: Operand = optional("NAME", Names::Other);
const PULL: &[Operand] = &[required("URL", Names::Other), NAME];
const IMPORT: &[Operand] = &[required("FILE", Names::File), NAME];
const EXPORT: &[Operand] = &[
    required("NAME", Names::Image),
    optional("FILE", Names::File),
];

const fn transfer(kind: Kind, operands: &'static [Operand], about: &'static str) -> Row {
    Row {
        verb: Verb::Transfer(kind),
        name: kind.as_str(),
        operands,
        about,
    }
}

/// All verbs, in the order of the help.
pub(crate) const ROWS: [Row; 17] = [
    transfer(Kind::PullTar, PULL, "Download an archive as a tree image"),
    transfer(Kind::PullRaw, PULL, "Download a disk image"),
    transfer(
        Kind::PullOci,
        &[required("REF", Names::Other), NAME],
        "Download an OCI container image",
    ),
    transfer(Kind::ImportTar, IMPORT, "Import an archive as a tree image"),
    transfer(Kind::ImportRaw, IMPORT, "Import a disk image"),
    transfer(
        Kind::ImportFs,
        &[required("DIRECTORY", Names::Folder), NAME],
        "Import a directory as a tree image",
    ),
    transfer(Kind::ExportTar, EXPORT, "Write a tree image as an archive"),
    transfer(Kind::ExportRaw, EXPORT, "Write a disk image to a file"),
    Row {
        verb: Verb::ListTransfers,
        name: "list-transfers",
        operands: &[],
        about: "List running transfers (default)",
    },
    Row {
        verb: Verb::CancelTransfer,
        name: "cancel-transfer",
        operands: &[Operand {
            name: "ID",
            names: Names::Transfer,
            required: true,
            many: true,
        }],
        about: "End transfers before they are done",
    },
    Row {
        verb: Verb::ListImages,
        name: "list-images",
        operands: &[],
        about: "List installed images",
    },
    Row {
        verb: Verb::Help,
        name: "help",
        operands: &[],
        about: "Show this help",
    },
    // Behind the reference's own, which suggestions for a mistake prefer.
    Row {
        verb: Verb::Verify,
        name: "verify",
        operands: &[required("URL", Names::Other), optional("FILE", Names::File)],
        about: "Explain what a download would be proven by, compare a file with it",
    },
    Row {
        verb: Verb::Clean,
        name: "clean",
        operands: &[Operand {
            name: "URL|NAME",
            names: Names::Other,
            required: false,
            many: true,
        }],
        about: "Remove kept downloads",
    },
    transfer(
        Kind::ImportOci,
        &[required("FILE|DIRECTORY", Names::File), NAME],
        "Import an OCI image from a layout or an archive",
    ),
    transfer(Kind::ExportOci, EXPORT, "Write an image as an OCI image"),
    transfer(
        Kind::PushOci,
        &[
            required("NAME", Names::Image),
            required("REF", Names::Other),
        ],
        "Send an image to an OCI registry",
    ),
];

impl Row {
    /// Fewest arguments.
    pub(crate) fn least(&self) -> usize {
        self.operands.iter().filter(|o| o.required).count()
    }

    /// Most arguments; `None` if there is no limit.
    pub(crate) fn most(&self) -> Option<usize> {
        let unlimited = self.verb == Verb::Help || self.operands.iter().any(|o| o.many);
        (!unlimited).then_some(self.operands.len())
    }

    /// The verb with its arguments, as the help shows it.
    pub(crate) fn synopsis(&self) -> String {
        let mut text = self.name.to_owned();
        for operand in self.operands {
            let more = if operand.many { "…" } else { "" };
            text += &match operand.required {
                true => format!(" {}{more}", operand.name),
                false => format!(" [{}{more}]", operand.name),
            };
        }
        text
    }
}

/// The verb that the words name, and its arguments; without words it is `list-transfers`.
///
/// # Errors
/// A usage failure for an unknown verb or a wrong number of arguments.
pub(crate) fn resolve(words: &[OsString]) -> anyhow::Result<(Verb, &[OsString])> {
    let Some((name, arguments)) = words.split_first() else {
        return Ok((Verb::ListTransfers, &[]));
    };
    let row = ROWS
        .iter()
        .find(|row| OsStr::new(row.name) == name)
        .ok_or_else(|| Failure::usage(unknown(&name.to_string_lossy())))?;
    if arguments.len() < row.least() {
        return Err(Failure::usage("Too few arguments."));
    }
    if row.most().is_some_and(|most| arguments.len() > most) {
        return Err(Failure::usage("Too many arguments."));
    }
    Ok((row.verb, arguments))
}

fn unknown(name: &str) -> String {
    match nearest(name) {
        Some(near) => format!("Unknown command verb '{name}', did you mean '{near}'?"),
        None => format!("Unknown command verb '{name}'."),
    }
}

/// Most single-letter changes between a mistake and what may have been meant.
const DISTANCE_MAX: usize = 5;

/// The verb that begins with the text, else the one that differs least.
fn nearest(text: &str) -> Option<&'static str> {
    let names = ROWS.iter().map(|row| row.name);
    let continued = names
        .clone()
        .filter(|name| !text.is_empty() && name.starts_with(text))
        .min_by_key(|name| name.len());
    continued.or_else(|| {
        names
            .map(|name| (spelling::distance(text, name), name))
            .min_by_key(|(distance, _)| *distance)
            .filter(|(distance, _)| *distance <= DISTANCE_MAX)
            .map(|(_, name)| name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn refusal(line: &str) -> String {
        resolve(&words(line)).unwrap_err().to_string()
    }

    #[test]
    fn every_kind_of_transfer_has_its_verb_and_no_verb_lists() {
        for kind in Kind::ALL {
            let line = words(&format!("{kind} x y"));
            assert_eq!(resolve(&line).unwrap().0, Verb::Transfer(kind));
        }
        assert_eq!(resolve(&[]).unwrap().0, Verb::ListTransfers);
        let line = words("cancel-transfer 1 2 3 4");
        assert_eq!(resolve(&line).unwrap().1.len(), 4);
        assert!(resolve(&words("help a b c d")).is_ok());
    }

    #[test]
    fn arguments_are_counted() {
        for line in ["pull-tar", "export-raw", "verify", "cancel-transfer"] {
            assert_eq!(refusal(line), "Too few arguments.", "{line}");
        }
        for line in [
            "pull-tar a b c",
            "verify a b c",
            "list-transfers x",
            "list-images x",
        ] {
            assert_eq!(refusal(line), "Too many arguments.", "{line}");
        }
    }

    #[test]
    fn unknown_verbs_get_the_suggestion_of_the_reference() {
        for (typed, near) in [
            ("impor-tar", "import-tar"),
            ("importtar", "import-tar"),
            ("list", "list-images"),
            ("list-tr", "list-transfers"),
            ("list-image", "list-images"),
            ("xyzzy", "help"),
            ("-", "help"),
        ] {
            assert_eq!(
                refusal(typed),
                format!("Unknown command verb '{typed}', did you mean '{near}'?")
            );
        }
        assert_eq!(
            refusal("abcdefghijklmnopqrst"),
            "Unknown command verb 'abcdefghijklmnopqrst'."
        );
    }
}
