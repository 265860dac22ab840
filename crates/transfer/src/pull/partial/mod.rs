//! What is kept of a download until it is over: the next try goes on from there.
//!
//! The bytes are written down as they were sent, in the folder of [`importd_host::partial`]: beside the
//! image that grows of them, or in it (`image.rs`). A download that succeeds removes them, or leaves them
//! to whoever waits for the same address. One that is cancelled, killed or cut off leaves them to the
//! next try, which asks the server for the rest of the same version, and hashes and unpacks what is here
//! like all else: nothing of it is trusted. Bytes that turn out to be wrong are removed.
//!
//! Nothing is flushed to the disk: at success the files are gone before most of them would have been
//! written. After a power cut the marks of the [record] show how much is still good.
//!
//! Keeping never makes a download fail: without a folder, room or locks nothing is kept.

mod image;
mod listed;
mod open;
mod pace;
mod prefix;
pub mod record;
mod writer;

pub(super) use self::listed::{Unfinished, unfinished};
use self::open::Found;
use self::pace::{PACE_TIME, Pace};
use crate::context::Context;
use crate::error::{Error, Result};
use aws_lc_rs::digest::{Context as Context256, SHA256};
use importd_api::failure::Kind;
use importd_api::url::Url;
use importd_formats::oci::BlobDigest;
use importd_host::cancel::Cancelled;
use importd_host::partial::{Claim, File, Key, Limits, Store};
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use writer::Shared;

/// How often one who waits looks whether the other download is over.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How long the end of a transfer waits until what has come is written down: the stages between have
/// at most some MiB in their queues. What is not written by then comes once more.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// The right to download an address, which one transfer has at a time, and what is kept for it.
pub(crate) struct Turn<'a> {
    store: Option<&'a Store>,
    subject: Subject,
    key: Key,
    /// `None` where nothing can be kept, and for what need not be waited for.
    claim: Mutex<Option<Arc<Claim>>>,
    /// What is here of the bytes that were asked for last.
    found: Mutex<Option<Found>>,
    files: Shared,
    /// The image that grows is what is kept.
    has_image: AtomicBool,
    /// Ends when all that was read is written.
    done: Mutex<Option<Receiver<()>>>,
}

/// What is downloaded.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// The address, without user and password: the same for all who ask for it. Each has to be given
    /// the rest by the server before what is here is looked at.
    address: String,
    /// The address is a digest, and the bytes will be compared with it.
    is_proven: bool,
}

impl Subject {
    /// The bytes of an address.
    pub(crate) fn of_url(url: &Url) -> Self {
        let url = url.without_credentials();
        Self {
            address: url.split('#').next().unwrap_or_default().to_owned(),
            is_proven: false,
        }
    }

    /// The bytes that have a digest, wherever they come from.
    pub(crate) fn of_digest(digest: &BlobDigest) -> Self {
        Self {
            address: digest.to_string(),
            is_proven: true,
        }
    }
}

impl<'a> Turn<'a> {
    /// Waits until no other transfer downloads the address.
    ///
    /// # Errors
    /// The cancel; what `check` says after a wait: the image's name may be taken by then.
    pub(crate) fn take(
        store: Option<&'a Store>,
        subject: Subject,
        check: impl FnOnce() -> Result<()>,
        context: &Context,
    ) -> Result<Self> {
        let key = key(&subject.address);
        let claim = match store {
            Some(store) => match wait_for(store, &key, &subject, context) {
                Err(error) if Cancelled::is(&error) => return Err(Error::cancelled()),
                Err(error) => {
                    off(context, &error);
                    None
                }
                Ok((claim, has_waited)) => {
                    if has_waited {
                        check()?;
                    }
                    claim.map(Arc::new)
                }
            },
            None => None,
        };
        if let Some(store) = store.filter(|_| claim.is_some()) {
            match store.sweep(&Limits::USUAL, Some(&key), 0) {
                Ok((_, 0)) => {}
                Ok((_, count)) => context
                    .report
                    .info(format!("Removed {count} unfinished downloads.")),
                Err(error) => context.report.debug(format!(
                    "Unfinished downloads could not be looked through: {error}"
                )),
            }
        }
        Ok(Self {
            store,
            subject,
            key,
            claim: Mutex::new(claim),
            found: Mutex::default(),
            files: Shared::default(),
            has_image: AtomicBool::default(),
            done: Mutex::default(),
        })
    }

    /// For a download of which nothing is kept.
    pub(crate) fn none(subject: Subject) -> Self {
        Self {
            store: None,
            key: key(&subject.address),
            subject,
            claim: Mutex::default(),
            found: Mutex::default(),
            files: Shared::default(),
            has_image: AtomicBool::default(),
            done: Mutex::default(),
        }
    }

    fn claim(&self) -> Option<Arc<Claim>> {
        self.claim.lock().ok()?.clone()
    }

    /// Lets others download the address too: they have nothing to gain by waiting.
    fn release(&self) {
        if let Ok(mut claim) = self.claim.lock() {
            *claim = None;
        }
    }

    /// Waits until all that was read of an earlier body is written, and closes the files.
    fn settle(&self) {
        let done = self.done.lock().ok().and_then(|mut done| done.take());
        if let Some(done) = done {
            // Nothing is ever sent: this is the end of the writer, or the timeout.
            done.recv_timeout(WRITE_TIMEOUT).unwrap_or(());
        }
        self.close();
    }

    /// Keeps no more.
    fn close(&self) {
        if let Ok(mut files) = self.files.lock() {
            *files = None;
        }
    }

    /// The end of the transfer: keeps what the next try can go on with, or what somebody waits for,
    /// and removes the rest.
    pub(crate) fn end(self, result: &Result<()>, context: &Context) {
        let Some(claim) = self.claim() else { return };
        let keep = match result {
            Ok(()) => claim.is_awaited(),
            // An image that fills the disk is not to stay there.
            Err(error) if self.holds_image() && error.kind == Kind::NoSpace => false,
            Err(error) => is_worth_keeping(error.kind),
        };
        if keep {
            self.settle();
            if matches!(claim.open_optional(File::Record), Ok(Some(_))) {
                return;
            }
        }
        self.close();
        if let Err(error) = claim.forget() {
            context.report.debug(format!(
                "What was kept of the download could not be removed: {error}"
            ));
        }
    }
}

/// Whether the bytes can still be the right ones: what is refused for what it is will be so again.
const fn is_worth_keeping(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Changed
            | Kind::Corrupt
            | Kind::Archive
            | Kind::Unsupported
            | Kind::TooLarge
            | Kind::SizeLimit
    )
}

fn off(context: &Context, error: &io::Error) {
    context
        .report
        .debug(format!("Nothing is kept of the download: {error}"));
}

fn key(url: &str) -> Key {
    let mut context = Context256::new(&SHA256);
    context.update(url.as_bytes());
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(context.finish().as_ref());
    Key::of(&sha256)
}

/// The claim, and whether it had to be waited for; no claim if whoever has it does not get on.
fn wait_for(
    store: &Store,
    key: &Key,
    subject: &Subject,
    context: &Context,
) -> io::Result<(Option<Claim>, bool)> {
    if let Some(claim) = store.claim(key)? {
        return Ok((Some(claim), false));
    }
    let address = &subject.address;
    context
        .report
        .info(format!("Waiting for another download of {address}."));
    let _phase = context.report.waiting();
    let _waiting = store.wait(key)?;
    let mut pace = Pace::new(kept_bytes(store, key));
    loop {
        context.cancel.pause(LOOK_INTERVAL)?;
        if let Some(claim) = store.claim(key)? {
            return Ok((Some(claim), true));
        }
        let is_over = pace.since.elapsed() >= PACE_TIME && subject.is_proven;
        if is_over && pace.is_slow(kept_bytes(store, key)) {
            context.report.info(format!(
                "The other download of {address} does not get on; not waiting any longer."
            ));
            return Ok((None, true));
        }
    }
}

/// Bytes on the disk of what somebody downloads.
fn kept_bytes(store: &Store, key: &Key) -> u64 {
    let entries = store.entries().unwrap_or_default();
    let mut same = entries.iter().filter(|entry| entry.key == *key);
    same.next().map_or(0, |entry| entry.disk_bytes)
}
