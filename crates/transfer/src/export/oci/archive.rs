//! An archive with one image.
//!
//! The list comes first: whoever reads the archive as it comes knows what the blobs are for.

use super::super::output::Output;
use super::blobs::{Blob, Data};
use super::build::Built;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::stage::behind::Behind;
use importd_api::failure::Kind;
use importd_formats::oci::layout::{BLOBS_FOLDER, INDEX_FILE, Listing, MARKER, MARKER_FILE};
use importd_formats::tar::{self, Entry, Writer};
use std::io::Write;
use std::os::fd::OwnedFd;

/// Size of the buffer for blobs, in bytes.
const COPY_BYTES: usize = 256 << 10;
/// Mode of files in the archive.
const FILE_MODE: u32 = 0o644;
/// Mode of folders in the archive.
const FOLDER_MODE: u32 = 0o755;

/// Writes an image as an archive.
///
/// # Errors
/// What the target says.
pub(super) fn write(
    image: &Built,
    tag: Option<&str>,
    output: &Output,
    context: &Context,
) -> Result<()> {
    let failed = || format!("Failed to write '{}'", output.label());
    let listing = Listing::default()
        .with(&image.listed(), tag)
        .map_err(|error| Error::caused(Kind::Document, failed(), error))?;
    let behind = Behind::new(output.writer(context)?, context.cancel.clone()).doing(failed)?;
    let mut writer = Writer::new(behind);
    let bytes = |writer: &mut Writer<_>, name: &str, bytes: &[u8]| {
        begin(writer, name, bytes.len() as u64)
            .and_then(|()| writer.write_data(bytes))
            .and_then(|()| writer.end_entry())
            .map_err(|error| written(failed(), error))
    };
    bytes(&mut writer, MARKER_FILE, MARKER)?;
    bytes(&mut writer, INDEX_FILE, &listing)?;
    let folders = [
        format!("{BLOBS_FOLDER}/"),
        format!("{BLOBS_FOLDER}/sha256/"),
    ];
    for folder in &folders {
        let mut entry = Entry::new(folder.as_bytes().to_vec(), tar::Kind::Directory);
        entry.mode = FOLDER_MODE;
        writer
            .begin(&entry, None)
            .and_then(|()| writer.end_entry())
            .map_err(|error| written(failed(), error))?;
    }
    // Documents before layers.
    let [manifest, blobs] = [std::slice::from_ref(&image.manifest), &image.blobs[..]];
    let documents = blobs.iter().filter(|blob| !blob.is_layer());
    let layers = blobs.iter().filter(|blob| blob.is_layer());
    for blob in manifest.iter().chain(documents).chain(layers) {
        let name = format!("{BLOBS_FOLDER}/sha256/{}", blob.stored.digest.hex());
        match &blob.data {
            Data::Bytes(document) => bytes(&mut writer, &name, document)?,
            Data::File(file) => copy(&mut writer, &name, blob, file, context)?,
        }
    }
    let behind = writer.finish().map_err(|error| written(failed(), error))?;
    behind.finish().doing(failed).map(drop)
}

fn begin<W: Write>(
    writer: &mut Writer<W>,
    name: &str,
    size: u64,
) -> std::result::Result<(), tar::Error> {
    let mut entry = Entry::new(name.as_bytes().to_vec(), tar::Kind::File);
    (entry.mode, entry.size) = (FILE_MODE, size);
    writer.begin(&entry, None)
}

fn copy<W: Write>(
    writer: &mut Writer<W>,
    name: &str,
    blob: &Blob,
    file: &OwnedFd,
    context: &Context,
) -> Result<()> {
    let failed = || format!("Failed to write blob {}", blob.stored.digest);
    begin(writer, name, blob.stored.size).map_err(|error| written(failed(), error))?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut offset = 0;
    loop {
        context.cancel.check().doing(failed)?;
        let got = rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut buffer[..], offset));
        let got = got.doing(failed)?;
        if got == 0 {
            break;
        }
        writer
            .write_data(&buffer[..got])
            .map_err(|error| written(failed(), error))?;
        offset += got as u64;
    }
    writer.end_entry().map_err(|error| written(failed(), error))
}

fn written(doing: String, error: tar::Error) -> Error {
    match error {
        tar::Error::Io(error) => Error::io(doing, error),
        error => Error::caused(Kind::Io, doing, error),
    }
}
