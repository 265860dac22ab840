//! What is noted with a kept download: what was transferred, how it was proven, and its seal.
//!
//! One line of JSON in the attribute `trusted.importd.kept`, which only a privileged process can set or
//! see, or where that cannot be (a disk image is made without that privilege; user scope) in
//! `user.importd.kept`, which counts only on an object that is ours and that nobody else may write
//! to. It is set when everything else is done: what an archive brought under these names is removed.

use super::install::Kept;
use super::seal::Seal;
use crate::error::{Doing, Result};
use crate::proof::{Expectation, Hex};
use crate::pull::Request;
use crate::source::remote::percent_decoded;
use aws_lc_rs::digest::{SHA256, digest};
use importd_api::url::Url;
use importd_api::verify::Verify;
use importd_formats::checksums::Digest;
use importd_host::attributes;
use importd_host::cancel::Cancel;
use importd_host::tree::nanoseconds;
use rustix::fs::FileType;
use serde_json::{Map, Value, json};
use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::time::{Duration, SystemTime};

/// Where the record is, the better place first.
const ATTRIBUTES: [&str; 2] = ["trusted.importd.kept", "user.importd.kept"];
/// Version of the record; others are not read.
const VERSION: u64 = 1;
/// Longest text of one member, in bytes: longer ones are left out, so that the record fits into the
/// 4 KiB that ext4 has for all attributes of an inode.
const TEXT_MAX: usize = 600;
/// Names this run of the machine (random(4)).
pub(crate) const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// What stands for a run of the machine that has no name: none is the same.
const UNKNOWN_BOOT: &str = "unknown";

/// How long a file must have been the same on the server for its time of change, in whole seconds,
/// to stand for its bytes.
///
/// # Source
/// RFC 9110, section 8.8.2.2.
const SETTLED: Duration = Duration::from_secs(60);

/// How a download was proven, the weaker before the stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Not at all.
    No,
    /// By a list on the server.
    Checksum,
    /// By a signed list, or a digest that the caller gave.
    Signature,
}

/// What tells one state of a local file from another: number, size and times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pull) struct Stamp(String);

/// What is noted with a kept download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// SHA-256 of the address without credentials, in hexadecimal digits.
    url_sha256: String,
    /// The address, if it is short.
    pub(super) url: Option<String>,
    /// ETag, as sent.
    pub(super) etag: Option<String>,
    /// The server's time of change, in seconds since 1970.
    last_modified: Option<u64>,
    /// When the answer was given, by its clock if it said, in seconds since 1970.
    answered: u64,
    /// State of the local file that it was read from.
    stamp: Option<Stamp>,
    /// How many bytes were transferred.
    length: u64,
    /// Their SHA-256 digest, in hexadecimal digits.
    sha256: String,
    /// Their SHA-512 digest, if it was found out.
    sha512: Option<String>,
    /// How they were proven.
    pub(super) level: Level,
    /// Who said what they had to be.
    said_by: Option<String>,
    /// Whose signature that had: fingerprint, or number of the key.
    signer: Option<String>,
    /// When they were transferred, in seconds since 1970.
    pub(super) fetched: u64,
    /// Disk images of other formats were left as they came.
    pub(super) is_unconverted: bool,
    /// The run of the machine in which it was kept without being flushed (`--sync=no`): after a power
    /// cut its bytes may be lost, and nothing else would tell.
    boot: Option<String>,
    /// What holds as long as the object is unchanged.
    pub(super) seal: Seal,
}

/// Where bytes came from, as far as it tells one version of them from another.
#[derive(Clone, Debug)]
pub(in crate::pull) struct Version {
    /// ETag, as sent.
    pub(in crate::pull) etag: Option<String>,
    /// The server's time of change.
    pub(in crate::pull) last_modified: Option<SystemTime>,
    /// When the answer was given, by the server's clock if it says.
    pub(in crate::pull) answered: SystemTime,
    /// State of the local file.
    pub(in crate::pull) stamp: Option<Stamp>,
}

impl Level {
    fn of(verify: &Verify, expected: &Expectation) -> Self {
        match (verify, expected) {
            (Verify::No, _) | (_, Expectation::Nothing) => Level::No,
            (Verify::Checksum, _) => Level::Checksum,
            (Verify::Signature | Verify::Digest(_), _) => Level::Signature,
        }
    }

    /// As a word.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Level::No => "no",
            Level::Checksum => "checksum",
            Level::Signature => "signature",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [Level::No, Level::Checksum, Level::Signature];
        all.into_iter().find(|level| level.as_str() == text)
    }
}

impl Stamp {
    /// The state of the file of a `file:` address; `None` for others, and for what is no regular file.
    pub(in crate::pull) fn of(url: &Url) -> Option<Self> {
        let path = percent_decoded(url.file_path()?);
        let stat = rustix::fs::stat(&path).ok()?;
        (FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then(|| {
            Self(format!(
                "{}:{}:{}:{}",
                stat.st_ino,
                stat.st_size,
                nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
                nanoseconds(stat.st_ctime, stat.st_ctime_nsec)
            ))
        })
    }
}

impl Record {
    /// Seals an object that is complete, as what was received for a request.
    ///
    /// # Errors
    /// As [`Seal::of`].
    pub(super) fn new(
        request: &Request,
        kept: &Kept<'_>,
        fd: BorrowedFd<'_>,
        cancel: &Cancel,
    ) -> Result<Self> {
        let (version, received) = (kept.version, kept.received);
        let url = request.url.without_credentials();
        let signer = kept.verdict.signature.as_ref();
        let signer = signer.map(|it| it.fingerprint.as_ref().unwrap_or(&it.key_id).clone());
        let said_by = match kept.expected {
            Expectation::Digest { said_by, .. } => Some(said_by.clone()),
            Expectation::Nothing | Expectation::Judged { .. } => None,
        };
        Ok(Self {
            url_sha256: url_sha256(&url),
            url: short(url),
            etag: version.etag.clone().and_then(short),
            last_modified: version.last_modified.map(seconds),
            answered: seconds(version.answered),
            stamp: version.stamp.clone(),
            length: received.bytes,
            sha256: Hex(&received.sha256).to_string(),
            sha512: received.sha512.map(|digest| Hex(&digest).to_string()),
            level: Level::of(&request.verify, kept.expected),
            said_by: said_by.and_then(short),
            signer: signer.and_then(short),
            fetched: seconds(SystemTime::now()),
            is_unconverted: kept.is_unconverted,
            boot: (!request.target.sync).then(|| boot().unwrap_or_else(|| UNKNOWN_BOOT.into())),
            seal: Seal::of(fd, cancel)?,
        })
    }

    /// Whether the object is still the one that was kept, with all its bytes.
    pub(super) fn holds(&self, fd: BorrowedFd<'_>, cancel: &Cancel) -> bool {
        let is_there = self.boot.is_none() || self.boot == boot();
        is_there && self.seal.holds(fd, cancel)
    }

    /// Whether it is that of this address.
    pub(super) fn is_of(&self, url: &Url) -> bool {
        self.url_sha256 == url_sha256(&url.without_credentials())
    }

    /// Whether the bytes had the digest that is expected now; never if none is.
    pub(super) fn proves(&self, expected: &Expectation) -> bool {
        match expected {
            Expectation::Nothing | Expectation::Judged { .. } => false,
            Expectation::Digest { digest, .. } => match digest {
                Digest::Sha256(bytes) => Hex(bytes).to_string() == self.sha256,
                Digest::Sha512(bytes) => Some(Hex(bytes).to_string()) == self.sha512,
            },
        }
    }

    /// Whether the local file has not changed since.
    pub(super) fn has_stamp(&self, stamp: &Stamp) -> bool {
        self.stamp.as_ref() == Some(stamp)
    }

    /// Whether an answer without an ETag is for the same bytes, as far as that can be told: same
    /// length and time of change, which was not fresh by then.
    pub(super) fn is_same(&self, length: Option<u64>, last_modified: Option<SystemTime>) -> bool {
        let (Some(length), Some(changed)) = (length, last_modified.map(seconds)) else {
            return false;
        };
        self.etag.is_none()
            && length == self.length
            && self.last_modified == Some(changed)
            && changed.saturating_add(SETTLED.as_secs()) <= self.answered
    }

    /// Notes the record with its object; where the file system cannot hold it there is none.
    ///
    /// # Errors
    /// When what an archive brought in its place cannot be removed.
    pub(super) fn write(&self, fd: BorrowedFd<'_>) -> Result<bool> {
        clear(fd)?;
        let text = self.to_json().to_string();
        Ok(ATTRIBUTES
            .iter()
            .any(|name| attributes::set(fd, OsStr::new(name), text.as_bytes()).is_ok()))
    }

    /// The record of an object; `None` if there is none that counts. Whether it still holds is
    /// the seal's to say.
    pub(super) fn read(fd: BorrowedFd<'_>) -> Option<Self> {
        let [trusted, plain] = ATTRIBUTES.map(|name| attributes::get(fd, OsStr::new(name)).ok());
        let bytes = trusted.or_else(|| plain.filter(|_| is_private(fd)))?;
        Self::from_json(&serde_json::from_slice(&bytes).ok()?)
    }

    fn to_json(&self) -> Value {
        let mut all = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                all.insert(name.to_owned(), value);
            }
        };
        put("record", json!(VERSION));
        put("by", json!(concat!("importd ", env!("CARGO_PKG_VERSION"))));
        put("urlSha256", json!(self.url_sha256));
        put("url", json!(self.url));
        put("etag", json!(self.etag));
        put("lastModified", json!(self.last_modified));
        put("answered", json!(self.answered));
        put("stamp", json!(self.stamp.as_ref().map(|stamp| &stamp.0)));
        put("length", json!(self.length));
        put("sha256", json!(self.sha256));
        put("sha512", json!(self.sha512));
        put("verify", json!(self.level.as_str()));
        put("saidBy", json!(self.said_by));
        put("signer", json!(self.signer));
        put("fetched", json!(self.fetched));
        put("unconverted", json!(self.is_unconverted));
        put("boot", json!(self.boot));
        put("seal", self.seal.to_json());
        Value::Object(all)
    }

    fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        let number = |name: &str| value.get(name)?.as_u64();
        if number("record")? != VERSION {
            return None;
        }
        Some(Self {
            url_sha256: text("urlSha256")?,
            url: text("url"),
            etag: text("etag"),
            last_modified: number("lastModified"),
            answered: number("answered")?,
            stamp: text("stamp").map(Stamp),
            length: number("length")?,
            sha256: text("sha256")?,
            sha512: text("sha512"),
            level: Level::parse(&text("verify")?)?,
            said_by: text("saidBy"),
            signer: text("signer"),
            fetched: number("fetched")?,
            is_unconverted: value.get("unconverted")?.as_bool()?,
            boot: text("boot"),
            seal: Seal::from_json(value.get("seal")?)?,
        })
    }
}

/// Removes the record of an object: a copy of it is no kept download.
///
/// # Errors
/// What fremovexattr(2) says.
pub(super) fn clear(fd: BorrowedFd<'_>) -> Result<()> {
    for name in ATTRIBUTES {
        match attributes::remove(fd, OsStr::new(name)) {
            // Who may not remove a trusted attribute could not have set it.
            Err(error)
                if error.kind() == std::io::ErrorKind::PermissionDenied
                    && name.starts_with("trusted.") => {}
            other => other.doing(|| format!("Failed to remove the attribute '{name}'"))?,
        }
    }
    Ok(())
}

/// This run of the machine.
fn boot() -> Option<String> {
    let text = std::fs::read_to_string(BOOT_ID).ok()?;
    let text = text.trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether an object is ours, and nobody else may change it or its `user` attributes.
fn is_private(fd: BorrowedFd<'_>) -> bool {
    let own = rustix::process::geteuid().as_raw();
    rustix::fs::fstat(fd).is_ok_and(|stat| stat.st_uid == own && stat.st_mode & 0o022 == 0)
}

fn url_sha256(url: &str) -> String {
    Hex(digest(&SHA256, url.as_bytes()).as_ref()).to_string()
}

fn short(text: String) -> Option<String> {
    (text.len() <= TEXT_MAX).then_some(text)
}

fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::fs::PermissionsExt;

    fn record(fd: BorrowedFd<'_>) -> Record {
        Record {
            url_sha256: url_sha256("http://h/a"),
            url: Some("http://h/a".into()),
            etag: None,
            last_modified: Some(1000),
            answered: 4000,
            stamp: Some(Stamp("1:2:3:4".into())),
            length: 77,
            sha256: "ab".repeat(32),
            sha512: Some("cd".repeat(64)),
            level: Level::Signature,
            said_by: Some("http://h/SHA256SUMS".into()),
            signer: Some("0123456789ABCDEF".into()),
            fetched: 5000,
            is_unconverted: true,
            boot: None,
            seal: Seal::of(fd, &Cancel::new().unwrap()).unwrap(),
        }
    }

    fn file() -> std::fs::File {
        tempfile::tempfile_in("/var/tmp").unwrap()
    }

    #[test]
    fn a_record_comes_back_whole_and_only_where_nobody_else_could_write_it() {
        let file = file();
        let record = record(file.as_fd());
        assert!(record.write(file.as_fd()).unwrap());
        assert_eq!(Record::read(file.as_fd()), Some(record.clone()));

        let text = record.to_json().to_string();
        clear(file.as_fd()).unwrap();
        assert_eq!(Record::read(file.as_fd()), None);
        let name = OsStr::new("user.importd.kept");
        attributes::set(file.as_fd(), name, text.as_bytes()).unwrap();
        assert_eq!(Record::read(file.as_fd()), Some(record));
        let open = std::fs::Permissions::from_mode(0o666);
        file.set_permissions(open).unwrap();
        assert_eq!(Record::read(file.as_fd()), None, "anybody may have set it");
    }

    #[test]
    fn what_was_not_flushed_is_trusted_until_the_machine_restarts() {
        let file = file();
        let cancel = Cancel::new().unwrap();
        let mut record = record(file.as_fd());
        for (text, holds) in [
            (None, true),
            (boot(), true),
            (Some("another".to_owned()), false),
            (Some(UNKNOWN_BOOT.to_owned()), false),
        ] {
            record.boot = text;
            let again = Record::from_json(&record.to_json()).unwrap();
            assert_eq!(
                again.holds(file.as_fd(), &cancel),
                holds,
                "{:?}",
                again.boot
            );
        }
    }

    #[test]
    fn what_is_no_record_of_this_version_is_none() {
        let file = file();
        let good = record(file.as_fd()).to_json();
        assert!(Record::from_json(&good).is_some());
        for (member, value) in [
            ("record", json!(2)),
            ("sha256", json!(5)),
            ("length", json!(-1)),
            ("verify", json!("maybe")),
            ("seal", json!({})),
            ("unconverted", json!("no")),
            ("urlSha256", Value::Null),
        ] {
            let mut bad = good.clone();
            bad[member] = value;
            assert_eq!(Record::from_json(&bad), None, "{member}");
        }
    }

    #[test]
    fn only_the_digest_that_is_expected_is_a_proof() {
        let file = file();
        let record = record(file.as_fd());
        let expected = |digest| Expectation::Digest {
            digest,
            said_by: "SHA256SUMS".into(),
        };
        assert!(record.proves(&expected(Digest::Sha256([0xab; 32]))));
        assert!(!record.proves(&expected(Digest::Sha256([0xac; 32]))));
        assert!(record.proves(&expected(Digest::Sha512([0xcd; 64]))));
        assert!(!record.proves(&expected(Digest::Sha512([0xce; 64]))));
        assert!(!record.proves(&Expectation::Nothing));
        assert!(record.is_of(&Url::parse("http://u:p@h/a").unwrap()));
        assert!(!record.is_of(&Url::parse("http://h/b").unwrap()));
    }

    #[test]
    fn times_of_change_tell_only_together_with_the_length_and_if_they_are_old() {
        let file = file();
        let mut record = record(file.as_fd());
        let time = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert!(record.is_same(Some(77), time(1000)));
        assert!(!record.is_same(Some(78), time(1000)));
        assert!(!record.is_same(Some(77), time(1001)));
        assert!(!record.is_same(None, time(1000)));
        assert!(!record.is_same(Some(77), None));
        record.answered = 1059;
        assert!(!record.is_same(Some(77), time(1000)), "too fresh");
        record.answered = 4000;
        record.etag = Some("\"e\"".into());
        assert!(!record.is_same(Some(77), time(1000)), "it had an ETag");
    }

    #[test]
    fn a_record_fits_beside_the_other_attributes() {
        let file = file();
        let long = || Some("x".repeat(TEXT_MAX));
        let mut record = record(file.as_fd());
        (record.url, record.etag, record.said_by) = (long(), long(), long());
        assert!(record.to_json().to_string().len() < 3000);
    }
}
