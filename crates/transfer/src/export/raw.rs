//! An image becomes a disk image file or a stream of one.

use super::Request;
use super::output::Output;
use super::picture::{Picture, share_alike};
use super::qcow2;
use crate::cage;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::import::report_success;
use crate::sink::raw::{carry, copy_pieces};
use crate::stage::BUFFER_BYTES;
use crate::stage::behind::Behind;
use crate::stage::meter::percent;
use importd_api::failure::Kind;
use importd_api::format::Format;
use importd_formats::codec;
use importd_formats::disk;
use importd_host::canvas::Canvas;
use importd_host::copy;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;

/// Exports a disk image.
///
/// # Errors
/// [`Kind::NotFound`], [`Kind::IsDirectory`] for a tree, what the source and the output say.
pub fn run(request: &Request, context: &Context) -> Result<()> {
    let path = request.path()?;
    let picture = Picture::open(&path, &context.report)?;
    let output = match &request.file {
        Some(file) => Output::file(file, context)?,
        None => Output::standard()?,
    };
    request.announce(&path, context);
    cage::enter_export(&path, output.folder(), context)?;

    let progress = |bytes: u64| {
        context.report.moved(bytes, Some(picture.size));
        let now = percent(bytes, picture.size);
        if now < 100 && context.report.progress(now) {
            context.report.info(format!("Exported {now}%."));
        }
    };
    if request.disk == disk::Format::Qcow2 {
        qcow2::write(&picture, &output, request, &progress, context)?;
    } else if request.format == Format::Uncompressed && output.is_fresh_file() {
        let failed = || format!("Failed to write '{}'", output.label());
        write_file(&picture, &output, &progress, context).doing(failed)?;
    } else {
        write_stream(&picture, &output, request, &progress, context)?;
    }
    carry::adopt(output.fd(), picture.original());
    output.finish()?;
    report_success(context);
    Ok(())
}

/// Fills a new file: shared where the file systems can, else by all cores, holes kept.
fn write_file(
    picture: &Picture,
    output: &Output,
    progress: &(dyn Fn(u64) + Sync),
    context: &Context,
) -> io::Result<()> {
    share_alike(picture.fd(), output.fd());
    if copy::clone_file(picture.fd(), output.fd())? {
        return Ok(());
    }
    let canvas = Canvas::blank(output.fd())?;
    let cancel = &context.cancel;
    copy_pieces(picture.fd(), picture.size, &canvas, progress, cancel)?;
    canvas.finish(picture.size)
}

/// Writes a stream, packed or not.
fn write_stream(
    picture: &Picture,
    output: &Output,
    request: &Request,
    progress: &(dyn Fn(u64) + Sync),
    context: &Context,
) -> Result<()> {
    let failed = || format!("Failed to write '{}'", output.label());
    let tell = |bytes: u64| -> io::Result<()> {
        context.cancel.check()?;
        progress(bytes);
        Ok(())
    };
    let behind = Behind::new(output.writer(context)?, context.cancel.clone()).doing(failed)?;
    let mut encoder = codec::encoder(request.codec(), behind, request.encode_options())
        .map_err(|error| Error::caused(Kind::Unsupported, "Failed to set up packing", error))?;
    stream(picture.fd(), picture.size, &mut encoder, tell).doing(failed)?;
    let behind = encoder.finish().doing(failed)?;
    behind.finish().doing(failed)?;
    Ok(())
}

/// Writes the whole image; holes are not read.
fn stream(
    source: BorrowedFd<'_>,
    size: u64,
    sink: &mut dyn Write,
    tell: impl Fn(u64) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let zeros = vec![0; BUFFER_BYTES];
    let mut position = 0;
    for (offset, length) in copy::data_extents(source, size)? {
        while position < offset {
            let now = chunk(offset - position, zeros.len());
            sink.write_all(&zeros[..now])?;
            position += now as u64;
            tell(position)?;
        }
        let end = offset + length;
        while position < end {
            let now = chunk(end - position, buffer.len());
            let got = copy::read_at(source, &mut buffer[..now], position)?;
            if got == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            sink.write_all(&buffer[..got])?;
            position += got as u64;
            tell(position)?;
        }
    }
    while position < size {
        let now = chunk(size - position, zeros.len());
        sink.write_all(&zeros[..now])?;
        position += now as u64;
        tell(position)?;
    }
    Ok(())
}

fn chunk(left: u64, most: usize) -> usize {
    usize::try_from(left).map_or(most, |left| left.min(most))
}
