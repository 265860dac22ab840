//! Layers on their way: several at once, each proven before anything comes of it.

use super::image::Layer;
use super::progress::Progress;
use super::source::{Blob, End, Source};
use crate::context::Context;
use crate::error::{Doing, Error, Result, chain};
use crate::proof::Expectation;
use crate::pull::DOWNLOAD_SHARE;
use crate::sink::tree::Limits;
use crate::stage::ahead::Ahead;
use crate::stage::batch::Queue;
use crate::stage::chunks::Flow;
use crate::stage::digest::{Digest, Pending, Received};
use crate::stage::exact::Exact;
use crate::stage::meter::{Count, Meter};
use crate::stage::sniff;
use importd_api::failure::Kind;
use importd_formats::codec::Codec;
use importd_formats::oci::BlobDigest;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

/// Most layers on their way at once. Servers that limit each connection give so many times as much; each
/// takes some MiB and a few threads.
pub const LAYERS_AT_ONCE: usize = 10;

/// Size of the buffers of each layer, in bytes: an eighth of what is usual, as there are many layers.
const BUFFER_BYTES: usize = 128 << 10;

/// Where layers come from, and what they may become.
#[derive(Clone, Copy)]
pub struct Fetch<'a> {
    /// Where they come from.
    pub source: &'a dyn Source,
    /// What each may become.
    pub limits: Limits,
    /// Takes lines, and ends it.
    pub context: &'a Context,
}

/// The bytes of a layer, unpacked, on their way to whoever makes a tree of them.
#[derive(Debug)]
pub struct Coming {
    /// The archive.
    pub archive: Ahead,
    /// Counts the bytes that it is unpacked from.
    pub packed: Count,
}

/// A layer that has come, and is proven.
pub struct Arrived<'a, T> {
    /// What was made of it.
    pub made: T,
    /// What the bytes were.
    pub received: Received,
    end: End<'a>,
}

impl std::fmt::Debug for Fetch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetch")
            .field("source", &self.source.label())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl<T> std::fmt::Debug for Arrived<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrived")
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl<T> Arrived<'_, T> {
    /// Makes the last step with what came; whoever gave the blob is told how that ended.
    ///
    /// # Errors
    /// As the step.
    pub fn finish<U>(self, step: impl FnOnce(T, Received) -> Result<U>) -> Result<U> {
        match step(self.made, self.received) {
            Ok(done) => {
                (self.end)(&Ok(()));
                Ok(done)
            }
            Err(error) => Err(called_off(self.end, error).error),
        }
    }
}

impl<'a> Fetch<'a> {
    /// What messages call a layer.
    #[must_use]
    pub fn label(&self, layer: &Layer) -> String {
        format!("layer {} of {}", layer.blob.digest, self.source.label())
    }

    /// Fetches layers, several at once, the first ones first: `make` makes something of each, on a thread
    /// of its own, and `take` takes that, on the caller's. The first failure calls off the others, and with
    /// them the transfer.
    ///
    /// # Errors
    /// The first of what the source, `make` and `take` say; [`Kind::Corrupt`] for a blob that is not what
    /// its digest says.
    pub fn several<T: Send>(
        &self,
        layers: &[(usize, &Layer)],
        make: impl Fn(usize, Coming) -> Result<T> + Sync,
        mut take: impl FnMut(usize, Arrived<'a, T>) -> Result<()>,
    ) -> Result<()> {
        let bytes = layers.iter().map(|(_, layer)| layer.blob.size);
        let total = bytes.fold(0u64, u64::saturating_add);
        let progress = Progress::new(&self.context.report, total, 0..DOWNLOAD_SHARE);
        let next = AtomicUsize::new(0);
        let fetch_some = |arrived: &dyn Fn(usize, Result<Arrived<'a, T>>) -> bool| {
            while let Some((at, layer)) = layers.get(next.fetch_add(1, Ordering::Relaxed)) {
                let result = self.one(layer, &progress, |coming| make(*at, coming));
                let has_failed = result.is_err();
                if !arrived(*at, result) || has_failed {
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            let (arrived_in, arrived) = channel();
            for _ in 0..layers.len().min(LAYERS_AT_ONCE) {
                let (arrived, fetch_some) = (arrived_in.clone(), &fetch_some);
                // Nobody listens any more if another one has failed.
                let work = move || fetch_some(&|at, result| arrived.send((at, result)).is_ok());
                let started = std::thread::Builder::new()
                    .name("layer".into())
                    .spawn_scoped(scope, work);
                started.doing(|| "Failed to start a thread for a layer".into())?;
            }
            drop(arrived_in);
            self.take_all(&arrived, &mut take)
        })
    }

    /// Takes what arrives until nothing more comes.
    fn take_all<T>(
        &self,
        arrived: &Receiver<(usize, Result<Arrived<'a, T>>)>,
        take: &mut dyn FnMut(usize, Arrived<'a, T>) -> Result<()>,
    ) -> Result<()> {
        let mut failure: Option<Error> = None;
        for (at, result) in arrived {
            let result = match (result, &failure) {
                (Ok(layer), None) => take(at, layer),
                (Ok(_too_late), Some(_)) => Ok(()),
                (Err(error), _) => Err(error),
            };
            let Err(error) = result else { continue };
            self.context.cancel.cancel();
            // Those that are called off for the first one's sake have nothing to say.
            let is_first = |first: &Error| first.kind == Kind::Cancelled;
            if failure.as_ref().is_none_or(is_first) {
                failure = Some(error);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Fetches a layer; once more, if what was wrong with it may not be the registry's own.
    fn one<T>(
        &self,
        layer: &Layer,
        progress: &Progress,
        make: impl Fn(Coming) -> Result<T>,
    ) -> Result<Arrived<'a, T>> {
        match self.attempt(layer, progress, &make)? {
            Ok(arrived) => Ok(arrived),
            Err(Failed { error, again: true }) => {
                self.context
                    .report
                    .notice(format!("{}; fetching it anew.", chain(&error)));
                self.attempt(layer, progress, &make)?
                    .map_err(|failed| failed.error)
            }
            Err(failed) => Err(failed.error),
        }
    }

    fn attempt<T>(
        &self,
        layer: &Layer,
        progress: &Progress,
        make: impl FnOnce(Coming) -> Result<T>,
    ) -> Result<std::result::Result<Arrived<'a, T>, Failed>> {
        let Blob {
            body,
            follower,
            end,
            ..
        } = self.source.blob(&layer.blob)?;
        let label = self.label(layer);
        let exact = Exact::new(body, layer.blob.size, label.clone());
        let meter = Meter::new(exact, self.context.cancel.clone(), progress.observer());
        let packed = meter.count();
        let expected = expectation(layer.blob.digest);
        let result = Digest::followed(meter, expected.wanted(), Queue::ONE_OF_MANY, follower)
            .doing(|| format!("Failed to start the download of {label}"))
            .and_then(|(hashed, pending)| {
                let made = unpack(layer, Box::new(hashed), packed, make)?;
                let received = finished(pending, &label)?;
                expected.check(&label, &received)?;
                Ok((made, received))
            });
        match result {
            Ok((made, received)) => {
                self.context.report.info(format!("Got {label}."));
                Ok(Ok(Arrived {
                    made,
                    received,
                    end,
                }))
            }
            Err(error) => Ok(Err(called_off(end, named(error, &label)))),
        }
    }
}

/// Unpacks a layer; if the configuration says what it unpacks to, that is proven too: several unpackers
/// could see several things in one blob.
fn unpack<T>(
    layer: &Layer,
    hashed: Flow,
    packed: Count,
    make: impl FnOnce(Coming) -> Result<T>,
) -> Result<T> {
    let failed = || "Failed to start unpacking".to_owned();
    let (codec, plain) = sniff::unpacked_in(hashed, BUFFER_BYTES)?;
    // What is not packed is proven by the digest of the blob.
    let is_blob = |plain: &BlobDigest| codec == Codec::None && *plain == layer.blob.digest;
    let Some(digest) = layer.plain.filter(|plain| !is_blob(plain)) else {
        let archive = ahead(codec, plain).doing(failed)?;
        return make(Coming { archive, packed });
    };
    let expected = Expectation::Digest {
        digest: digest.digest(),
        said_by: "the image's configuration".into(),
    };
    let (plain, pending) = Digest::with(plain, expected.wanted()).doing(failed)?;
    let archive = ahead(codec, Box::new(plain)).doing(failed)?;
    let made = make(Coming { archive, packed })?;
    let label = format!("What layer {} unpacks to", layer.blob.digest);
    expected.check(&label, &finished(pending, &label)?)?;
    Ok(made)
}

/// What a blob must turn out to be.
#[must_use]
pub fn expectation(digest: BlobDigest) -> Expectation {
    Expectation::Digest {
        digest: digest.digest(),
        said_by: "the image's manifest".into(),
    }
}

fn ahead(codec: Codec, flow: Flow) -> std::io::Result<Ahead> {
    match codec {
        // The network thread is ahead.
        Codec::None => Ok(Ahead::passing(flow)),
        _ => Ahead::of(flow),
    }
}

fn finished(pending: Pending, label: &str) -> Result<Received> {
    pending.finish().doing(|| format!("Failed to hash {label}"))
}

/// The failure of a layer, with its name.
#[must_use]
pub fn named(mut error: Error, label: &str) -> Error {
    // A download has another error number for that than an import, as in the reference.
    if error.kind == Kind::SizeLimit {
        error.kind = Kind::TooLarge;
    }
    let is_unnamed = error.kind != Kind::Cancelled && !error.doing.contains(label);
    if is_unnamed {
        error.doing = format!("Failed to retrieve {label}: {}", error.doing);
    }
    error
}

/// A layer that failed.
struct Failed {
    error: Error,
    /// Another try may go better.
    again: bool,
}

/// Tells whoever gave a blob that it failed.
fn called_off(end: End<'_>, error: Error) -> Failed {
    let failed = Err(error);
    let again = end(&failed);
    let error = match failed {
        Err(error) => error,
        Ok(()) => Error::new(Kind::Io, "It failed"),
    };
    Failed { error, again }
}
