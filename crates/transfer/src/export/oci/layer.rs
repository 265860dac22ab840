//! A layer is packed and hashed.

use super::super::walk::{Part, Walk, Written};
use super::blobs::{Blob, Blobs, stored};
use super::build::Packing;
use super::trees::Layer;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::stage::behind::Behind;
use crate::stage::digest::Running;
use importd_api::failure::Kind;
use importd_formats::checksums::Digest;
use importd_formats::codec::{self, Codec};
use importd_formats::oci::{BlobDigest, MediaType};
use importd_formats::tar::Writer;
use std::fs::File;
use std::io::{self, Write};

/// A packed layer.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) blob: Blob,
    /// The digest of the archive before it was packed.
    pub(super) diff_id: BlobDigest,
}

/// Packs a layer.
///
/// # Errors
/// [`Kind::Unsupported`] for what no layer can say; what the tree and the target say.
pub(super) fn pack(
    layer: &Layer,
    part: Part,
    packing: Packing<'_>,
    blobs: &Blobs,
    context: &Context,
) -> Result<Packed> {
    let failed = || format!("Failed to pack '{}'", layer.label);
    let sheet = blobs.sheet().doing(failed)?;
    let file = File::from(sheet.file.try_clone().doing(failed)?);
    let behind = Behind::new(Tap::new(file), context.cancel.clone()).doing(failed)?;
    let encoder = codec::encoder(packing.codec, behind, packing.options)
        .map_err(|error| Error::caused(Kind::Unsupported, "Failed to set up packing", error))?;
    let tree = layer.folder().try_clone().doing(failed)?;
    let tap = Tap::new(encoder);
    let (writer, written) = context.owners.within(|| {
        let mut walk = Walk::of(tree, Writer::new(tap), (layer.form, part), context)?;
        walk.run()?;
        Ok(walk.finish())
    })?;
    let tap = writer
        .finish()
        .map_err(|error| Error::caused(Kind::Io, failed(), error))?;
    let (encoder, plain, _) = tap.into_parts();
    let behind = encoder.finish().doing(failed)?;
    let (_file, sha256, size) = behind.finish().doing(failed)?.into_parts();
    tell(layer, written, size, context);
    Ok(Packed {
        blob: sheet.complete(stored(media_type(packing.codec), sha256, size)),
        diff_id: Digest::Sha256(plain).into(),
    })
}

fn tell(layer: &Layer, written: Written, size: u64, context: &Context) {
    context.report.debug(format!(
        "Packed {} entries of '{}' with {} of contents into {}.",
        written.entries,
        layer.label,
        crate::report::size(written.bytes),
        crate::report::size(size)
    ));
}

const fn media_type(codec: Codec) -> &'static str {
    match codec {
        Codec::Gzip => MediaType::LAYER_GZIP,
        Codec::Zstd => MediaType::LAYER_ZSTD,
        Codec::None | Codec::Bzip2 | Codec::Xz | Codec::Lz4 => MediaType::LAYER,
    }
}

/// Hashes and counts what passes.
#[derive(Debug)]
struct Tap<W> {
    sink: W,
    sha256: Running,
    bytes: u64,
}

impl<W> Tap<W> {
    fn new(sink: W) -> Self {
        Self {
            sink,
            sha256: Running::default(),
            bytes: 0,
        }
    }

    fn into_parts(self) -> (W, [u8; 32], u64) {
        (self.sink, self.sha256.finish(), self.bytes)
    }
}

impl<W: Write> Write for Tap<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let length = self.sink.write(data)?;
        self.sha256.update(&data[..length]);
        self.bytes += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
