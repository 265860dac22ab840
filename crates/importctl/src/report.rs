//! Failures, and how they are told: one line for people, one object under `--json`.

use importd_api::bus;
use importd_api::failure::Kind;
use serde::Serialize;
use std::fmt;
use std::io::{self, Write};

/// Code of a command line that cannot be.
pub(crate) const USAGE: &str = "usage";
/// Code of a bus or a service that cannot be reached.
pub(crate) const NO_SERVICE: &str = "no-service";
/// Code of a service that went away before the transfer's end.
pub(crate) const SERVICE_LOST: &str = "service-lost";
/// Code of a transfer that failed for a reason only its log knows.
pub(crate) const TRANSFER_FAILED: &str = "transfer-failed";
/// Code of a transfer that was cancelled.
pub(crate) const TRANSFER_CANCELLED: &str = "transfer-cancelled";
/// Code of a wait that was given up while the transfer goes on.
pub(crate) const DETACHED: &str = "detached";
/// Code of a signal that ended the wait.
pub(crate) const INTERRUPTED: &str = "interrupted";
/// Code of a permission that has to be asked for, where nobody can be asked.
pub(crate) const AUTHORIZATION_REQUIRED: &str = "authorization-required";
/// Code of everything that has none of its own.
const FAILED: &str = "failed";

/// A failure with a code that stays the same from version to version.
#[derive(Debug)]
pub(crate) struct Failure {
    code: &'static str,
    message: String,
    /// What to do next.
    hint: Option<&'static str>,
    told: bool,
}

impl Failure {
    /// A failure that nobody has heard of yet.
    pub(crate) fn coded(code: &'static str, message: impl Into<String>) -> anyhow::Error {
        Self::hinted(code, message, None)
    }

    /// As [`Failure::coded`], with what to do next.
    pub(crate) fn hinted(
        code: &'static str,
        message: impl Into<String>,
        hint: Option<&'static str>,
    ) -> anyhow::Error {
        anyhow::Error::new(Self {
            code,
            message: message.into(),
            hint,
            told: false,
        })
    }

    /// A failure whose message has been printed: people need no second line but the hint, `--json`
    /// does.
    pub(crate) fn told(
        code: &'static str,
        message: impl Into<String>,
        hint: Option<&'static str>,
    ) -> anyhow::Error {
        anyhow::Error::new(Self {
            code,
            message: message.into(),
            hint,
            told: true,
        })
    }

    /// A command line that cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
        Self::coded(USAGE, message)
    }

    /// A failed system call: what was tried, and the system's reason.
    pub(crate) fn io(doing: &str, error: &io::Error) -> anyhow::Error {
        let kind = error.raw_os_error().map_or(Kind::Io, Kind::from_errno);
        Self::coded(kind.code(), format!("{doing}: {}", reason(error)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The system's words for an error, without the number that `std` adds.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// The code of an error that came over the bus.
pub(crate) fn bus_code(name: &str) -> &'static str {
    match name {
        "org.freedesktop.DBus.Error.ServiceUnknown"
        | "org.freedesktop.DBus.Error.NameHasNoOwner"
        | "org.freedesktop.DBus.Error.Spawn.ServiceNotFound" => NO_SERVICE,
        "org.freedesktop.DBus.Error.NoReply" => SERVICE_LOST,
        "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired" => AUTHORIZATION_REQUIRED,
        // A number that means something else when a worker reports it.
        bus::ERROR_TRANSFERS_MAX => Kind::TooMany.code(),
        _ => Kind::ALL
            .iter()
            .find(|kind| kind.bus_error() == name)
            .map_or(FAILED, |kind| kind.code()),
    }
}

/// The code of an errno that a worker reported.
pub(crate) fn errno_code(errno: i32) -> &'static str {
    Kind::ALL
        .iter()
        .find(|kind| kind.errno() == errno)
        .map_or_else(|| Kind::from_errno(errno).code(), |kind| kind.code())
}

/// The code of a failure that a service has named; `None` for a word that we do not know.
pub(crate) fn known_code(word: &str) -> Option<&'static str> {
    let mut codes = Kind::ALL.iter().map(|kind| kind.code());
    codes.find(|code| *code == word)
}

/// How the end of a program is told on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Failures as a line.
    Line,
    /// Failures as one object, under `--json=`.
    Object,
    /// The result of a transfer as the last of its objects, under `--progress=json`.
    Result {
        /// The transfer's number, if the service ran it.
        id: Option<u32>,
    },
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

/// The last line under `--progress=json`.
#[derive(Serialize)]
struct End<'a> {
    r#type: &'a str,
    id: Option<u32>,
    result: &'a str,
    /// Code of the failure.
    kind: Option<&'a str>,
    reason: Option<&'a str>,
}

/// Tells a failure.
///
/// # Errors
/// Those of `out`.
pub(crate) fn tell(error: &anyhow::Error, form: Form, out: &mut dyn Write) -> io::Result<()> {
    let failure = error.downcast_ref::<Failure>();
    let message = format!("{error:#}");
    let code = failure.map_or(FAILED, |failure| failure.code);
    let hint = failure.and_then(|failure| failure.hint);
    let is_told = failure.is_some_and(|failure| failure.told);
    match (form, hint) {
        (Form::Object, hint) => {
            let error = Inner {
                code,
                message: &message,
                hint,
            };
            serde_json::to_writer(&mut *out, &Envelope { error })?;
            writeln!(out)
        }
        (Form::Result { id }, _) => {
            let result = match code {
                TRANSFER_CANCELLED => "canceled",
                DETACHED => "detached",
                _ => "failed",
            };
            write_end(id, result, Some((code, &message)), out)
        }
        (Form::Line, Some(hint)) if is_told => writeln!(out, "({hint})"),
        (Form::Line, None) if is_told => Ok(()),
        (Form::Line, Some(hint)) => {
            writeln!(out, "{} ({hint})", crate::screen::printable(&message))
        }
        (Form::Line, None) => writeln!(out, "{}", crate::screen::printable(&message)),
    }
}

/// Tells the success of a transfer, where that is told in words.
///
/// # Errors
/// Those of `out`.
pub(crate) fn tell_success(form: Form, out: &mut dyn Write) -> io::Result<()> {
    match form {
        Form::Result { id } => write_end(id, "done", None, out),
        Form::Line | Form::Object => Ok(()),
    }
}

fn write_end(
    id: Option<u32>,
    result: &str,
    why: Option<(&str, &str)>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let end = End {
        r#type: "result",
        id,
        result,
        kind: why.map(|(kind, _)| kind),
        reason: why.map(|(_, reason)| reason),
    };
    serde_json::to_writer(&mut *out, &end)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: &anyhow::Error, form: Form) -> String {
        let mut out = Vec::new();
        tell(error, form, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn people_get_one_line_and_machines_an_object_with_a_code() {
        let error = Failure::io("Failed to open /x", &io::Error::from_raw_os_error(2));
        assert_eq!(
            told(&error, Form::Line),
            "Failed to open /x: No such file or directory\n"
        );
        assert_eq!(
            told(&error, Form::Object),
            "{\"error\":{\"code\":\"not-found\",\
             \"message\":\"Failed to open /x: No such file or directory\"}}\n"
        );
    }

    #[test]
    fn what_was_told_is_not_told_twice_but_machines_still_hear_it() {
        let error = Failure::told(TRANSFER_FAILED, "It broke", None);
        assert_eq!(told(&error, Form::Line), "");
        assert!(told(&error, Form::Object).contains("\"transfer-failed\""));
    }

    #[test]
    fn bus_errors_and_errno_numbers_have_the_codes_of_the_table() {
        assert_eq!(
            bus_code("org.freedesktop.import1.NoSuchTransfer"),
            "no-such-transfer"
        );
        assert_eq!(
            bus_code("org.freedesktop.DBus.Error.ServiceUnknown"),
            "no-service"
        );
        assert_eq!(bus_code("System.Error.E2BIG"), "too-many-transfers");
        assert_eq!(errno_code(7), "size-limit");
        assert_eq!(bus_code("org.example.Other"), "failed");
        assert_eq!(errno_code(71), "archive");
        assert_eq!(errno_code(1), "denied");
    }

    #[test]
    fn a_message_cannot_steer_the_terminal() {
        let error = Failure::coded(FAILED, "a\x1b[2Jb\nc");
        assert_eq!(told(&error, Form::Line), "a\\u{1b}[2Jb\\nc\n");
    }

    #[test]
    fn a_hint_says_what_to_do_next_and_is_no_part_of_the_message() {
        let error = Failure::hinted("exists", "It is there", Some("do that"));
        assert_eq!(told(&error, Form::Line), "It is there (do that)\n");
        assert_eq!(
            told(&error, Form::Object),
            "{\"error\":{\"code\":\"exists\",\"message\":\"It is there\",\"hint\":\"do that\"}}\n"
        );
        let error = Failure::told("exists", "It is there", Some("do that"));
        assert_eq!(told(&error, Form::Line), "(do that)\n");
    }

    #[test]
    fn results_have_the_same_keys_whatever_they_are() {
        let mut out = Vec::new();
        tell_success(Form::Result { id: Some(3) }, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"type\":\"result\",\"id\":3,\"result\":\"done\",\"kind\":null,\"reason\":null}\n"
        );
        for (code, result) in [
            (TRANSFER_CANCELLED, "canceled"),
            (DETACHED, "detached"),
            ("corrupt", "failed"),
        ] {
            assert_eq!(
                told(&Failure::told(code, "why", None), Form::Result { id: None }),
                format!(
                    "{{\"type\":\"result\",\"id\":null,\"result\":\"{result}\",\
                     \"kind\":\"{code}\",\"reason\":\"why\"}}\n"
                )
            );
        }
    }
}
