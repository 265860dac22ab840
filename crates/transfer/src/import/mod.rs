//! Bytes of this machine become an image: `systemd-import tar|raw|oci`, `systemd-import-fs run`.

pub mod fs;
pub mod oci;
pub mod raw;
mod snapshot;
pub mod tar;

use crate::companions;
use crate::context::Context;
use crate::destination::Destination;
use crate::error::Result;
use crate::install::{Manner, Root};
use crate::owners::Need;
use crate::proof::Proven;
use crate::report::size;
use crate::source::file::Input;
use crate::stage::ahead::Ahead;
use crate::stage::chunks::Copied;
use crate::stage::meter::{Count, Meter, Observer, percent};
use crate::stage::sniff;
use importd_api::figures::Phase;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Least time between two lines about how much of a pipe has come.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// What to import, as checked by the command line.
#[derive(Clone, Debug)]
pub struct Request {
    /// The source; `None` is standard input.
    pub source: Option<PathBuf>,
    /// Where it goes.
    pub destination: Destination,
    /// How it gets there.
    pub target: crate::context::Target,
}

impl Request {
    /// What it takes to remove a tree that a disk image replaces.
    #[must_use]
    pub fn need_to_replace(&self) -> Need {
        match &self.destination {
            Destination::Image(name) => {
                Need::to_remove(&self.target.places.root, |old| old == name.as_str())
            }
            Destination::Path(_) => Need::Visit,
        }
    }

    /// Opens the source; `offset` is that in the target, in bytes.
    fn open(&self, offset: Option<u64>, context: &Context) -> Result<Input> {
        let input = match &self.source {
            Some(path) => Input::open(path)?,
            None => Input::standard()?,
        };
        context.report.phase(Phase::Reading);
        let (label, destination) = (&input.label, &self.destination);
        context.report.info(match offset {
            Some(offset) => {
                format!("Importing '{label}', saving at offset {offset} in '{destination}'.")
            }
            None => format!("Importing '{label}', saving as '{destination}'."),
        });
        Ok(input)
    }

    /// Gives an image its name, or puts it at its path.
    fn install(
        &self,
        proven: Proven,
        (root, file_name): (&Root, &OsStr),
        manner: Manner,
        context: &Context,
    ) -> Result<()> {
        match &self.destination {
            Destination::Image(name) => {
                companions::install(proven, root, (name, file_name), &self.target, context)?;
            }
            Destination::Path(_) => {
                proven.install(root, file_name, manner, context)?;
            }
        }
        Ok(())
    }
}

/// Reports progress by the bytes of the source that were read.
pub(crate) fn observer(context: &Context, length: Option<u64>) -> Observer {
    let report = context.report.clone();
    let mut told = Instant::now();
    Box::new(move |bytes| {
        let Some(length) = length else {
            report.moved_of_unknown(bytes);
            // Of a pipe nobody knows how much is left, only how much has come.
            if told.elapsed() >= LINE_INTERVAL {
                told = Instant::now();
                report.info(format!("Imported {}.", size(bytes)));
            }
            return;
        };
        report.moved(bytes, Some(length));
        let now = percent(bytes, length);
        // The last report is made when the image is installed.
        if now < 100 && report.progress(now) {
            report.info(format!("Imported {now}%."));
        }
    })
}

/// The decoded bytes of an input, read ahead.
pub(crate) fn unpacked(input: Input, context: &Context) -> Result<Ahead> {
    unpacked_and_counted(input, context).map(|(unpacked, _)| unpacked)
}

/// The decoded bytes of an input, read ahead, and how many bytes of the input were read.
fn unpacked_and_counted(input: Input, context: &Context) -> Result<(Ahead, Count)> {
    let observer = observer(context, input.length);
    let reader = input.into_reader(context.cancel.clone());
    let meter = Meter::new(reader, context.cancel.clone(), observer);
    let packed = meter.count();
    let (codec, unpacked) = sniff::unpacked(Box::new(Copied::new(meter)))?;
    context
        .report
        .debug(format!("The source is {}.", codec.name()));
    let unpacked =
        Ahead::of(unpacked).map_err(|error| crate::Error::io("Failed to start reading", error))?;
    Ok((unpacked, packed))
}

/// The last lines of a transfer that went well.
pub(crate) fn report_success(context: &Context) {
    context.report.progress(100);
    context.report.info("Operation completed successfully.");
}
