//! All that is kept in an image root, whatever the address.

use super::names::{affixes, companions, escaped, hash, split, unescaped};
use super::record::Record;
use crate::context::Context;
use crate::install::Root;
use crate::pull::companions::Companion;
use importd_api::name::Form;
use importd_api::url::Url;
use importd_host::attributes;
use importd_host::dir::Dir;
use importd_host::tree::{allocated, survey};
use rustix::fs::{FileType, Mode, OFlags};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};

/// A kept download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pull) struct Item {
    /// Its name in the image root.
    pub(in crate::pull) name: OsString,
    /// What it is of.
    pub(in crate::pull) form: Form,
    /// Its address; `None` for a long one of which nothing is noted.
    pub(in crate::pull) url: Option<String>,
    /// How it was proven; `None` for one of the reference.
    pub(in crate::pull) verify: Option<&'static str>,
    /// When it came, in seconds since 1970.
    pub(in crate::pull) made: u64,
    /// Bytes it and its companions take on the disk.
    pub(in crate::pull) bytes: u64,
    /// A newer one of the same address and form is there.
    pub(in crate::pull) is_superseded: bool,
    /// Names of files that were kept with it.
    pub(in crate::pull) companions: Vec<OsString>,
}

/// The kept downloads in an image root, the newest of each address before its older ones.
///
/// # Errors
/// When the folder cannot be read.
pub(in crate::pull) fn items(root: &Root, context: &Context) -> std::io::Result<Vec<Item>> {
    let mut items = Vec::new();
    for name in root.folder.entries()? {
        context.cancel.check()?;
        if let Some((form, origin)) = recognise(&name) {
            items.extend(item(name, form, origin, root, context));
        }
    }
    // Of two that came in the same second, ours is the newer: it was not found good when it came.
    items.sort_by_key(|item| {
        let newest_first = std::cmp::Reverse((item.made, item.verify.is_some()));
        (item.url.clone(), newest_first, item.name.clone())
    });
    let mut seen = HashSet::new();
    for item in &mut items {
        if let Some(url) = &item.url {
            let key = (url.clone(), item.form == Form::Raw);
            item.is_superseded = !seen.insert(key);
        }
    }
    Ok(items)
}

fn item(
    name: OsString,
    form: Form,
    origin: Origin,
    root: &Root,
    context: &Context,
) -> Option<Item> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let entry = root.folder.open_file(&name, flags, Mode::empty()).ok()?;
    let stat = rustix::fs::fstat(&entry).ok()?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    match (form, kind) {
        (Form::Raw, FileType::RegularFile) | (Form::Tar, FileType::Directory) => {}
        _ => return None,
    }
    let record = Record::read(entry.as_fd());
    let noted = record.as_ref().and_then(|record| record.url.clone());
    let url = match origin {
        Origin::Url(url) => Some(url),
        // Somebody's own hidden folder may look like this: it has to say itself what it is.
        Origin::Hash(digits) => {
            let url = noted.or_else(|| noted_url(entry.as_fd(), form));
            let url = url.filter(|url| has_hash(url, &digits));
            if url.is_none() && record.is_none() {
                return None;
            }
            url
        }
    };
    let companions: Vec<OsString> = companions(&name, form)
        .into_iter()
        .filter(|name| root.folder.exists(name))
        .collect();
    let beside = companions
        .iter()
        .filter_map(|name| root.folder.stat(name).ok());
    let own = match form {
        Form::Raw => allocated(&stat),
        Form::Tar => survey(&Dir::from(entry), &|| context.cancel.check())
            .map_or(0, |found| found.allocated_bytes),
    };
    Some(Item {
        form,
        url,
        verify: record.as_ref().map(|record| record.level.as_str()),
        made: record.as_ref().map_or_else(
            || u64::try_from(stat.st_ctime).unwrap_or(0),
            |record| record.fetched,
        ),
        bytes: beside
            .map(|stat| allocated(&stat))
            .fold(own, u64::saturating_add),
        is_superseded: false,
        companions,
        name,
    })
}

/// The address that the reference noted with a file. In a tree it may be the archive's.
fn noted_url(fd: BorrowedFd<'_>, form: Form) -> Option<String> {
    if form == Form::Tar {
        return None;
    }
    let noted = attributes::get(fd, OsStr::new("user.source_url")).ok()?;
    let url = Url::parse(&String::from_utf8(noted).ok()?).ok()?;
    Some(url.as_str().to_owned())
}

/// What the name of some kept download says of its address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// It is this one.
    Url(String),
    /// A hash stands for it.
    Hash(String),
}

/// The form and origin of a kept download of whatever address; `None` for other names.
fn recognise(name: &OsStr) -> Option<(Form, Origin)> {
    let name = name.to_str()?;
    let (form, middle) = [Form::Raw, Form::Tar].into_iter().find_map(|form| {
        let (prefix, suffix) = affixes(form);
        let middle = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
        Some((form, middle))
    })?;
    let (stem, etag) = split(middle);
    // A companion of a tree has its ending where an ETag would be.
    let is_ending = |text: &str| {
        let ending = format!(".{text}");
        Companion::ALL.iter().any(|one| one.ending() == ending)
    };
    if etag.is_some_and(|etag| etag.contains('.') || is_ending(etag)) {
        return None;
    }
    let url = unescaped(stem);
    if Url::parse(&url).is_ok() && escaped(&url) == stem {
        return Some((form, Origin::Url(url)));
    }
    let is_hash = (1..=16).contains(&stem.len()) && stem.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash.then(|| (form, Origin::Hash(stem.to_owned())))
}

/// Whether an address has this hash.
fn has_hash(url: &str, digits: &str) -> bool {
    format!("{:x}", hash(url)) == digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pull::kept::names::pristine;
    use std::path::Path;

    #[test]
    fn only_kept_downloads_are_recognised() {
        let kept = |name: &str| recognise(OsStr::new(name)).is_some();
        for name in [
            r".raw-http:\x2f\x2fh\x2fa.raw",
            r".raw-http:\x2f\x2fh\x2fa.\x22e\x22.raw",
            r".tar-file:\x2fa",
            r".tar-https:\x2f\x2fh\x2fa.W\x2f\x22e\x22",
            ".tar-1f",
            ".raw-0123456789abcdef.e.raw",
        ] {
            assert!(kept(name), "{name}");
        }
        for name in [
            "image",
            ".tar-backup",
            ".raw-mine.raw",
            ".raw-.raw",
            ".tar-",
            r".tar-http:\x2f\x2fh\x2fa.nspawn",
            r".raw-http:\x2f\x2fh\x2fa.roothash",
            r".tar-http:\x2F\x2fh\x2fa",
            ".tar-0123456789abcdef0",
        ] {
            assert!(!kept(name), "{name}");
        }
    }

    #[test]
    fn long_addresses_are_recognised_by_their_hash() {
        let long = Url::parse(&format!("http://h/{}.tar", "x".repeat(300))).unwrap();
        let root = Path::new("/var/lib/machines");
        let name = pristine(&long, Form::Tar, Some("\"e\""), root);
        let Some((Form::Tar, Origin::Hash(digits))) = recognise(&name) else {
            panic!("{name:?}")
        };
        assert!(has_hash(long.as_str(), &digits));
        assert!(!has_hash("http://h/other", &digits));
    }
}
