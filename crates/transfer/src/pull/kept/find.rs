//! The kept downloads of one address, and which of them may serve a request.

use super::names::{self, Named};
use super::record::Record;
use crate::context::Context;
use crate::install::Root;
use crate::proof::Expectation;
use crate::pull::Request;
use importd_api::name::Form;
use importd_host::attributes;
use importd_host::dir::Dir;
use importd_host::tree::survey;
use rustix::fs::{FileType, Mode, OFlags};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Most kept downloads of one address that are looked at: older ones are removed when newer ones come,
/// so that more are an accident.
const OBJECTS_MAX: usize = 64;

/// What a kept download has to be to serve a request.
#[derive(Clone, Copy, Debug)]
pub(in crate::pull) struct Need<'a> {
    /// What the transferred bytes must have been.
    pub(in crate::pull) expected: &'a Expectation,
    /// Most bytes of contents; `None` for no limit.
    pub(in crate::pull) bytes_max: Option<u64>,
    /// Most entries of a tree.
    pub(in crate::pull) entries_max: Option<u64>,
    /// Disk images of other formats are to stay as they came.
    pub(in crate::pull) is_unconverted: bool,
}

/// A kept download of the address.
#[derive(Debug)]
pub(in crate::pull) struct Object {
    /// Its name in the image root.
    pub(in crate::pull) name: OsString,
    entry: OwnedFd,
    /// Its ETag, as the server sent it.
    pub(super) etag: Option<String>,
    /// What was noted; objects of the reference have none.
    pub(super) record: Option<Record>,
    /// When it was made, in seconds since 1970.
    pub(super) made: u64,
}

impl Object {
    /// The object: a regular file or a folder, open for reading.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.entry.as_fd()
    }

    /// Whether it is as it was kept, and within the bounds of the request. One of the reference
    /// says nothing of the former.
    fn serves(&self, need: &Need<'_>, form: Form, context: &Context) -> bool {
        let (bytes, entries) = match &self.record {
            Some(record) => {
                if !record.holds(self.fd(), &context.cancel) {
                    context.report.info(format!(
                        "Kept download '{}' was changed since, or came from elsewhere; it is not used.",
                        self.name.display()
                    ));
                    return false;
                }
                if record.is_unconverted != need.is_unconverted && form == Form::Raw {
                    return false;
                }
                (record.seal.bytes, record.seal.entries)
            }
            // The reference unpacks disk images unless told otherwise, and does not note it.
            None if need.is_unconverted && form == Form::Raw => return false,
            None => match self.amount(form, context) {
                Some(amount) => amount,
                None => return false,
            },
        };
        need.bytes_max.is_none_or(|most| bytes <= most)
            && need.entries_max.is_none_or(|most| entries <= most)
    }

    fn amount(&self, form: Form, context: &Context) -> Option<(u64, u64)> {
        match form {
            Form::Raw => {
                let stat = rustix::fs::fstat(&self.entry).ok()?;
                Some((u64::try_from(stat.st_size).ok()?, 0))
            }
            Form::Tar => {
                let folder = Dir::from(self.entry.try_clone().ok()?);
                let found = survey(&folder, &|| context.cancel.check()).ok()?;
                Some((found.apparent_bytes, found.entries))
            }
        }
    }
}

/// All kept downloads of an address, the newest first, whatever their state.
pub(super) fn all(request: &Request, root: &Root) -> Vec<Object> {
    let names = root.folder.entries().unwrap_or_default();
    let mut found: Vec<Object> = names
        .into_iter()
        .filter_map(|name| {
            let named = names::parse(&name, &request.url, request.form)?;
            open(name, named, request, root)
        })
        .take(OBJECTS_MAX)
        .collect();
    found.sort_by_key(|object| std::cmp::Reverse(object.made));
    found
}

/// Those that the request may be served with, the newest first: with a digest only those that had it,
/// without one all, since the server will be asked.
pub(super) fn serving(
    request: &Request,
    need: &Need<'_>,
    root: &Root,
    context: &Context,
) -> Vec<Object> {
    let is_candidate = |object: &Object| match (need.expected, &object.record) {
        (Expectation::Nothing, _) => true,
        (expected, Some(record)) => record.proves(expected),
        (_, None) => false,
    };
    all(request, root)
        .into_iter()
        .filter(|object| is_candidate(object) && object.serves(need, request.form, context))
        .collect()
}

fn open(name: OsString, named: Named, request: &Request, root: &Root) -> Option<Object> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let entry = root.folder.open_file(&name, flags, Mode::empty()).ok()?;
    let stat = rustix::fs::fstat(&entry).ok()?;
    let wanted = match request.form {
        Form::Raw => FileType::RegularFile,
        Form::Tar => FileType::Directory,
    };
    if FileType::from_raw_mode(stat.st_mode) != wanted {
        return None;
    }
    let record = Record::read(entry.as_fd());
    let is_ours = match &record {
        Some(record) => record.is_of(&request.url),
        // In a tree such an attribute may be the archive's.
        None => !named.hashed || (request.form == Form::Raw && has_url(entry.as_fd(), request)),
    };
    if !is_ours {
        return None;
    }
    let etag = match &record {
        Some(record) => record.etag.clone(),
        None => noted_etag(entry.as_fd(), request.form).or(named.etag),
    };
    let made = record.as_ref().map_or_else(
        || u64::try_from(stat.st_ctime).unwrap_or(0),
        |record| record.fetched,
    );
    Some(Object {
        name,
        entry,
        etag,
        record,
        made,
    })
}

/// The ETag that the reference noted with a file.
fn noted_etag(fd: BorrowedFd<'_>, form: Form) -> Option<String> {
    match form {
        Form::Raw => {
            let noted = attributes::get(fd, OsStr::new("user.source_etag")).ok()?;
            String::from_utf8(noted).ok()
        }
        Form::Tar => None,
    }
}

fn has_url(fd: BorrowedFd<'_>, request: &Request) -> bool {
    let noted = attributes::get(fd, OsStr::new("user.source_url"));
    noted.is_ok_and(|noted| {
        noted == request.url.as_str().as_bytes()
            || noted == request.url.without_credentials().as_bytes()
    })
}
