//! Long output goes through a pager, as that of all of systemd's tools: `$SYSTEMD_PAGER`,
//! `$PAGER`, less(1).
//!
//! A pager can start other programs and write files for whoever sits before it. Where that person
//! may have fewer rights than we have (sudo and its kin), only a pager that can be told to do
//! neither is started, and is told so.

use crate::signals::Spared;
use crate::system;
use std::env;
use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};

/// Options of less: end if one screen is enough, keep colours, cut long lines, leave the screen as
/// it is, show more than a mark of the search, end at C-c.
const LESS_DEFAULT: &str = "FRSXMK";
/// Pagers to try, best first.
const PAGERS: [&str; 3] = ["pager", "less", "more"];
/// The one that has a secure mode.
const SECURE_PAGER: &str = "less";
/// Values of `$SYSTEMD_PAGER` and `$PAGER` that mean none.
const NONE: [&str; 2] = ["", "cat"];

/// What the environment says of pagers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variables {
    /// `$SYSTEMD_PAGER`, else `$PAGER`.
    pager: Option<String>,
    /// `$SYSTEMD_LESS`
    less: Option<String>,
    /// `$SYSTEMD_LESSCHARSET`
    charset: Option<String>,
    /// `$SYSTEMD_PAGERSECURE`: whether the pager is a border between rights; `None` if it is not
    /// said, and what is no boolean counts as yes.
    secure: Option<bool>,
    /// Whether we act for somebody who may have fewer rights.
    elevated: bool,
    /// Whether texts are UTF-8, by the locale.
    utf8: bool,
}

impl Variables {
    /// Reads them.
    pub(crate) fn read() -> Self {
        let text = |name: &str| env::var(name).ok();
        let secure = text("SYSTEMD_PAGERSECURE").map(|text| {
            !matches!(
                text.to_ascii_lowercase().as_str(),
                "0" | "no" | "n" | "false" | "f" | "off"
            )
        });
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .filter_map(text)
            .find(|value| !value.is_empty());
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Self {
            pager: text("SYSTEMD_PAGER").or_else(|| text("PAGER")),
            less: text("SYSTEMD_LESS"),
            charset: text("SYSTEMD_LESSCHARSET"),
            secure,
            elevated: env::var_os("SUDO_UID").is_some() || system::is_for_another(),
            utf8: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    /// The command lines to try, in order; none if there is to be no pager.
    fn candidates(&self) -> Vec<Vec<&str>> {
        let words: Option<Vec<&str>> = self
            .pager
            .as_deref()
            .map(|text| text.split_whitespace().collect());
        if let Some(words) = &words {
            let first = words.first().copied().unwrap_or_default();
            if NONE.contains(&first) && words.len() <= 1 {
                return Vec::new();
            }
        }
        // Whoever says how secure it is to be has thought of the pager too.
        let chosen = words.filter(|_| self.secure.is_some());
        let known = PAGERS
            .into_iter()
            .filter(|pager| !self.is_secure() || *pager == SECURE_PAGER);
        chosen
            .into_iter()
            .chain(known.map(|pager| vec![pager]))
            .collect()
    }

    fn is_secure(&self) -> bool {
        self.secure.unwrap_or(self.elevated)
    }

    /// The command for a candidate, told how to behave.
    fn command(&self, line: &[&str]) -> Option<Command> {
        let (program, arguments) = line.split_first()?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("LESS", self.less.as_deref().unwrap_or(LESS_DEFAULT))
            .stdin(Stdio::piped());
        match (&self.charset, self.utf8) {
            (Some(charset), _) => command.env("LESSCHARSET", charset),
            (None, true) => command.env("LESSCHARSET", "utf-8"),
            (None, false) => &mut command,
        };
        match self.is_secure() {
            true => command.env("LESSSECURE", "1"),
            false => command.env_remove("LESSSECURE"),
        };
        Some(command)
    }
}

/// Shows a text on standard output: through a pager if that is a terminal and `wanted` is set. The
/// pager's end is waited for, and so long C-c is the pager's.
///
/// # Errors
/// Those of writing where there is no pager. That somebody has read enough is none.
pub(crate) fn show(
    text: &str,
    wanted: bool,
    dumb: bool,
    variables: &Variables,
) -> anyhow::Result<()> {
    if wanted && !dumb && io::stdout().is_terminal() {
        let spared = Spared::new()?;
        for line in variables.candidates() {
            let started = variables.command(&line).map(|mut command| command.spawn());
            let Some(Ok(mut child)) = started else {
                continue;
            };
            if let Some(mut input) = child.stdin.take() {
                #[expect(
                    clippy::let_underscore_must_use,
                    reason = "whoever ends the pager has read enough"
                )]
                let _ = input.write_all(text.as_bytes());
            }
            #[expect(
                clippy::let_underscore_must_use,
                reason = "what a pager makes of it is between it and its reader"
            )]
            let _ = child.wait();
            drop(spared);
            return Ok(());
        }
    }
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        // Whoever read, as `head`, has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(crate::report::Failure::io(
            "Failed to write to standard output",
            &error,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(variables: &Variables) -> Vec<String> {
        let lines = variables.candidates();
        lines.iter().map(|words| words.join(" ")).collect()
    }

    fn environment(variables: &Variables) -> Vec<(String, Option<String>)> {
        let command = variables.command(&["less"]).unwrap();
        let text = |text: &std::ffi::OsStr| text.to_str().unwrap().to_owned();
        let mut pairs: Vec<_> = command
            .get_envs()
            .map(|(name, value)| (text(name), value.map(text)))
            .collect();
        pairs.sort();
        pairs
    }

    #[test]
    fn a_pager_of_the_environment_is_taken_only_where_security_was_thought_of() {
        let all = ["pager", "less", "more"];
        for (pager, secure, elevated, expected) in [
            (None, None, false, all.as_slice()),
            (None, None, true, &["less"]),
            (Some("mine -x"), None, false, &all),
            (Some("mine -x"), None, true, &["less"]),
            (
                Some("mine -x"),
                Some(false),
                true,
                &["mine -x", "pager", "less", "more"],
            ),
            (Some("mine"), Some(true), false, &["mine", "less"]),
            (Some(""), None, true, &[]),
            (Some("cat"), None, false, &[]),
            (Some(" "), Some(true), false, &[]),
        ] {
            let variables = Variables {
                pager: pager.map(str::to_owned),
                secure,
                elevated,
                ..Variables::default()
            };
            assert_eq!(tried(&variables), expected, "{variables:?}");
        }
    }

    #[test]
    fn the_pager_is_told_how_to_behave() {
        let pair = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        let found = environment(&Variables::default());
        assert_eq!(
            found,
            [pair("LESS", Some("FRSXMK")), pair("LESSSECURE", None)]
        );
        let found = environment(&Variables {
            less: Some("R".into()),
            elevated: true,
            utf8: true,
            ..Variables::default()
        });
        assert_eq!(
            found,
            [
                pair("LESS", Some("R")),
                pair("LESSCHARSET", Some("utf-8")),
                pair("LESSSECURE", Some("1"))
            ]
        );
    }
}
