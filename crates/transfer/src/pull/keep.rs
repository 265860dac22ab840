//! The pristine copy of a download, kept beside the image under a hidden name of the reference's:
//! `.raw-URL.ETAG.raw` or `.tar-URL.ETAG`, read-only.

use super::Request;
use crate::companions;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::import::fs;
use crate::install::{Manner, Root};
use crate::proof::{Proven, Staged};
use crate::sink::raw::{Bounds, Dress, Pour, RawSink, carry};
use importd_api::failure::Kind;
use importd_formats::disk::Format;
use importd_host::dir::Dir;
use importd_host::rename::Replace;
use importd_host::staging::Installed;
use rustix::fs::FileType;
use std::ffi::{OsStr, OsString};
use std::hash::Hasher;

/// Whole paths of this many bytes or more have the address replaced by a hash.
const PATH_BYTES_MAX: usize = 240;
/// Longest ETag that becomes part of a name, escaped, in bytes; longer ones are left out.
const ETAG_BYTES_MAX: usize = 120;
/// Key of the hash over addresses that are too long for a name; the reference's, so that its
/// objects have the same names.
const HASH_KEY: (u64, u64) = (0x3042_cc01_8716_89df, 0x4f63_a5a6_194a_ab98);

/// Under which names a download is installed.
pub(super) struct Kept {
    /// The hidden name of the pristine copy.
    pub(super) pristine: OsString,
    /// The image's file name; `None` if only the pristine copy is wanted.
    pub(super) local: Option<OsString>,
}

/// The name of the pristine copy of a download.
pub(super) fn pristine_name(request: &Request, etag: Option<&str>, root: &Root) -> OsString {
    let (prefix, suffix) = match request.form {
        importd_api::name::Form::Raw => (".raw-", ".raw"),
        importd_api::name::Form::Tar => (".tar-", ""),
    };
    let url = request.url.without_credentials();
    let etag = etag
        .map(|etag| format!(".{}", escaped(etag)))
        .filter(|etag| etag.len() <= ETAG_BYTES_MAX)
        .unwrap_or_default();
    let name = format!("{prefix}{}{etag}{suffix}", escaped(&url));
    let path_bytes = root.path.as_os_str().len() + 1 + name.len();
    if path_bytes < PATH_BYTES_MAX {
        return name.into();
    }
    format!("{prefix}{:x}{etag}{suffix}", hash(&url)).into()
}

/// Installs a proven download: as the image, as the pristine copy, or as both.
pub(super) fn install(
    proven: Proven,
    kept: &Kept,
    request: &Request,
    root: &Root,
    context: &Context,
) -> Result<()> {
    let manner = request.target.manner();
    match &kept.local {
        Some(local) if !request.keep_download => {
            proven.install(root, local, manner, context)?;
        }
        local => {
            let keep = Manner {
                replace: Replace::Exchange,
                read_only: true,
                sync: manner.sync,
                quota: manner.quota,
            };
            let pristine = proven.install(root, &kept.pristine, keep, context)?;
            if let Some(local) = local {
                copy(&pristine, local, request, root, context)?
                    .install(root, local, manner, context)?;
            }
        }
    }
    match &request.local {
        importd_api::job::Local::Named(name) => {
            if let (Some(local), true) = (&kept.local, request.target.force) {
                let places = &request.target.places;
                companions::retire(root, places, name, local, &context.report);
            }
            context
                .report
                .info(format!("Created new local image '{name}'."));
        }
        importd_api::job::Local::Derived | importd_api::job::Local::Pristine => context
            .report
            .info("Kept the download; no local image was asked for."),
    }
    Ok(())
}

/// A second, writable copy of the pristine one; what is proven of that holds for its copy.
fn copy(
    pristine: &Installed,
    local: &OsStr,
    request: &Request,
    root: &Root,
    context: &Context,
) -> Result<Proven> {
    let stat = rustix::fs::fstat(pristine.fd())
        .doing(|| "Failed to look at the downloaded image".into())?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            let sink = RawSink::create(&root.folder, local, Dress::fresh(context.umask))?;
            let pour = Pour {
                canvas: sink.canvas(),
                bounds: Bounds {
                    size_max: None,
                    format: Some(Format::Raw),
                },
                scratch: Some(&root.folder),
                context,
                fits: &|_| Ok(()),
                complete: &|| Ok(()),
            };
            let size = u64::try_from(stat.st_size).unwrap_or(0);
            pour.file(pristine.fd(), size, &|_| {})?;
            carry::adopt(sink.canvas().fd(), pristine.fd());
            Ok(sink.seal()?.accept_local())
        }
        FileType::Directory => {
            let source = pristine
                .fd()
                .try_clone_to_owned()
                .map(Dir::from)
                .doing(|| "Failed to open the downloaded tree".into())?;
            let place = (root, local);
            let staging = fs::stage(&source, place, &request.target, context, &|_percent| {})?;
            Ok(Staged(staging).accept_local())
        }
        _ => Err(Error::new(
            Kind::BadDescriptor,
            "The downloaded image is neither a file nor a folder",
        )),
    }
}

/// Text as part of a file name: separators, quotes, dots, hashes, backslashes and everything that
/// is no printable ASCII become `\xNN`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'/' | b'.' | b'#' | b'"' | b'\'' | b'\\' | 0..=31 | 127..=255 => {
                out.push_str(&format!("\\x{byte:02x}"));
            }
            _ => out.push(char::from(byte)),
        }
    }
    out
}

#[expect(
    deprecated,
    reason = "the names of the reference's objects need SipHash-2-4, which is what this is"
)]
fn hash(url: &str) -> u64 {
    let mut hasher = std::hash::SipHasher::new_with_keys(HASH_KEY.0, HASH_KEY.1);
    hasher.write(url.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_single_file_names() {
        assert_eq!(
            escaped("http://h/f/a.raw"),
            r"http:\x2f\x2fh\x2ff\x2fa\x2eraw"
        );
        assert_eq!(escaped("\"e1\""), r"\x22e1\x22");
        assert_eq!(escaped("a?b=c@d"), "a?b=c@d");
    }
}
