//! A tree or a stack goes into a registry: `systemd-pull push`.
//!
//! The image is packed as for a layout, into files without names; then the registry gets what it has
//! not, several blobs at once, and last the manifest under its tag. A push that fails leaves blobs there
//! that nothing names, which registries remove by themselves.

use super::Request as Export;
use super::oci::build::{Built, Packing, build};
use super::oci::{Blob, Blobs, Data, Trees, waiting_room};
use crate::cage;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::import::report_success;
use crate::oci::layout::Part;
use crate::oci::progress::Progress;
use crate::oci::registry::{Credentials, Place, Purpose, Registry, Surroundings};
use crate::report::size;
use crate::source::settings::Settings;
use crate::stage::meter::Meter;
use importd_api::failure::Kind;
use importd_api::figures::Phase;
use importd_api::oci::Reference;
use importd_formats::oci::compose::Wishes;
use importd_formats::oci::{Descriptor, MediaType};
use importd_host::cancel::Cancel;
use std::io::{Cursor, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Most blobs that are uploaded at once: other clients send as many, and some registries take no more.
const UPLOADS_AT_ONCE: usize = 4;
/// Percent of the work that packing is.
const PACKING_SHARE: u64 = 50;

/// What to push, as checked by the command line.
#[derive(Debug)]
pub struct Request {
    /// The image, and how its layers are packed.
    pub image: Export,
    /// What its configuration is to say.
    pub wishes: Wishes,
    /// Where it goes.
    pub reference: Reference,
    /// Where registries are described, and credentials for them are.
    pub registries: Surroundings,
    /// Certificate files that the environment names.
    pub certificates: Vec<PathBuf>,
    /// How patient the network is taken.
    pub network: Settings,
}

/// Pushes an image.
///
/// # Errors
/// [`Kind::InvalidArgument`] for a reference with a digest; [`Kind::Unauthorized`]; as
/// [`super::oci::run`], and what the network says.
pub fn run(request: &Request, context: &Context) -> Result<()> {
    let (reference, report) = (&request.reference, &context.report);
    if reference.digest().is_some() {
        let text = "An image is pushed under a tag: its digest is what it turns out to be";
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    let path = request.image.path()?;
    let trees = Trees::open(&path, context)?;
    let folders = &request.registries.descriptions;
    let place = Place::find(reference, Purpose::Push, folders)?;
    let credentials = Credentials::look_up(&place, &request.registries, context)?;
    let waiting = waiting_room(&request.image.places.root)?;
    report.phase(Phase::Writing);
    report.info(format!("Pushing '{}' to '{reference}'.", path.display()));
    cage::enter_push(&trees.folders(), &waiting, &request.certificates, context)?;
    let fetcher = place.fetcher(&request.network, context)?;
    let tag = place.tag().map(str::to_owned);
    let registry = Registry::open(place, &credentials, &fetcher, None, context)?;
    let packing = Packing {
        codec: request.image.codec(),
        options: request.image.encode_options(),
        wishes: &request.wishes,
        // The other one is to upload.
        steps: 2,
    };
    let image = build(&trees, packing, &Blobs::Unnamed(waiting), context)?;
    send(&registry, &image, context)?;
    let Data::Bytes(manifest) = &image.manifest.data else {
        let text = "The manifest is not in memory";
        return Err(Error::new(Kind::Io, text));
    };
    let digest = registry.put_manifest(manifest, MediaType::MANIFEST, tag.as_deref())?;
    report.info(format!("'{reference}' is {digest} now."));
    report_success(context);
    Ok(())
}

/// Uploads the blobs that the registry has not.
fn send(registry: &Registry<'_>, image: &Built, context: &Context) -> Result<()> {
    let bytes = image.blobs.iter().map(|blob| blob.stored.size);
    let total = bytes.fold(0u64, u64::saturating_add);
    let progress = Progress::new(&context.report, total, PACKING_SHARE..99).told("Pushed");
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
    let upload_some = || {
        while let Some(blob) = image.blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = upload(registry, blob, &progress, context) {
                // The others end with what they are at.
                next.store(image.blobs.len(), Ordering::Relaxed);
                let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(error);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..image.blobs.len().min(UPLOADS_AT_ONCE) {
            scope.spawn(upload_some);
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn upload(
    registry: &Registry<'_>,
    blob: &Blob,
    progress: &Progress,
    context: &Context,
) -> Result<()> {
    let stored = &blob.stored;
    context
        .cancel
        .check()
        .map_err(|error| Error::io("Cancelled", error))?;
    if registry.has_blob(&stored.digest)? {
        let text = format!("The registry has {} already.", stored.digest);
        context.report.debug(text);
        progress.add(stored.size);
        return Ok(());
    }
    context.report.info(format!(
        "Uploading {} of {}.",
        stored.digest,
        size(stored.size)
    ));
    let descriptor = Descriptor {
        media_type: MediaType::parse(&stored.media_type),
        digest: stored.digest,
        size: stored.size,
        data: None,
        platform: None,
    };
    registry.upload(&descriptor, &|| {
        let reader = reader(blob, &context.cancel);
        let observer = progress.observer();
        let metered = Meter::new(reader, context.cancel.clone(), observer);
        Ok(Box::new(metered))
    })
}

/// The bytes of a blob, from the first one on.
fn reader(blob: &Blob, cancel: &Cancel) -> Box<dyn Read + Send> {
    match &blob.data {
        Data::Bytes(bytes) => Box::new(Cursor::new(bytes.clone())),
        Data::File(file) => {
            let part = Part {
                file: Arc::clone(file),
                offset: 0,
                length: blob.stored.size,
            };
            Box::new(part.reader(Some(cancel.clone())))
        }
    }
}
