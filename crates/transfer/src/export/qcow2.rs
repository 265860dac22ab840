//! A disk image becomes a qcow2 file; clusters are packed on all cores.

use super::Request;
use super::output::Output;
use super::picture::Picture;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_api::format::Format;
use importd_formats::disk::qcow2::{Compression, Options, Writer};
use importd_formats::disk::{self, WriteAt};
use importd_host::copy;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// How much is read at a time, in bytes: whole clusters of 64 KiB.
const PIECE_BYTES: u64 = 1 << 20;
/// Bytes of a cluster of what is written.
const CLUSTER_BYTES: u64 = 64 << 10;

/// The output as its writer sees it.
struct File(OwnedFd);

impl WriteAt for File {
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        copy::write_at(self.0.as_fd(), data, offset)
    }
}

/// Writes the image in QEMU's format.
///
/// # Errors
/// [`Kind::InvalidArgument`] for a compression that the format does not have, [`Kind::Unsupported`]
/// for an output that is no new file; what reading and writing say.
pub(super) fn write(
    picture: &Picture,
    output: &Output,
    request: &Request,
    progress: &(dyn Fn(u64) + Sync),
    context: &Context,
) -> Result<()> {
    let failed = || format!("Failed to write '{}'", output.label());
    if !output.is_fresh_file() {
        let text = format!(
            "{}: a qcow2 image is not written in order, which needs a new file",
            failed()
        );
        return Err(Error::new(Kind::Unsupported, text));
    }
    let options = Options {
        compression: compression(request.format)?,
        level: request.level.map(i32::from),
        ..Options::default()
    };
    let file = File(output.fd().try_clone_to_owned().doing(failed)?);
    let mut writer = Writer::new(Box::new(file), picture.size, options).map_err(refused)?;
    let mut buffer = Vec::new();
    let mut position = 0;
    for (offset, length) in copy::data_extents(picture.fd(), picture.size).doing(failed)? {
        position = position.max(offset - offset % CLUSTER_BYTES);
        let end = (offset + length)
            .next_multiple_of(CLUSTER_BYTES)
            .min(picture.size);
        while position < end {
            context.cancel.check().doing(failed)?;
            let now = PIECE_BYTES.min(end - position);
            buffer.resize(usize::try_from(now).unwrap_or(0), 0);
            let got = copy::read_at(picture.fd(), &mut buffer, position).doing(failed)?;
            buffer[got..].fill(0);
            writer.write(position, &buffer).map_err(refused)?;
            position += now;
            progress(position);
        }
    }
    writer.finish().map_err(refused)
}

/// What stands for a compression inside the format.
fn compression(format: Format) -> Result<Compression> {
    match format {
        Format::Uncompressed => Ok(Compression::None),
        Format::Gzip => Ok(Compression::Zlib),
        Format::Zstd => Ok(Compression::Zstd),
        Format::Xz | Format::Bzip2 | Format::Lz4 => {
            let text = format!(
                "A qcow2 image cannot be packed with {}, only with gzip (zlib) or zstd",
                format.as_str()
            );
            Err(Error::new(Kind::InvalidArgument, text))
        }
    }
}

fn refused(error: disk::Error) -> Error {
    let text = "Failed to write the qcow2 image";
    match error {
        disk::Error::Io(error) => Error::io(text, error),
        error => Error::caused(Kind::Unsupported, text, error),
    }
}
