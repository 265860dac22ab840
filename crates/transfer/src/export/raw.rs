//! An image becomes a disk image file or a stream of one.

use super::Request;
use super::output::Output;
use crate::cage;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::import::report_success;
use crate::stage::BUFFER_BYTES;
use crate::stage::behind::Behind;
use crate::stage::meter::percent;
use importd_api::failure::Kind;
use importd_api::format::Format;
use importd_formats::codec;
use importd_host::copy;
use rustix::fs::{FileType, Mode, OFlags};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Exports a disk image.
///
/// # Errors
/// [`Kind::NotFound`], [`Kind::IsDirectory`] for a tree, what the source and the output say.
pub fn run(request: &Request, context: &Context) -> Result<()> {
    let path = request.path()?;
    let (source, size) = open(&path)?;
    let output = match &request.file {
        Some(file) => Output::file(file, context)?,
        None => Output::standard()?,
    };
    request.announce(&path, context);
    cage::enter_export(&path, output.folder(), context)?;

    let failed = || format!("Failed to write '{}'", output.label());
    let progress = |bytes: u64| -> io::Result<()> {
        context.cancel.check()?;
        let now = percent(bytes, size);
        if now < 100 && context.report.progress(now) {
            context.report.info(format!("Exported {now}%."));
        }
        Ok(())
    };
    if request.format == Format::Uncompressed && output.is_fresh_file() {
        if !copy::clone_file(source.as_fd(), output.fd()).doing(failed)? {
            copy::copy_sparse(source.as_fd(), output.fd(), size, &mut |bytes| {
                progress(bytes)
            })
            .doing(failed)?;
        }
    } else {
        let behind = Behind::new(output.writer(context)?, context.cancel.clone()).doing(failed)?;
        let mut encoder = codec::encoder(request.codec(), behind, Request::encode_options())
            .map_err(|error| Error::caused(Kind::Unsupported, "Failed to set up packing", error))?;
        stream(source.as_fd(), size, &mut encoder, progress).doing(failed)?;
        let behind = encoder.finish().doing(failed)?;
        behind.finish().doing(failed)?;
    }
    output.finish()?;
    report_success(context);
    Ok(())
}

fn open(path: &Path) -> Result<(OwnedFd, u64)> {
    let failed = || format!("Failed to open raw image '{}' for export", path.display());
    // Without waiting: a fifo has no reader's end to wait for here.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let fd = rustix::fs::open(path, flags, Mode::empty()).doing(failed)?;
    let stat = rustix::fs::fstat(&fd).doing(failed)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((fd, u64::try_from(stat.st_size).unwrap_or(0))),
        FileType::BlockDevice => {
            let size = rustix::fs::seek(&fd, rustix::fs::SeekFrom::End(0)).doing(failed)?;
            Ok((fd, size))
        }
        FileType::Directory => {
            let text = format!("'{}' is a tree; export-tar exports trees", path.display());
            Err(Error::new(Kind::IsDirectory, text))
        }
        _ => {
            let text = format!("'{}' is no disk image", path.display());
            Err(Error::new(Kind::BadDescriptor, text))
        }
    }
}

/// Writes the whole image; holes are not read.
fn stream(
    source: BorrowedFd<'_>,
    size: u64,
    sink: &mut dyn Write,
    progress: impl Fn(u64) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let zeros = vec![0; BUFFER_BYTES];
    let mut position = 0;
    for (offset, length) in copy::data_extents(source, size)? {
        while position < offset {
            let now = chunk(offset - position, zeros.len());
            sink.write_all(&zeros[..now])?;
            position += now as u64;
            progress(position)?;
        }
        let end = offset + length;
        while position < end {
            let now = chunk(end - position, buffer.len());
            let got = rustix::io::pread(source, &mut buffer[..now], position)?;
            if got == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            sink.write_all(&buffer[..got])?;
            position += got as u64;
            progress(position)?;
        }
    }
    while position < size {
        let now = chunk(size - position, zeros.len());
        sink.write_all(&zeros[..now])?;
        position += now as u64;
        progress(position)?;
    }
    Ok(())
}

fn chunk(left: u64, most: usize) -> usize {
    usize::try_from(left).map_or(most, |left| left.min(most))
}
