//! The daemon's command line, and what `--introspect-cli` says of it.
//!
//! # Source
//! systemd-importd.service(8); what systemd 262 prints, `application/vnd.io.systemd.cli-introspection-0`.

use clap::{Arg, ArgAction, CommandFactory, Parser};
use serde::Serialize;

/// What kind of object is printed.
const MEDIA_TYPE: &str = "application/vnd.io.systemd.cli-introspection-0";
/// What we stand in for, as `--version` says.
const PROJECT: &str = "systemd";
const RELEASE: &str = "262";

/// Import, export and download VM and container images.
#[derive(Debug, Parser)]
#[command(name = "systemd-importd")]
pub struct Arguments {
    /// Show the version
    #[arg(long)]
    pub version: bool,
    /// Serve the images of the system, on the system bus (default)
    #[arg(long, overrides_with = "user")]
    pub system: bool,
    /// Serve the images of the calling user, on the session bus
    #[arg(long)]
    pub user: bool,
    /// Print the D-Bus introspection of an object and exit; "list" names the objects
    #[arg(long, value_name = "PATH")]
    pub bus_introspect: Option<String>,
    /// Print a description of the command line as JSON and exit
    #[arg(long, hide = true)]
    pub introspect_cli: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    media_type: &'static str,
    commands: [Program; 1],
}

#[derive(Serialize)]
struct Program {
    names: [&'static str; 1],
    project: &'static str,
    version: &'static str,
    features: [String; 0],
    r#abstract: Vec<String>,
    options: Vec<Described>,
}

#[derive(Serialize)]
struct Described {
    names: Vec<String>,
    argument: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    metavar: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

/// What `--introspect-cli` prints: one line of JSON.
///
/// # Errors
/// None that can happen: there are no maps with other keys than text.
pub fn describe() -> Result<String, serde_json::Error> {
    let mut command = Arguments::command();
    command.build();
    let about = command.get_about().map(ToString::to_string);
    let program = Program {
        names: ["systemd-importd"],
        project: PROJECT,
        version: RELEASE,
        features: [],
        r#abstract: about.into_iter().collect(),
        options: command.get_arguments().map(option).collect(),
    };
    let description = Description {
        media_type: MEDIA_TYPE,
        commands: [program],
    };
    serde_json::to_string(&description).map(|text| text + "\n")
}

fn option(option: &Arg) -> Described {
    let takes_value = matches!(option.get_action(), ArgAction::Set | ArgAction::Append);
    let short = option.get_short().map(|name| format!("-{name}"));
    let long = option.get_long().map(|name| format!("--{name}"));
    let metavar = option.get_value_names().and_then(<[_]>::first);
    Described {
        names: short.into_iter().chain(long).collect(),
        argument: if takes_value {
            "required_argument"
        } else {
            "no_argument"
        },
        metavar: metavar.filter(|_| takes_value).map(ToString::to_string),
        help: option
            .get_help()
            .filter(|_| !option.is_hide_set())
            .map(ToString::to_string),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_names_every_option_with_what_it_takes() {
        let text = describe().unwrap();
        let found: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(found["mediaType"], MEDIA_TYPE);
        let program = &found["commands"][0];
        assert_eq!(program["names"][0], "systemd-importd");
        let options = program["options"].as_array().unwrap();
        let shown: Vec<String> = options
            .iter()
            .map(|option| {
                let metavar = option["metavar"].as_str().unwrap_or_default();
                format!(
                    "{}{metavar}",
                    option["names"].as_array().unwrap().last().unwrap()
                )
            })
            .collect();
        let expected = [
            "\"--version\"",
            "\"--system\"",
            "\"--user\"",
            "\"--bus-introspect\"PATH",
            "\"--introspect-cli\"",
            "\"--help\"",
        ];
        assert_eq!(shown, expected);
        assert_eq!(options[3]["argument"], "required_argument");
        assert!(options[4]["help"].is_null());
        assert_eq!(text.lines().count(), 1);
    }
}
