//! A stream of a disk image that can only be read out of order is put into a file first.
//!
//! qcow2 and its kin say where a block is anywhere in the file. The file has no name, so that a
//! killed transfer leaves nothing. It lies where the image will be: what stands in it as it is is
//! shared with the image where the file system can. A download is proven before it is looked into.

use super::Bounds;
use crate::error::{Doing, Error, Result};
use crate::stage::ahead::Ahead;
use importd_api::failure::Kind;
use importd_host::canvas::Canvas;
use importd_host::dir::Dir;
use importd_host::sparse::SparseWriter;
use std::io::BufRead;
use std::os::fd::{AsFd, OwnedFd};

/// What an image file may have beside the bytes of its disk: one part in so many, for tables …
const TABLES_SHARE: u64 = 16;
/// … and so many bytes, for headers and embedded descriptions.
const TABLES_BYTES: u64 = 64 << 20;

/// The rest of a stream as a file without a name in `folder`, and its length in bytes.
///
/// # Errors
/// [`Kind::SizeLimit`] for far more bytes than the disk may have; what the source and the file
/// system say.
pub(super) fn spool(source: &mut Ahead, bounds: Bounds, folder: &Dir) -> Result<(OwnedFd, u64)> {
    let failed = || "Failed to keep the disk image for its conversion".to_owned();
    let file = folder.make_unnamed().doing(failed)?;
    let canvas = Canvas::blank(file.as_fd()).doing(failed)?;
    let mut writer = SparseWriter::new(&canvas);
    let most = bounds.size_max.map_or(u64::MAX, |size| {
        size.saturating_add(size / TABLES_SHARE)
            .saturating_add(TABLES_BYTES)
    });
    let mut total = 0u64;
    loop {
        let data = source
            .fill_buf()
            .doing(|| "Failed to decode and write".into())?;
        if data.is_empty() {
            break;
        }
        let length = data.len();
        total += length as u64;
        if total > most {
            let text = format!(
                "The disk image file is larger than {most} bytes; --size-max= sets another limit"
            );
            return Err(Error::new(Kind::SizeLimit, text));
        }
        writer.write_at_end(data).doing(failed)?;
        source.consume(length);
    }
    let size = writer.finish().doing(failed)?;
    Ok((file, size))
}
