//! A download begins, or goes on.

use super::record::{Head, RECORD_MAX, Record};
use super::writer::{Files, RESERVE_BYTES, Writer};
use super::{Subject, Turn, off, prefix};
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::report::size;
use crate::source::ask::{Answer, Ask, Resume, Validator};
use crate::source::remote::{Fetcher, Remote};
use crate::stage::chunks::{Copied, Then};
use crate::stage::digest::Follower;
use importd_host::cancel::Cancelled;
use importd_host::partial::{Claim, File, Limits};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

/// Downloads below this are not kept, in bytes: they are fetched again in less time than it takes to
/// notice.
const KEPT_MIN: u64 = 4 << 20;

/// What earlier tries left, as far as it is good.
pub(crate) struct Found {
    head: Head,
    /// Bytes that are good, from the start on.
    good: u64,
    part: OwnedFd,
    record: std::fs::File,
}

/// A body from its first byte on, wherever its bytes come from.
pub(crate) struct Opened {
    /// All bytes, and what is known of them.
    pub(crate) remote: Remote,
    /// How many of them are here already.
    pub(crate) resumed: u64,
    /// Keeps what comes.
    pub(crate) follower: Option<Box<dyn Follower>>,
}

impl Found {
    /// Where to go on. Of bytes that are all here the last one is asked for once more: the answer
    /// says whether the server still has this version.
    fn resume(&self) -> Resume {
        Resume {
            offset: self.good.min(self.head.length - 1),
            validator: self.head.validator.clone(),
        }
    }

    /// Whether an answer is the rest of what is here.
    fn continues_as(&self, remote: &Remote) -> bool {
        let is_same = match &self.head.validator {
            Some(Validator::Etag(etag)) => remote.etag.as_ref().is_none_or(|other| other == etag),
            Some(Validator::LastModified(time)) => {
                remote.last_modified.is_none_or(|other| other == *time)
            }
            // Proven in the end.
            None => true,
        };
        is_same && remote.offset == self.resume().offset && remote.length == Some(self.head.length)
    }
}

impl Turn<'_> {
    /// Asks for the address: for the rest, if there is a start of it here, else for all. The answer
    /// is to be given to [`Turn::join`].
    ///
    /// # Errors
    /// As [`Fetcher::ask`].
    pub(crate) fn ask(&self, fetcher: &Fetcher, ask: Ask<'_>, context: &Context) -> Result<Answer> {
        self.settle();
        self.keep_found(None);
        let Some(found) = self.find(context)? else {
            return fetcher.ask(ask);
        };
        let resume = found.resume();
        let answer = fetcher.ask(Ask {
            resume: Some(&resume),
            ..ask
        })?;
        match answer {
            Answer::Body(remote) if found.continues_as(&remote) => {
                self.keep_found(Some(found));
                Ok(Answer::Body(remote))
            }
            // A part of something else.
            Answer::Body(remote) if remote.offset > 0 => fetcher.ask(ask),
            whole_or_unchanged => Ok(whole_or_unchanged),
        }
    }

    fn keep_found(&self, found: Option<Found>) {
        if let Ok(mut kept) = self.found.lock() {
            *kept = found;
        }
    }

    /// Puts what is here before what comes, and writes down what comes. Others may download the
    /// address meanwhile if nothing is, and `may_release`.
    ///
    /// # Errors
    /// When what is here cannot be read.
    pub(crate) fn join(
        &self,
        mut remote: Remote,
        may_release: bool,
        context: &Context,
    ) -> Result<Opened> {
        let found = self.found.lock().ok().and_then(|mut found| found.take());
        let resumed = found.as_ref().map_or(0, |_| remote.offset);
        let files = match found {
            Some(found) => {
                let failed = || "Failed to read what was kept of the download".to_owned();
                let (start, files) = self.go_on(found, &remote).doing(failed)?;
                context.report.info(format!(
                    "Continuing at {} of {}, kept from an earlier download.",
                    size(resumed),
                    size(remote.length.unwrap_or(resumed)),
                ));
                remote.body = Box::new(Then::new(Copied::new(start), remote.body));
                remote.offset = 0;
                files
            }
            None => self.begin(&remote, context).unwrap_or_else(|error| {
                off(context, &error);
                None
            }),
        };
        let follower = files.and_then(|files| self.follower(files, context));
        if follower.is_none() && may_release {
            self.release();
        }
        Ok(Opened {
            remote,
            resumed,
            follower,
        })
    }

    fn follower(&self, files: Files, context: &Context) -> Option<Box<dyn Follower>> {
        let (sender, done) = sync_channel(0);
        *self.done.lock().ok()? = Some(done);
        *self.files.lock().ok()? = Some(files);
        let report = context.report.clone();
        Some(Box::new(Writer::new(
            Arc::clone(&self.files),
            report,
            sender,
        )))
    }

    /// What is here of the address. What makes no sense is removed.
    fn find(&self, context: &Context) -> Result<Option<Found>> {
        let Some(claim) = self.claim() else {
            return Ok(None);
        };
        match find(&claim, &self.subject, context) {
            Ok(Some(found)) => Ok(Some(found)),
            Err(error) if Cancelled::is(&error) => Err(Error::cancelled()),
            other => {
                if let Err(error) = other {
                    off(context, &error);
                }
                claim.forget().unwrap_or(());
                Ok(None)
            }
        }
    }

    /// The bytes that are here, and the files, ready for the rest.
    fn go_on(
        &self,
        found: Found,
        remote: &Remote,
    ) -> io::Result<(impl Read + Send + use<>, Option<Files>)> {
        // The files are written to by position, and read by this handle only.
        let mut start = std::fs::File::from(found.part.try_clone()?);
        start.rewind()?;
        let files = self.claim().map(|claim| Files {
            claim,
            part: Some(found.part),
            record: found.record,
            is_new: false,
            kept: found.good,
            marked: found.good,
        });
        Ok((start.take(remote.offset), files))
    }

    /// Begins to keep a download; `None` if it is not to be kept.
    fn begin(&self, remote: &Remote, context: &Context) -> io::Result<Option<Files>> {
        let (Some(store), Some(claim)) = (self.store, self.claim()) else {
            return Ok(None);
        };
        claim.forget()?;
        let length = remote.length.filter(|length| *length >= KEPT_MIN);
        let validator = Validator::of(remote).filter(|_| !self.subject.is_proven);
        let Some(length) = length.filter(|_| validator.is_some() || self.subject.is_proven) else {
            return Ok(None);
        };
        let (has_room, _) = store.sweep(&Limits::USUAL, Some(&self.key), length)?;
        if !has_room || claim.free_bytes()? < length.saturating_add(RESERVE_BYTES) {
            context
                .report
                .debug("There is no room to keep the download until it is complete.");
            return Ok(None);
        }
        let head = Head {
            url: self.subject.address.clone(),
            validator,
            length,
        };
        let part = claim.make(File::Part)?;
        let mut record = std::fs::File::from(claim.make(File::Record)?);
        record.write_all(head.text().as_bytes())?;
        Ok(Some(Files {
            claim,
            part: Some(part),
            record,
            is_new: true,
            kept: 0,
            marked: 0,
        }))
    }
}

fn find(claim: &Claim, subject: &Subject, context: &Context) -> io::Result<Option<Found>> {
    let (Some(part), Some(record)) = (
        claim.open_optional(File::Part)?,
        claim.open_optional(File::Record)?,
    ) else {
        return Ok(None);
    };
    let mut record = std::fs::File::from(record);
    let mut bytes = Vec::new();
    (&record).take(RECORD_MAX).read_to_end(&mut bytes)?;
    let Some(Record { head, marks }) = Record::parse(&bytes) else {
        return Ok(None);
    };
    let part_bytes = u64::try_from(rustix::fs::fstat(&part)?.st_size).unwrap_or(u64::MAX);
    let is_it = head.url == subject.address && head.validator.is_none() == subject.is_proven;
    if !is_it || part_bytes > head.length || head.length < KEPT_MIN {
        return Ok(None);
    }
    let good = prefix::good_marks(part.as_fd(), &marks, &context.cancel)?;
    let Some(last) = good.checked_sub(1).and_then(|last| marks.get(last)) else {
        return Ok(None);
    };
    record.set_len(last.end)?;
    record.seek(SeekFrom::Start(last.end))?;
    rustix::fs::ftruncate(&part, last.offset)?;
    Ok(Some(Found {
        good: last.offset,
        head,
        part,
        record,
    }))
}
