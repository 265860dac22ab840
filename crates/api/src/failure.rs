//! Kinds of failure, and what each is called at every border.
//!
//! The only place that knows errno numbers, bus error names and exit statuses. Numbers are those of
//! Linux; which failure carries which is the reference's (its `ERRNO=` notifications).

use std::fmt;

/// What sort of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request itself makes no sense.
    InvalidArgument,
    /// The thing named is not there.
    NotFound,
    /// Something of that name is there already.
    Exists,
    /// A signal or a cancel ended it.
    Cancelled,
    /// Bytes are damaged, cut, or fail their proof.
    Corrupt,
    /// An archive cannot be unpacked: not one, damaged, or refused for what it would do.
    Archive,
    /// Bytes are fine but use something that is not supported.
    Unsupported,
    /// More bytes than a download may have.
    TooLarge,
    /// More bytes than `--size-max` allows.
    SizeLimit,
    /// The server says that there is no such file.
    HttpNotFound,
    /// The server wants credentials.
    Unauthorized,
    /// The network or a device failed.
    Io,
    /// The file system is full.
    NoSpace,
    /// Permission is missing.
    Denied,
    /// The file system can only be read.
    ReadOnlyFileSystem,
    /// A folder where a file is wanted.
    IsDirectory,
    /// Something else where a folder is wanted.
    NotDirectory,
    /// Something that can be neither read nor written here, as a device or a socket.
    BadDescriptor,
    /// Another transfer of the same source is running.
    InProgress,
    /// No such transfer.
    NoSuchTransfer,
    /// Too many transfers at once.
    TooMany,
    /// The signature's name as the image: there is nothing that could prove it.
    Loop,
    /// What is fetched became another version meanwhile.
    Changed,
    /// A document that describes an image cannot be read, or says several things.
    Document,
}

impl Kind {
    /// Every kind, for tables and tests.
    pub const ALL: [Kind; 24] = [
        Kind::InvalidArgument,
        Kind::NotFound,
        Kind::Exists,
        Kind::Cancelled,
        Kind::Corrupt,
        Kind::Archive,
        Kind::Unsupported,
        Kind::TooLarge,
        Kind::SizeLimit,
        Kind::HttpNotFound,
        Kind::Unauthorized,
        Kind::Io,
        Kind::NoSpace,
        Kind::Denied,
        Kind::ReadOnlyFileSystem,
        Kind::IsDirectory,
        Kind::NotDirectory,
        Kind::BadDescriptor,
        Kind::InProgress,
        Kind::NoSuchTransfer,
        Kind::TooMany,
        Kind::Loop,
        Kind::Changed,
        Kind::Document,
    ];

    /// The number in `ERRNO=`, and of the errno-like bus errors.
    #[must_use]
    pub const fn errno(self) -> i32 {
        self.row().0
    }

    /// The stable word for machines, under `--json` and in logs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.row().1
    }

    /// The kind of a [code](Kind::code).
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The name of the D-Bus error.
    #[must_use]
    pub const fn bus_error(self) -> &'static str {
        self.row().2
    }

    /// The exit status of every program of ours: 0 is success, each failure is 1, as in the
    /// reference; scripts tell failures apart by `ERRNO=` or by the code under `--json`.
    #[must_use]
    pub const fn exit_status(self) -> u8 {
        1
    }

    const fn row(self) -> (i32, &'static str, &'static str) {
        match self {
            Kind::InvalidArgument => (
                22,
                "invalid-argument",
                "org.freedesktop.DBus.Error.InvalidArgs",
            ),
            Kind::NotFound => (2, "not-found", "org.freedesktop.DBus.Error.FileNotFound"),
            Kind::Exists => (17, "exists", "org.freedesktop.DBus.Error.FileExists"),
            Kind::Cancelled => (4, "cancelled", "System.Error.EINTR"),
            Kind::Corrupt => (74, "corrupt", "System.Error.EBADMSG"),
            Kind::Archive => (71, "archive", "System.Error.EPROTO"),
            Kind::Unsupported => (95, "unsupported", "org.freedesktop.DBus.Error.NotSupported"),
            Kind::TooLarge => (27, "too-large", "System.Error.EFBIG"),
            Kind::SizeLimit => (7, "size-limit", "System.Error.E2BIG"),
            Kind::HttpNotFound => (123, "http-not-found", "System.Error.ENOMEDIUM"),
            Kind::Unauthorized => (126, "unauthorized", "System.Error.ENOKEY"),
            Kind::Io => (5, "io", "org.freedesktop.DBus.Error.IOError"),
            Kind::NoSpace => (28, "no-space", "System.Error.ENOSPC"),
            Kind::Denied => (13, "denied", "org.freedesktop.DBus.Error.AccessDenied"),
            Kind::ReadOnlyFileSystem => (30, "read-only-file-system", "System.Error.EROFS"),
            Kind::IsDirectory => (21, "is-directory", "System.Error.EISDIR"),
            Kind::NotDirectory => (20, "not-directory", "System.Error.ENOTDIR"),
            Kind::BadDescriptor => (77, "bad-descriptor", "System.Error.EBADFD"),
            Kind::InProgress => (16, "in-progress", crate::bus::ERROR_TRANSFER_IN_PROGRESS),
            Kind::NoSuchTransfer => (6, "no-such-transfer", crate::bus::ERROR_NO_SUCH_TRANSFER),
            Kind::TooMany => (
                7,
                "too-many-transfers",
                "org.freedesktop.DBus.Error.LimitsExceeded",
            ),
            Kind::Loop => (40, "loop", "System.Error.ELOOP"),
            Kind::Changed => (116, "changed", "System.Error.ESTALE"),
            Kind::Document => (71, "document", "System.Error.EPROTO"),
        }
    }

    /// The kind of a failed system call, by its error number.
    #[must_use]
    pub fn from_errno(errno: i32) -> Self {
        match errno {
            1 | 13 => Kind::Denied,
            2 => Kind::NotFound,
            4 => Kind::Cancelled,
            17 | 39 => Kind::Exists,
            20 => Kind::NotDirectory,
            21 => Kind::IsDirectory,
            22 => Kind::InvalidArgument,
            27 => Kind::TooLarge,
            28 | 122 => Kind::NoSpace,
            30 => Kind::ReadOnlyFileSystem,
            74 => Kind::Corrupt,
            77 => Kind::BadDescriptor,
            95 => Kind::Unsupported,
            _ => Kind::Io,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_and_errno_round_trips_where_it_can() {
        let codes: HashSet<_> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), Kind::ALL.len());
        assert!(
            Kind::ALL
                .iter()
                .all(|kind| Kind::parse(kind.code()) == Some(*kind))
        );
        for kind in [
            Kind::NotFound,
            Kind::Exists,
            Kind::NoSpace,
            Kind::Denied,
            Kind::Corrupt,
            Kind::BadDescriptor,
        ] {
            assert_eq!(Kind::from_errno(kind.errno()), kind);
        }
        assert_eq!(Kind::from_errno(104), Kind::Io);
    }
}
