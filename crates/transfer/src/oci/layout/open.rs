//! Which kind of image a file or folder is.

use super::archive::Archive;
use super::docker::SavedImage;
use super::files::{Files, Part};
use super::image::Layout;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::oci::hash::digest_of;
use crate::oci::source::{Blob, Source};
use crate::source::file::Input;
use importd_api::failure::Kind;
use importd_formats::oci::docker::{MANIFEST_FILE, OLD_FILE};
use importd_formats::oci::layout::MARKER_FILE;
use importd_formats::oci::{self, Descriptor};
use importd_host::cancel::Cancel;
use importd_host::dir::Dir;

/// What tells a folder of skopeo's `dir:`, which has a `manifest.json` of another kind.
const SKOPEO_FILE: &str = "version";

/// Where an image is.
#[derive(Debug)]
pub enum Place {
    /// A folder, and what messages call it.
    Folder(Dir, String),
    /// An archive.
    Archive(Input),
}

/// Where an archive is kept that cannot be read out of order.
#[derive(Clone, Copy, Debug)]
pub struct Spool<'a> {
    /// The folder whose file system has the file; it gets no name there.
    pub folder: &'a Dir,
    /// Most bytes of it.
    pub size_max: Option<u64>,
    /// Most bytes of it for each packed one.
    pub ratio: u64,
}

/// The image at a place. `asked` is the name, the tag or the digest of one of several.
///
/// # Errors
/// [`Kind::Unsupported`] for what is no image of OCI; [`Kind::Document`], [`Kind::Archive`] for one that is
/// damaged; [`Kind::InvalidArgument`] for several images of which none is chosen, [`Kind::NotFound`] for
/// one that is not there, with the list of those that are.
pub fn open(
    place: Place,
    asked: Option<&str>,
    spool: &Spool<'_>,
    context: &Context,
) -> Result<Box<dyn Source>> {
    let (files, label) = match place {
        Place::Folder(folder, label) => (Files::Folder(folder), label),
        Place::Archive(input) => {
            let label = input.label.clone();
            (Files::Archive(Archive::open(input, spool, context)?), label)
        }
    };
    let label = format!("'{label}'");
    if files.find(MARKER_FILE)?.is_some() {
        return Ok(Box::new(Layout::open(
            &label,
            files,
            asked,
            &context.cancel,
        )?));
    }
    if matches!(files, Files::Folder(_)) && files.find(SKOPEO_FILE)?.is_some() {
        let text = format!(
            "{label} is a copy that only skopeo understands: 'skopeo copy dir:… oci:…' makes a \
             layout of it"
        );
        return Err(Error::new(Kind::Unsupported, text));
    }
    if files.find(MANIFEST_FILE)?.is_some() {
        let image = SavedImage::open(&label, &files, asked, context)?;
        return Ok(Box::new(image));
    }
    let text = match files.find(OLD_FILE)? {
        Some(_) => format!(
            "{label} was written by Docker before 1.10: it has '{OLD_FILE}' but no \
             '{MANIFEST_FILE}', which is not supported"
        ),
        None => format!(
            "{label} is no image of OCI or Docker: it has neither '{MARKER_FILE}' nor \
             '{MANIFEST_FILE}'; import-tar and import-fs take trees"
        ),
    };
    Err(Error::new(Kind::Unsupported, text))
}

/// A document that is refused, with its kind.
pub(super) fn document_error(doing: String, error: oci::Error) -> Error {
    let kind = match error {
        oci::Error::Unsupported(_) => Kind::Unsupported,
        oci::Error::TooLarge(_) => Kind::TooLarge,
        oci::Error::Json(_) | oci::Error::Invalid(_) | oci::Error::Ambiguous(_) => Kind::Document,
    };
    Error::caused(kind, doing, error)
}

/// The bytes of a document that stand in its descriptor, proven.
fn data_of(label: &str, descriptor: &Descriptor, limit: u64) -> Result<Option<Vec<u8>>> {
    if descriptor.size > limit {
        let text = format!(
            "A document of {label} has {} bytes, where there may be {limit}",
            descriptor.size
        );
        return Err(Error::new(Kind::TooLarge, text));
    }
    let Some(data) = &descriptor.data else {
        return Ok(None);
    };
    prove(label, descriptor, data)?;
    Ok(Some(data.clone()))
}

/// A document: what its descriptor has, or what the part holds that it leads to. It is proven.
///
/// # Errors
/// As [`data_of`], [`Part::read`] and [`prove`].
pub(super) fn document(
    label: &str,
    (descriptor, limit): (&Descriptor, u64),
    part: impl FnOnce() -> Result<Part>,
) -> Result<Vec<u8>> {
    if let Some(data) = data_of(label, descriptor, limit)? {
        return Ok(data);
    }
    let bytes = part()?.read(&descriptor.digest.to_string(), limit)?;
    prove(label, descriptor, &bytes)?;
    Ok(bytes)
}

/// A blob that lies in a file: nothing of it need be kept.
pub(super) fn blob(part: &Part, cancel: &Cancel) -> Blob<'static> {
    Blob {
        body: part.flow(cancel),
        resumed: 0,
        follower: None,
        end: Box::new(|_result| false),
    }
}

/// Whether bytes are those of a descriptor.
///
/// # Errors
/// [`Kind::Corrupt`] if they are not.
fn prove(label: &str, descriptor: &Descriptor, bytes: &[u8]) -> Result<()> {
    let found = digest_of(bytes, descriptor.digest.digest().algorithm());
    if found == descriptor.digest && bytes.len() as u64 == descriptor.size {
        return Ok(());
    }
    let text = format!(
        "A document of {label} is not what its descriptor says: {} of {} bytes",
        descriptor.digest, descriptor.size
    );
    Err(Error::new(Kind::Corrupt, text))
}
