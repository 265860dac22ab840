//! `--introspect-cli`: the command line as one line of JSON, for tools that complete or check it.
//!
//! # Source
//! What systemd 262 prints, `application/vnd.io.systemd.cli-introspection-0`.

use super::Verb;
use clap::{Arg, ArgAction, Command};
use importd_api::introspection::{MEDIA_TYPE, PROJECT, RELEASE};
use serde_json::{Map, Value, json};

/// One line that describes a program.
pub(super) fn describe(
    command: &Command,
    verbs: &[Verb],
    word_count: fn(&str) -> (usize, Option<usize>),
) -> String {
    let verbs = verbs.iter().map(|verb| {
        let (least, most) = word_count(verb.name);
        let mut described = json!({
            "names": [verb.name],
            "abstract": [verb.about],
            "minArguments": least,
        });
        if let Some(most) = most {
            described["maxArguments"] = most.into();
        }
        described
    });
    let options = command
        .get_arguments()
        .filter(|option| !option.is_positional());
    let about = command.get_about().map(ToString::to_string);
    let program = json!({
        "names": [command.get_name()],
        "project": PROJECT,
        "version": RELEASE,
        "features": [],
        "abstract": about.into_iter().collect::<Vec<_>>(),
        "options": options.map(option).collect::<Vec<_>>(),
        "verbs": verbs.chain([json!({"names": ["help"]})]).collect::<Vec<_>>(),
    });
    format!(
        "{}\n",
        json!({"mediaType": MEDIA_TYPE, "commands": [program]})
    )
}

fn option(option: &Arg) -> Value {
    let short = option.get_short().map(|name| format!("-{name}"));
    let long = option.get_long().map(|name| format!("--{name}"));
    let takes_value = matches!(option.get_action(), ArgAction::Set | ArgAction::Append);
    let argument = if takes_value {
        "required_argument"
    } else {
        "no_argument"
    };
    let mut described = Map::new();
    let names: Vec<_> = short.into_iter().chain(long).collect();
    described.insert("names".into(), names.into());
    described.insert("argument".into(), argument.into());
    if let (true, Some([name, ..])) = (takes_value, option.get_value_names()) {
        described.insert("metavar".into(), name.as_str().into());
    }
    if let (false, Some(help)) = (option.is_hide_set(), option.get_help()) {
        described.insert("help".into(), help.to_string().into());
    }
    described.into()
}
