//! Options about what an image of OCI says of itself.

use super::environment::Environment;
use crate::error::{Error, Result};
use importd_api::failure::Kind;
use importd_api::oci::Tag;
use importd_formats::oci::compose::{Wishes, timestamp};

/// Most words of a command, variables of an environment: far beyond what a program is started with.
const WORDS_MAX: usize = 4096;

/// What an image of OCI says of itself.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ImageOptions {
    /// The program that is started: a word, given several times for more, or a JSON list
    #[arg(long, value_name = "WORD", action = clap::ArgAction::Append, allow_hyphen_values = true)]
    entrypoint: Vec<String>,
    /// Its arguments: a word, given several times for more, or a JSON list
    #[arg(long, value_name = "WORD", action = clap::ArgAction::Append, allow_hyphen_values = true)]
    cmd: Vec<String>,
    /// A variable of its environment; may be given several times
    #[arg(long, value_name = "NAME=VALUE", action = clap::ArgAction::Append)]
    env: Vec<String>,
    /// The user, and the group, that it runs as
    #[arg(long, value_name = "USER[:GROUP]")]
    run_as: Option<String>,
    /// The folder that it is started in
    #[arg(long, value_name = "PATH")]
    workdir: Option<String>,
}

impl ImageOptions {
    /// Whether any is given.
    pub(super) fn is_any(&self) -> bool {
        let lists = [&self.entrypoint, &self.cmd, &self.env];
        let texts = [&self.run_as, &self.workdir];
        lists.iter().any(|list| !list.is_empty()) || texts.iter().any(|text| text.is_some())
    }

    /// Refuses these options for other verbs.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] if one is given.
    pub(super) fn refuse(&self, verb: &str) -> Result<()> {
        match self.is_any() {
            true => Err(invalid(format!(
                "'{verb}' writes no image that says how it is started"
            ))),
            false => Ok(()),
        }
    }

    /// What they say, checked; the machine is not among it.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`].
    pub(super) fn wishes(&self, environment: &Environment) -> Result<Wishes> {
        if let Some(path) = self
            .workdir
            .as_deref()
            .filter(|path| !path.starts_with('/'))
        {
            let shown = path.escape_debug();
            return Err(invalid(format!(
                "--workdir= takes an absolute path: {shown}"
            )));
        }
        for assignment in &self.env {
            if !matches!(assignment.split_once('='), Some((name, _)) if !name.is_empty()) {
                let shown = assignment.escape_debug();
                return Err(invalid(format!("--env= takes NAME=VALUE: {shown}")));
            }
        }
        if self.env.len() > WORDS_MAX {
            return Err(invalid(format!("--env= can be given {WORDS_MAX} times")));
        }
        Ok(Wishes {
            platform: None,
            created: environment.source_date.and_then(timestamp),
            user: self.run_as.clone(),
            environment: self.env.clone(),
            entrypoint: words("entrypoint", &self.entrypoint)?,
            command: words("cmd", &self.cmd)?,
            working_directory: self.workdir.clone(),
        })
    }
}

/// Words, each its own option, or all in one as a JSON list.
fn words(option: &str, given: &[String]) -> Result<Option<Vec<String>>> {
    let words = match given {
        [] => return Ok(None),
        [list] if list.starts_with('[') => serde_json::from_str(list).map_err(|error| {
            let text = format!("Failed to parse the list of --{option}=");
            Error::caused(Kind::InvalidArgument, text, error)
        })?,
        words => words.to_vec(),
    };
    if words.len() > WORDS_MAX {
        return Err(invalid(format!("--{option}= takes {WORDS_MAX} words")));
    }
    Ok(Some(words))
}

/// A name in a layout, checked.
///
/// # Errors
/// [`Kind::InvalidArgument`].
///
/// # Source
/// OCI image specification, "Annotations", `org.opencontainers.image.ref.name`.
pub(super) fn tag(text: &str) -> Result<String> {
    match text.parse::<Tag>() {
        Ok(tag) => Ok(tag.as_str().to_owned()),
        Err(_invalid) => {
            let shown = text.escape_debug();
            Err(invalid(format!(
                "--tag= takes a name such as debian:13: {shown}"
            )))
        }
    }
}

fn invalid(text: String) -> Error {
    Error::new(Kind::InvalidArgument, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_options_or_one_list() {
        let owned =
            |words: &[&str]| -> Vec<String> { words.iter().map(ToString::to_string).collect() };
        for (given, expected) in [
            (&[][..], None),
            (&["/init"][..], Some(&["/init"][..])),
            (
                &["/bin/sh", "-c", "[ a ]"],
                Some(&["/bin/sh", "-c", "[ a ]"]),
            ),
            (
                &["[\"/bin/sh\", \"-c\", \"\"]"],
                Some(&["/bin/sh", "-c", ""]),
            ),
            (&["[]"], Some(&[])),
        ] {
            let words = words("cmd", &owned(given)).unwrap();
            assert_eq!(words, expected.map(owned), "{given:?}");
        }
        assert!(words("cmd", &owned(&["[1]"])).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let good = ImageOptions {
            env: vec!["A=".into()],
            workdir: Some("/".into()),
            ..ImageOptions::default()
        };
        let environment = Environment {
            source_date: Some(0),
            ..Environment::default()
        };
        let wishes = good.wishes(&environment).unwrap();
        assert_eq!(wishes.created.as_deref(), Some("1970-01-01T00:00:00Z"));
        assert!(good.is_any() && !ImageOptions::default().is_any());
        for bad in [
            ImageOptions {
                env: vec!["A".into()],
                ..good.clone()
            },
            ImageOptions {
                env: vec!["=A".into()],
                ..good.clone()
            },
            ImageOptions {
                workdir: Some("srv".into()),
                ..good.clone()
            },
        ] {
            assert_eq!(
                bad.wishes(&environment).unwrap_err().kind,
                Kind::InvalidArgument
            );
        }
        for (text, is_good) in [
            ("latest", true),
            ("r.example:5000/a/b:1", true),
            ("", false),
            ("-a", false),
            ("a b", false),
            ("a/", false),
            ("ä", false),
        ] {
            assert_eq!(tag(text).is_ok(), is_good, "{text}");
        }
    }
}
