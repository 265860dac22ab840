//! The daemon's command line, and what `--introspect-cli` says of it.
//!
//! # Source
//! systemd-importd.service(8); what systemd 262 prints, `application/vnd.io.systemd.cli-introspection-0`.

use clap::{Arg, ArgAction, CommandFactory, Parser};
use importd_api::introspection::{Described, Document, PROJECT, Program, RELEASE};

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
        verbs: None::<Vec<()>>,
    };
    serde_json::to_string(&Document::from(program)).map(|text| text + "\n")
}

fn option(option: &Arg) -> Described {
    let takes_value = matches!(option.get_action(), ArgAction::Set | ArgAction::Append);
    let metavar = option.get_value_names().and_then(<[_]>::first);
    let metavar = metavar.filter(|_| takes_value).map(|name| name.as_str());
    let help = option.get_help().filter(|_| !option.is_hide_set());
    let names = (option.get_short(), option.get_long());
    Described::new(names, metavar, help.map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_names_every_option_with_what_it_takes() {
        let text = describe().unwrap();
        let found: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            found["mediaType"],
            "application/vnd.io.systemd.cli-introspection-0"
        );
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
