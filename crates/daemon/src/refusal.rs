//! Why a request is refused: the text a caller reads and the name a program matches on.
//!
//! Names and texts are those of the reference wherever it has one; scripts and importctl show them.

use crate::authorize::Action;
use importd_api::class::{Class, UnknownClass};
use importd_api::failure::Kind;
use importd_api::flags::InvalidFlags;
use importd_api::format::UnknownFormat;
use importd_api::url::InvalidUrl;
use importd_api::verify::VerifyError;
use importd_api::{architecture, bus, oci};
use std::io;
use std::path::PathBuf;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The class is none of the four.
    #[error(transparent)]
    Class(#[from] UnknownClass),
    /// The flag word has a bit that the method does not know.
    #[error(transparent)]
    Flags(#[from] InvalidFlags),
    /// The image name cannot be one.
    #[error("Local image name {} is invalid", escape_control(.0))]
    Name(String),
    /// The address cannot be pulled from.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    /// The name of an OCI image cannot be one.
    #[error("Reference '{}' is invalid", escape_control(.0))]
    Reference(String),
    /// There is no such machine.
    #[error(transparent)]
    Architecture(#[from] architecture::Invalid),
    /// The name in a layout cannot be one.
    #[error(transparent)]
    Tag(#[from] oci::InvalidTag),
    /// An option of one of our own methods.
    #[error("Option '{}' is not known, or has the wrong type", escape_control(.0))]
    Option(String),
    /// What was changed in a stack can only go if the stack may be replaced.
    #[error("The option reset needs force")]
    ResetWithoutForce,
    /// The verification mode is none of the three.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The compression of the export is not known.
    #[error(transparent)]
    Format(#[from] UnknownFormat),
    /// The descriptor is of a kind that a worker cannot stream.
    #[error("Invalid argument")]
    FileType,
    /// The descriptor is not a folder.
    #[error("Not a directory")]
    NotFolder,
    /// The descriptor was opened in a way that a worker cannot rely on.
    #[error("Remote I/O error")]
    FileFlags,
    /// The descriptor cannot be examined.
    #[error("Failed to examine the file descriptor: {0}")]
    Descriptor(#[source] io::Error),
    /// The address is already being pulled by the same method.
    #[error("Transfer for {0} already in progress.")]
    AddressInProgress(String),
    /// Another transfer is about to make an image of that name.
    #[error("Transfer for image '{name}' of class '{class}' already in progress.")]
    ImageInProgress {
        /// The image's class.
        class: Class,
        /// The image's name.
        name: String,
    },
    /// All places for transfers are taken, and all in the queue.
    #[error("Too many transfers: {running} are running and {queued} waiting; try again later")]
    TooMany {
        /// How many run.
        running: usize,
        /// How many wait.
        queued: usize,
    },
    /// The caller has too many transfers in the queue.
    #[error("Too many transfers: {0} of yours are waiting; try again later")]
    TooManyOfUser(usize),
    /// Zero is no transfer's number.
    #[error("Invalid transfer id")]
    NoId,
    /// No transfer has that number, or it has ended.
    #[error("No transfer by id {0}")]
    NoSuchTransfer(u32),
    /// The caller may not do that.
    #[error("Access denied: {} needs root privileges", .0.gerund())]
    Denied(Action),
    /// polkit does not let the caller do that.
    #[error("Access denied: {} needs an authorization that polkit does not grant", .0.gerund())]
    NotGranted(Action),
    /// polkit would let the caller do that if a person said so.
    #[error("Interactive authentication required.")]
    NeedsInteraction,
    /// polkit cannot be asked whether the caller may do that.
    #[error("Access denied: {} needs root privileges; polkit, which could grant it, cannot be asked: {}", .0.gerund(), .1)]
    NoPolkit(Action, String),
    /// Too many callers wait for the answer whether they may.
    #[error("Too many requests are waiting for authorization")]
    TooManyQuestions,
    /// Too many lists of images are being made.
    #[error("Too many lists of images are being made")]
    TooManyLists,
    /// The daemon has been told to stop.
    #[error("The import service is shutting down")]
    Stopping,
    /// The worker program could not be started.
    #[error("Failed to start {program}: {source}", program = .program.display())]
    Start {
        /// The worker's path.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder of images could not be read.
    #[error("Failed to list images in {folder}: {source}", folder = .folder.display())]
    List {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Refusal {
    /// The name of the D-Bus error.
    #[must_use]
    pub fn bus_error(&self) -> &'static str {
        match self {
            Refusal::Class(_)
            | Refusal::Flags(_)
            | Refusal::Name(_)
            | Refusal::Url(_)
            | Refusal::Reference(_)
            | Refusal::Architecture(_)
            | Refusal::Tag(_)
            | Refusal::Option(_)
            | Refusal::ResetWithoutForce
            | Refusal::Verify(_)
            | Refusal::Format(_)
            | Refusal::FileType
            | Refusal::NoId => bus::ERROR_INVALID_ARGS,
            Refusal::NotFolder => Kind::NotDirectory.bus_error(),
            Refusal::FileFlags => bus::ERROR_DESCRIPTOR_FLAGS,
            Refusal::AddressInProgress(_) | Refusal::ImageInProgress { .. } => {
                Kind::InProgress.bus_error()
            }
            Refusal::TooMany { .. } | Refusal::TooManyOfUser(_) => bus::ERROR_TRANSFERS_MAX,
            Refusal::NoSuchTransfer(_) => Kind::NoSuchTransfer.bus_error(),
            Refusal::Denied(_) | Refusal::NotGranted(_) | Refusal::NoPolkit(..) => {
                Kind::Denied.bus_error()
            }
            Refusal::NeedsInteraction => bus::ERROR_INTERACTION_REQUIRED,
            Refusal::TooManyQuestions | Refusal::TooManyLists => Kind::TooMany.bus_error(),
            Refusal::Stopping => bus::ERROR_SHUTTING_DOWN,
            Refusal::Descriptor(source)
            | Refusal::Start { source, .. }
            | Refusal::List { source, .. } => kind_of(source).bus_error(),
        }
    }

    /// What kind of failure it is, where a system call failed.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Refusal::Descriptor(source)
            | Refusal::Start { source, .. }
            | Refusal::List { source, .. } => Some(kind_of(source)),
            _ => None,
        }
    }
}

fn kind_of(error: &io::Error) -> Kind {
    error.raw_os_error().map_or(Kind::Io, Kind::from_errno)
}

/// The text with its control characters written out, so that no message can draw on a terminal.
fn escape_control(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        match u32::from(c) {
            code if c.is_control() && code < 0x80 => escaped.push_str(&format!("\\x{code:02x}")),
            _ if c.is_control() => escaped.extend(c.escape_unicode()),
            _ => escaped.push(c),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_messages_are_raw_but_for_control_characters() {
        let text = |name: &str| Refusal::Name(name.into()).to_string();
        assert_eq!(text("a/b"), "Local image name a/b is invalid");
        assert_eq!(
            text("a\u{1}b\u{7f}"),
            "Local image name a\\x01b\\x7f is invalid"
        );
        assert_eq!(text("é\u{9b}"), "Local image name é\\u{9b} is invalid");
    }

    #[test]
    fn failures_of_the_system_keep_their_kind() {
        let start = |errno| Refusal::Start {
            program: "/x".into(),
            source: io::Error::from_raw_os_error(errno),
        };
        let missing = "org.freedesktop.DBus.Error.FileNotFound";
        assert_eq!(start(2).bus_error(), missing);
        assert_eq!(
            start(13).bus_error(),
            "org.freedesktop.DBus.Error.AccessDenied"
        );
    }
}
