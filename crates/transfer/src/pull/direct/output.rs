//! A file is downloaded to standard output.
//!
//! Whoever reads it cannot take back what was read: the bytes are held back until they are proven.
//! Small files, such as lists of versions, wait in memory, larger ones in a file without a name.

use super::hold::Hold;
use super::raw::SCRATCH;
use super::{Place, Started};
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::export::output::Output;
use crate::import::report_success;
use crate::pull::Request;
use crate::sink::raw::Bounds;
use crate::source::remote::Fetcher;
use crate::stage::ahead::Ahead;
use crate::stage::behind::Behind;
use importd_api::failure::Kind;
use importd_api::verify::Verify;
use importd_formats::disk::Format;
use importd_host::dir::Dir;
use importd_host::sandbox::CapabilitySet;
use std::io::{BufRead, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Mutex;

/// Pulls bytes to standard output.
///
/// # Errors
/// [`Kind::InvalidArgument`] if the bytes are to be converted; by kind as the stages say.
pub fn run(request: &Request, bounds: Bounds, context: &Context) -> Result<()> {
    if bounds.format != Some(Format::Raw) {
        let text = "--input-format= needs a path to write to, not standard output";
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    request.announce(&Place::Output, None, context);
    let output = Output::standard()?;
    let failed = || format!("Failed to write to '{}'", output.label());
    // Made while the folder can be reached; what cannot be made is missed only by a large file.
    let scratch = unnamed_file();
    let fetcher = request.confined([None, None], CapabilitySet::empty(), context)?;
    let writer = output.writer(context)?;
    let mut writer = Behind::new(writer, context.cancel.clone()).doing(failed)?;
    if request.verify == Verify::No {
        let Started { mut download, .. } = request.started(&fetcher, context)?;
        pass(&mut download.body, bounds, &mut writer)
            .map_err(|error| request.failed_body(error))?;
        request.received(download.pending, context)?;
    } else {
        let hold = Mutex::new(Hold::new(scratch));
        request.until_settled(context, || {
            let mut hold = hold.lock().map_err(|_poison| lost())?;
            held_back(request, &fetcher, bounds, &mut hold, context)
        })?;
        let hold = hold.into_inner().map_err(|_poison| lost())?;
        hold.deliver(&mut writer).doing(failed)?;
    }
    writer.finish().doing(failed)?;
    report_success(context);
    Ok(())
}

/// Fetches and proves what is not given out yet.
fn held_back(
    request: &Request,
    fetcher: &Fetcher,
    bounds: Bounds,
    hold: &mut Hold,
    context: &Context,
) -> Result<()> {
    hold.clear();
    let Started {
        expected,
        mut download,
        ..
    } = request.started(fetcher, context)?;
    pass(&mut download.body, bounds, hold).map_err(|error| request.failed_body(error))?;
    let received = request.received(download.pending, context)?;
    expected.check(&request.label(&download.origins), &received)
}

fn lost() -> Error {
    Error::new(Kind::Io, "What was held back is lost")
}

/// Passes a body on, as far as it may go.
fn pass(body: &mut Ahead, bounds: Bounds, to: &mut impl Write) -> Result<u64> {
    let mut total = 0u64;
    loop {
        let data = body
            .fill_buf()
            .doing(|| "Failed to decode and write".into())?;
        if data.is_empty() {
            return Ok(total);
        }
        let length = data.len();
        total += length as u64;
        bounds.check(total)?;
        to.write_all(data)
            .doing(|| "Failed to pass the download on".into())?;
        body.consume(length);
    }
}

fn unnamed_file() -> Result<OwnedFd> {
    let failed = || format!("Failed to make a file in '{SCRATCH}' to hold the download in");
    Dir::open(Path::new(SCRATCH))
        .and_then(|folder| folder.make_unnamed())
        .doing(failed)
}
