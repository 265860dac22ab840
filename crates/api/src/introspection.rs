//! `--introspect-cli`: a command line as one line of JSON, for tools that complete or check it.
//!
//! # Source
//! What systemd 262 prints, `application/vnd.io.systemd.cli-introspection-0`.

use serde::Serialize;

/// What kind of object is printed.
pub const MEDIA_TYPE: &str = "application/vnd.io.systemd.cli-introspection-0";
/// What we stand in for, as `--version` says.
pub const PROJECT: &str = "systemd";
/// Which of its releases.
pub const RELEASE: &str = "262";

/// The object that is printed. `V` is a verb.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document<V> {
    media_type: &'static str,
    commands: [Program<V>; 1],
}

/// A program.
#[derive(Debug, Serialize)]
pub struct Program<V> {
    /// What it is called.
    pub names: [&'static str; 1],
    /// What it belongs to.
    pub project: &'static str,
    /// Which release of that.
    pub version: &'static str,
    /// What it was built with and without: nothing that could be left out.
    pub features: [&'static str; 0],
    /// What it is for.
    pub r#abstract: Vec<String>,
    /// Its options, in the order of the help.
    pub options: Vec<Described>,
    /// Its verbs; `None` for a program without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbs: Option<Vec<V>>,
}

/// An option.
#[derive(Debug, Serialize)]
pub struct Described {
    names: Vec<String>,
    argument: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    metavar: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl<V> From<Program<V>> for Document<V> {
    fn from(program: Program<V>) -> Self {
        Self {
            media_type: MEDIA_TYPE,
            commands: [program],
        }
    }
}

impl Described {
    /// An option by its letter, its name, or both; `value` is what its value is called, if it takes one.
    #[must_use]
    pub fn new(
        (letter, name): (Option<char>, Option<&str>),
        value: Option<&str>,
        help: Option<String>,
    ) -> Self {
        let letter = letter.map(|letter| format!("-{letter}"));
        let name = name.map(|name| format!("--{name}"));
        Self {
            names: letter.into_iter().chain(name).collect(),
            argument: match value {
                Some(_) => "required_argument",
                None => "no_argument",
            },
            metavar: value.map(str::to_owned),
            help,
        }
    }
}
