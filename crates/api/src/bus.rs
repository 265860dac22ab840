//! D-Bus names of the service, org.freedesktop.import1(5).

use crate::job::Kind;

/// The bus name.
pub const NAME: &str = "org.freedesktop.import1";
/// Path of the manager object.
pub const MANAGER_PATH: &str = "/org/freedesktop/import1";
/// Interface of the manager object.
pub const MANAGER_INTERFACE: &str = "org.freedesktop.import1.Manager";
/// Path below which each running transfer has an object `_ID`.
pub const TRANSFER_ROOT: &str = "/org/freedesktop/import1/transfer";
/// Interface of a transfer object.
pub const TRANSFER_INTERFACE: &str = "org.freedesktop.import1.Transfer";
/// Path of the object that the log is controlled by.
pub const LOG_CONTROL_PATH: &str = "/org/freedesktop/LogControl1";
/// Interface of that object, org.freedesktop.LogControl1(5).
pub const LOG_CONTROL_INTERFACE: &str = "org.freedesktop.LogControl1";
/// Error: `CancelTransfer` of an id that is not running.
pub const ERROR_NO_SUCH_TRANSFER: &str = "org.freedesktop.import1.NoSuchTransfer";
/// Error: the same address is already being pulled.
pub const ERROR_TRANSFER_IN_PROGRESS: &str = "org.freedesktop.import1.TransferInProgress";
/// Error of the bus for arguments that cannot be.
pub const ERROR_INVALID_ARGS: &str = "org.freedesktop.DBus.Error.InvalidArgs";
/// Error: a descriptor with status flags that a worker cannot rely on.
pub const ERROR_DESCRIPTOR_FLAGS: &str = "System.Error.EREMOTEIO";
/// Error: as many transfers are running and waiting as may be.
pub const ERROR_TRANSFERS_MAX: &str = "System.Error.E2BIG";
/// Error: the daemon has been told to stop and starts nothing any more.
pub const ERROR_SHUTTING_DOWN: &str = "System.Error.ESHUTDOWN";
/// Error: the caller may only do that if a person is asked.
pub const ERROR_INTERACTION_REQUIRED: &str =
    "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired";
/// How many transfers run at once, unless another number is set.
pub const TRANSFERS_MAX: usize = 64;
/// Value of `Progress` while nothing is known.
pub const PROGRESS_UNKNOWN: f64 = -f64::MAX;
/// Value of sizes that are not known, in `ListImages`.
pub const SIZE_UNKNOWN: u64 = u64::MAX;

/// Path of a transfer's object.
#[must_use]
pub fn transfer_path(id: u32) -> String {
    format!("{TRANSFER_ROOT}/_{id}")
}

/// Interface of the manager object for what is ours, docs/bus.md.
pub const OWN_MANAGER_INTERFACE: &str = "io.importd.Manager1";
/// Interface of a transfer object for what is ours, docs/bus.md.
pub const OWN_TRANSFER_INTERFACE: &str = "io.importd.Transfer1";
/// Word for a kind of failure that nobody knows, in `Finished`.
pub const KIND_UNKNOWN: &str = "unknown";
/// Value of `Total` and `TimeLeft` while nothing is known.
pub const FIGURE_UNKNOWN: u64 = u64::MAX;

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The worker succeeded.
    Done,
    /// It was cancelled, and did not finish before that.
    Canceled,
    /// The worker failed.
    Failed,
}

impl Outcome {
    /// The text in `TransferRemoved`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Canceled => "canceled",
            Outcome::Failed => "failed",
        }
    }

    /// Reads the text in `TransferRemoved`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Outcome::Done, Outcome::Canceled, Outcome::Failed]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
    }
}

/// The manager method that starts a transfer of this kind, in its old form and its `Ex` form.
#[must_use]
pub const fn methods(kind: Kind) -> (Option<&'static str>, &'static str) {
    match kind {
        Kind::ImportTar => (Some("ImportTar"), "ImportTarEx"),
        Kind::ImportRaw => (Some("ImportRaw"), "ImportRawEx"),
        Kind::ImportFs => (Some("ImportFileSystem"), "ImportFileSystemEx"),
        Kind::ExportTar => (Some("ExportTar"), "ExportTarEx"),
        Kind::ExportRaw => (Some("ExportRaw"), "ExportRawEx"),
        Kind::PullTar => (Some("PullTar"), "PullTarEx"),
        Kind::PullRaw => (Some("PullRaw"), "PullRawEx"),
        Kind::PullOci => (None, "PullOci"),
        // Of our own interface.
        Kind::ImportOci => (None, "ImportOci"),
        Kind::ExportOci => (None, "ExportOci"),
        Kind::PushOci => (None, "PushOci"),
    }
}
