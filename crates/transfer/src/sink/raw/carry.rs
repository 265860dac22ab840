//! What a disk image file carries beside its bytes: times and attributes.

use importd_host::attributes;
use rustix::fs::{Timespec, Timestamps};
use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime};

/// Takes over what a source file carries: times, time of birth (as `user.crtime_usec`) and
/// attributes of the `user` namespace. What cannot be taken over is left out, as in the reference.
pub fn adopt(target: BorrowedFd<'_>, source: BorrowedFd<'_>) {
    for name in attributes::list(source).unwrap_or_default() {
        if name.as_bytes().starts_with(b"user.")
            && let Ok(value) = attributes::get(source, &name)
        {
            attributes::set(target, &name, &value).unwrap_or(());
        }
    }
    if let Ok(Some(birth)) = attributes::birth_time(source) {
        // An older time of birth that was noted belongs to what the source is a copy of.
        let noted = attributes::crtime(source).map(Duration::from_micros);
        let noted = noted.map(|since| SystemTime::UNIX_EPOCH + since);
        let first = noted.map_or(birth, |noted| noted.min(birth));
        attributes::set_crtime(target, first).unwrap_or(());
    }
    if let Ok(stat) = rustix::fs::fstat(source) {
        rustix::fs::futimens(target, &attributes::times(&stat)).unwrap_or(());
    }
}

/// Notes where a download came from: `user.source_url`, `user.source_etag`, and the server's time
/// of change as the file's. What the file system cannot hold is left out.
pub fn note_origin(
    target: BorrowedFd<'_>,
    url: &str,
    etag: Option<&str>,
    changed: Option<SystemTime>,
) {
    let note = |name: &str, value: &str| {
        attributes::set(target, OsStr::new(name), value.as_bytes()).unwrap_or(());
    };
    note("user.source_url", url);
    if let Some(etag) = etag {
        note("user.source_etag", etag);
    }
    if let Some(changed) = changed {
        attributes::set_crtime(target, changed).unwrap_or(());
        let since = changed
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let time = Timespec {
            tv_sec: i64::try_from(since.as_secs()).unwrap_or(0),
            tv_nsec: i64::from(since.subsec_nanos()),
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::futimens(target, &times).unwrap_or(());
    }
}
