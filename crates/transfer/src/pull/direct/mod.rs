//! `systemd-pull --direct`: a download goes to a path or to standard output. It has no companion
//! files, and no copy of it is kept.
//!
//! | target | what a failed download does to it |
//! |---|---|
//! | a path that is not there, a file | nothing: a hidden file beside it is renamed once it is proven |
//! | a folder that is not there, or is to be replaced | nothing, likewise |
//! | a folder that is there | filled in place; emptied again if it was empty |
//! | a device, a range, a file with several names | written in place; it is told how far |
//! | standard output | nothing: bytes are held back until they are proven |
//!
//! With `--verify=no` nothing is to be proven, and standard output gets the bytes as they come. What
//! a server sends with an error never gets to any of them.
//!
//! What becomes another version while it is fetched is begun anew, as long as the target can bear it:
//! not if a folder with something in it was filled in part, or bytes have gone to standard output.
//!
//! # Source
//! systemd-sysupdate drives downloads this way, see sysupdate.d(5).

mod hold;
pub mod output;
pub mod raw;
pub mod tar;

use super::partial::{Subject, Turn};
use super::{Download, Request};
use crate::context::Context;
use crate::destination::Destination;
use crate::error::Result;
use crate::proof::Expectation;
use crate::sink::raw::Range;
use crate::source::remote::Fetcher;

/// Where a download goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// To standard output.
    Output,
    /// To a path.
    Path(Destination),
}

/// A download whose evidence has been judged.
struct Started {
    expected: Expectation,
    download: Download,
    /// Of a download of which nothing is kept.
    turn: Turn<'static>,
}

impl Request {
    /// The first line.
    fn announce(&self, place: &Place, range: Option<Range>, context: &Context) {
        let url = &self.url;
        context.report.info(match (place, range) {
            (Place::Output, _) => format!("Pulling '{url}'."),
            (Place::Path(path), None) => format!("Pulling '{url}', saving as '{path}'."),
            (Place::Path(path), Some(Range { offset, .. })) => {
                format!("Pulling '{url}', saving at offset {offset} in '{path}'.")
            }
        });
    }

    /// Judges the evidence and starts the download.
    fn started(&self, fetcher: &Fetcher, context: &Context) -> Result<Started> {
        let expected = self.claims(fetcher, context)?.expect_image()?;
        let turn = Turn::none(Subject::of_url(&self.url));
        let download = self.download(fetcher, &expected, &turn, context)?;
        Ok(Started {
            expected,
            download,
            turn,
        })
    }
}
