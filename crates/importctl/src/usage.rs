//! `--help`, `--version` and `--introspect-cli`, all from the definitions in `args` and `verb`.

use crate::args;
use crate::verb::{ROWS, Verb};
use clap::Arg;
use importd_api::introspection::{Described, Document, Program};
use serde::Serialize;

/// Column at which descriptions begin.
const INDENT: usize = 26;
/// Columns of the help.
const WIDTH: usize = 80;
/// What the program is for.
const ABOUT: &str = "Download, import and export images of machines, services and extensions.";

/// The help.
pub(crate) fn help() -> String {
    let mut text = format!("Usage: importctl [OPTION…] COMMAND …\n\n{ABOUT}\n\nCommands:\n");
    for row in ROWS {
        push_row(&mut text, &format!("  {}", row.synopsis()), row.about);
    }
    text += "\nOptions:\n";
    let command = args::command();
    for option in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
        let about = option.get_help().map(ToString::to_string);
        push_row(&mut text, &label(option), &about.unwrap_or_default());
    }
    text += "\nSee importctl(1) for details.\n";
    text
}

/// The version.
pub(crate) fn version() -> String {
    format!("{}\n", importd_api::VERSION)
}

fn label(option: &Arg) -> String {
    let short = option.get_short().map(|letter| format!("-{letter}"));
    let mut text = format!("  {:2}", short.unwrap_or_default());
    if let Some(long) = option.get_long() {
        text += &format!(" --{long}");
        if let Some(value) = value_name(option) {
            text += &format!("={value}");
        }
    }
    text
}

fn value_name(option: &Arg) -> Option<&str> {
    if !option.get_action().takes_values() {
        return None;
    }
    option.get_value_names()?.first().map(|name| name.as_str())
}

/// A label, and what it means beside it, broken at blanks.
fn push_row(text: &mut String, label: &str, about: &str) {
    let mut line = format!("{label:<width$}", width = INDENT - 1);
    if label.chars().count() >= INDENT {
        text.push_str(label);
        text.push('\n');
        line = " ".repeat(INDENT - 1);
    }
    for word in about.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = " ".repeat(INDENT - 1);
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerbEntry {
    names: [&'static str; 1],
    r#abstract: &'static str,
    /// Counts the verb itself, as the reference does; absent where nothing has to follow it.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_arguments: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_arguments: Option<usize>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_default: bool,
}

/// The command line as one line of JSON.
///
/// # Errors
/// None in practice: everything in it is text and numbers.
pub(crate) fn introspection() -> anyhow::Result<String> {
    let command = args::command();
    let options = command.get_arguments().map(|option| {
        let names = (option.get_short(), option.get_long());
        let help = option.get_help().map(ToString::to_string);
        Described::new(names, value_name(option), help)
    });
    let verbs = ROWS.iter().map(|row| VerbEntry {
        names: [row.name],
        r#abstract: row.about,
        min_arguments: Some(row.least() + 1).filter(|least| *least > 1),
        max_arguments: row.most().map(|most| most + 1),
        is_default: row.verb == Verb::ListTransfers,
    });
    let document = Document::from(Program {
        names: ["importctl"],
        project: "importd",
        version: env!("CARGO_PKG_VERSION"),
        features: [],
        r#abstract: vec![ABOUT.to_owned()],
        options: options.collect(),
        verbs: Some(verbs.collect()),
    });
    Ok(serde_json::to_string(&document)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_verb_and_option_within_80_columns() {
        let help = help();
        for row in ROWS {
            assert!(
                help.contains(&format!("\n  {}", row.synopsis())),
                "{}",
                row.name
            );
        }
        for option in [
            "  -q --quiet ",
            "     --force ",
            "  -m  ",
            "--class=CLASS",
            "--standalone",
        ] {
            assert!(help.contains(option), "{option}: {help}");
        }
        assert!(!help.contains("introspect"));
        assert!(
            help.lines().all(|line| line.chars().count() <= WIDTH),
            "{help}"
        );
    }

    #[test]
    fn the_introspection_has_the_shape_of_the_reference() {
        let value: serde_json::Value = serde_json::from_str(&introspection().unwrap()).unwrap();
        let program = &value["commands"][0];
        assert_eq!(program["names"][0], "importctl");
        assert_eq!(program["verbs"].as_array().unwrap().len(), ROWS.len());
        let pull = &program["verbs"][0];
        assert_eq!(
            (&pull["minArguments"], &pull["maxArguments"]),
            (&2.into(), &3.into())
        );
        let default = &program["verbs"][8];
        assert!(default.get("minArguments").is_none());
        assert_eq!(
            (&default["names"][0], &default["isDefault"]),
            (&"list-transfers".into(), &true.into())
        );
        let options = program["options"].as_array().unwrap();
        let class = options.iter().find(|o| o["names"][0] == "--class").unwrap();
        assert_eq!(class["argument"], "required_argument");
        assert_eq!(class["metavar"], "CLASS");
    }
}
