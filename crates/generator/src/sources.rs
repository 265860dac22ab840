//! What was asked for: the kernel command line and the credential `import.pull`.
//!
//! What cannot be read is told and left out: the rest is still done, as by the reference.

use crate::command_line::Setting;
use crate::decrypt::decrypt;
use crate::environment::{CommandLine, Environment};
use crate::input;
use crate::log::{Level, Log};
use anyhow::{Context, bail};
use std::io;
use std::path::Path;

/// Key of an expression, may be given many times.
const PULL: &str = "systemd.pull";
/// Key of what happens once a download is there.
const SUCCESS_ACTION: &str = "systemd.pull.success_action";
/// Key of what happens when a download failed.
const FAILURE_ACTION: &str = "systemd.pull.failure_action";

/// Name of the credential with one expression on each line.
const CREDENTIAL: &str = "import.pull";

/// Largest command line, in bytes. Kernels take 2 to 64 KiB; the arguments of a container's first
/// process can be longer, one of them as long as this.
const COMMAND_LINE_MAX: usize = 128 << 10;

/// Largest credential, in bytes: the limit that systemd.exec(5) sets for all of a unit's.
const CREDENTIAL_MAX: usize = 1 << 20;

/// Everything that was asked for, in the order in which it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `OPTIONS:LOCAL:REMOTE` each, not checked.
    pub(crate) expressions: Vec<String>,
    /// For all of them.
    pub(crate) actions: Actions,
}

/// What the manager does after a download: values of `SuccessAction=` and `FailureAction=`, of
/// letters, digits and `-` only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Actions {
    /// Once it is there.
    pub(crate) success: Option<String>,
    /// When it failed.
    pub(crate) failure: Option<String>,
}

impl Asked {
    /// Reads the command line, then the credential.
    pub(crate) fn read(environment: &Environment, log: &mut Log) -> Self {
        let mut asked = Self::default();
        match settings(environment) {
            Ok(settings) => settings.iter().for_each(|each| asked.take(each, log)),
            Err(error) => log.line(Level::Error, format_args!("{error:#}")),
        }
        match credential(environment) {
            Ok(credential) => asked.take_credential(&credential, log),
            Err(error) => log.line(Level::Error, format_args!("{error:#}")),
        }
        asked
    }

    fn take(&mut self, setting: &Setting, log: &mut Log) {
        let known = [PULL, SUCCESS_ACTION, FAILURE_ACTION];
        let Some(key) = known.into_iter().find(|key| setting.is(key)) else {
            return;
        };
        let value = setting.value.as_deref().map(str::from_utf8);
        let value = match value {
            Some(Ok(value)) => value,
            Some(Err(_)) => return warn(log, key, "its value is no UTF-8 text"),
            None => return warn(log, key, "it has no value"),
        };
        let action = match key {
            SUCCESS_ACTION => &mut self.actions.success,
            FAILURE_ACTION => &mut self.actions.failure,
            _ => return self.expressions.push(value.to_owned()),
        };
        if is_action(value) {
            *action = Some(value.to_owned());
        } else {
            warn(log, key, "its value is no action");
        }
    }

    fn take_credential(&mut self, text: &[u8], log: &mut Log) {
        for line in text.split(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
            match str::from_utf8(line).map(str::trim_ascii) {
                Ok(line) if line.is_empty() || line.starts_with('#') => {}
                Ok(line) => self.expressions.push(line.to_owned()),
                Err(_) => warn(log, CREDENTIAL, "a line is no UTF-8 text"),
            }
        }
    }
}

fn warn(log: &mut Log, key: &str, why: &str) {
    log.line(Level::Warning, format_args!("Ignored {key}: {why}"));
}

/// Whether a text may stand behind `SuccessAction=`. Which actions there are is the manager's
/// matter; here it must only be a single word, so that it cannot bring other settings along.
fn is_action(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.bytes().all(letter)
}

fn settings(environment: &Environment) -> anyhow::Result<Vec<Setting>> {
    let phase = environment.phase;
    let read = |path: &Path| {
        input::read_optional(path, COMMAND_LINE_MAX)
            .and_then(|line| line.ok_or_else(|| io::ErrorKind::NotFound.into()))
            .with_context(|| format!("Failed to read the command line {}", path.display()))
    };
    Ok(match &environment.command_line {
        CommandLine::Given(line) => Setting::from_line(line.as_encoded_bytes(), phase),
        CommandLine::Kernel(path) => Setting::from_line(&read(path)?, phase),
        CommandLine::FirstProcess(path) => Setting::from_arguments(&read(path)?, phase),
    })
}

/// The plain credential, else the encrypted one, else nothing.
fn credential(environment: &Environment) -> anyhow::Result<Vec<u8>> {
    if let Some(text) = in_folder(environment.credentials.as_deref())? {
        return Ok(text);
    }
    match environment.encrypted_credentials.as_deref() {
        Some(folder) if in_folder(Some(folder))?.is_some() => {
            decrypt(&folder.join(CREDENTIAL), CREDENTIAL, CREDENTIAL_MAX)
                .with_context(|| format!("Failed to decrypt the credential {CREDENTIAL}"))
        }
        _ => Ok(Vec::new()),
    }
}

fn in_folder(folder: Option<&Path>) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(folder) = folder else {
        return Ok(None);
    };
    if !folder.is_absolute() {
        bail!(
            "The folder of credentials is no absolute path: {}",
            folder.display()
        );
    }
    input::read_optional(&folder.join(CREDENTIAL), CREDENTIAL_MAX)
        .with_context(|| format!("Failed to read the credential {CREDENTIAL}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Phase;
    use crate::log::Target;

    fn log() -> Log {
        Log::open(Target::Nowhere, false)
    }

    fn from_line(line: &[u8]) -> Asked {
        let mut asked = Asked::default();
        for setting in Setting::from_line(line, Phase::Host) {
            asked.take(&setting, &mut log());
        }
        asked
    }

    #[test]
    fn expressions_add_up_and_the_last_action_holds() {
        let asked = from_line(
            b"quiet systemd.pull=a systemd.pull systemd.pull= systemd-pull=x systemd.pull=\xff \
              systemd.pull=b systemd.pull.success_action=reboot \
              systemd.pull.success-action=exit-force systemd.pull.failure_action",
        );
        assert_eq!(asked.expressions, ["a", "", "b"]);
        assert_eq!(asked.actions.success.as_deref(), Some("exit-force"));
        assert_eq!(asked.actions.failure, None);
    }

    #[test]
    fn actions_cannot_bring_other_settings_along() {
        for (value, expected) in [
            ("", true),
            ("soft-reboot", true),
            ("reboot\nExecStart=x", false),
            ("re boot", false),
            ("re%boot", false),
        ] {
            assert_eq!(is_action(value), expected, "{value}");
        }
    }

    #[test]
    fn lines_of_the_credential_are_trimmed_and_comments_skipped() {
        let mut asked = Asked::default();
        let text = b" a \r\n\n\t# c\n#\nb # d\0c\n\xff\n\"e\"";
        asked.take_credential(text, &mut log());
        assert_eq!(asked.expressions, ["a", "b # d", "c", "\"e\""]);
    }
}
