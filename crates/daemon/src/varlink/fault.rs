//! Errors as they stand in a reply: a name, and what it says.

use crate::echo::echo;
use crate::refusal::Refusal;
use importd_api::failure::Kind;
use serde_json::{Value, json};

/// Error of `io.systemd.Import`: the same download is running, or the same image is in the making.
pub const ALREADY_IN_PROGRESS: &str = "io.systemd.Import.AlreadyInProgress";
/// Error of `io.systemd.Import`: the transfer was cancelled.
pub const CANCELLED: &str = "io.systemd.Import.TransferCancelled";
/// Error of `io.systemd.Import`: the transfer failed.
pub const FAILED: &str = "io.systemd.Import.TransferFailed";
/// Error of `io.systemd.Import`: there is none.
pub const NO_TRANSFERS: &str = "io.systemd.Import.NoTransfers";

/// An error reply to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Its name, with the interface.
    pub name: &'static str,
    /// What it says: an object.
    pub parameters: Option<Value>,
}

impl Fault {
    /// An error that says nothing beyond its name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            parameters: None,
        }
    }

    /// An error that says something.
    #[must_use]
    pub const fn with(name: &'static str, parameters: Value) -> Self {
        Self {
            name,
            parameters: Some(parameters),
        }
    }

    /// A parameter is missing, not known, or not what it has to be.
    #[must_use]
    pub fn parameter(name: &str) -> Self {
        let parameters = json!({"parameter": echo(name)});
        Self::with("org.varlink.service.InvalidParameter", parameters)
    }

    /// There is no such interface or method.
    #[must_use]
    pub fn unknown_method(method: &str) -> Self {
        let parameters = json!({"method": echo(method)});
        Self::with("org.varlink.service.MethodNotFound", parameters)
    }

    /// There is no such interface.
    #[must_use]
    pub fn unknown_interface(interface: &str) -> Self {
        let parameters = json!({"interface": echo(interface)});
        Self::with("org.varlink.service.InterfaceNotFound", parameters)
    }

    /// The method has several replies, and the call does not ask for them.
    #[must_use]
    pub const fn expected_more() -> Self {
        Self::new("org.varlink.service.ExpectedMore")
    }

    /// The caller may not do that.
    #[must_use]
    pub const fn denied() -> Self {
        Self::new("org.varlink.service.PermissionDenied")
    }

    /// A failure of the system, by the number of errno(3) and its name.
    #[must_use]
    pub fn system(errno: i32, name: &str) -> Self {
        let parameters = json!({"origin": "linux", "errno": errno, "errnoName": name});
        Self::with("io.systemd.System", parameters)
    }
}

/// What `io.systemd.Import` says to a request that is refused.
impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match &refusal {
            Refusal::Class(_) => Self::parameter("class"),
            Refusal::Name(_) => Self::parameter("local"),
            Refusal::Url(_) => Self::parameter("remote"),
            Refusal::Reference(_) => Self::parameter("reference"),
            Refusal::Architecture(_) => Self::parameter("architecture"),
            Refusal::Tag(_) => Self::parameter("tag"),
            Refusal::ResetWithoutForce => Self::parameter("reset"),
            Refusal::Verify(_) => Self::parameter("verify"),
            Refusal::Format(_) => Self::parameter("format"),
            Refusal::AddressInProgress(what) => {
                Self::with(ALREADY_IN_PROGRESS, json!({"remote": what}))
            }
            Refusal::ImageInProgress { name, .. } => {
                Self::with(ALREADY_IN_PROGRESS, json!({"remote": name}))
            }
            Refusal::Denied(_) | Refusal::NotGranted(_) | Refusal::NoPolkit(..) => Self::denied(),
            Refusal::NeedsInteraction => Self::new("io.systemd.InteractiveAuthenticationRequired"),
            Refusal::TooMany { .. } | Refusal::TooManyOfUser(_) => Self::system(7, "E2BIG"),
            Refusal::Stopping => Self::system(108, "ESHUTDOWN"),
            Refusal::TooManyQuestions | Refusal::TooManyLists => Self::system(11, "EAGAIN"),
            Refusal::NoSuchTransfer(_) | Refusal::NoId => Self::system(6, "ENXIO"),
            Refusal::Flags(_)
            | Refusal::Option(_)
            | Refusal::FileType
            | Refusal::NotFolder
            | Refusal::FileFlags => Self::system(22, "EINVAL"),
            Refusal::Descriptor(source)
            | Refusal::Start { source, .. }
            | Refusal::List { source, .. } => {
                let errno = source.raw_os_error().unwrap_or(Kind::Io.errno());
                Self::system(errno, errno_name(errno))
            }
        }
    }
}

/// Names of the numbers that starting a process and reading a folder fail with (errno(3)); of others
/// the number has to do.
fn errno_name(errno: i32) -> &'static str {
    match errno {
        1 => "EPERM",
        2 => "ENOENT",
        5 => "EIO",
        8 => "ENOEXEC",
        11 => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        20 => "ENOTDIR",
        22 => "EINVAL",
        23 => "ENFILE",
        24 => "EMFILE",
        28 => "ENOSPC",
        40 => "ELOOP",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::Action;
    use std::io;

    #[test]
    fn refusals_have_the_names_of_the_interface() {
        for (refusal, name, parameters) in [
            (
                Refusal::Name("a/b".into()),
                "org.varlink.service.InvalidParameter",
                Some(json!({"parameter": "local"})),
            ),
            (
                Refusal::AddressInProgress("http://h/x".into()),
                "io.systemd.Import.AlreadyInProgress",
                Some(json!({"remote": "http://h/x"})),
            ),
            (
                Refusal::Denied(Action::Pull),
                "org.varlink.service.PermissionDenied",
                None,
            ),
            (
                Refusal::NeedsInteraction,
                "io.systemd.InteractiveAuthenticationRequired",
                None,
            ),
            (
                Refusal::Start {
                    program: "/x".into(),
                    source: io::Error::from_raw_os_error(2),
                },
                "io.systemd.System",
                Some(json!({"origin": "linux", "errno": 2, "errnoName": "ENOENT"})),
            ),
        ] {
            let fault = Fault::from(refusal);
            assert_eq!((fault.name, fault.parameters), (name, parameters));
        }
    }

    #[test]
    fn what_is_repeated_of_the_callers_text_is_bounded() {
        let fault = Fault::parameter(&"x".repeat(1 << 20));
        assert!(fault.parameters.unwrap().to_string().len() < 2000);
    }
}
