//! Companion files are fetched, unpacked and proven, all at once.

use super::{Arrival, Arrivals, Companion};
use crate::context::Context;
use crate::error::{Doing, Error, Result, chain};
use crate::install::Root;
use crate::proof::{Expectation, Proven, Staged};
use crate::pull::Request;
use crate::pull::evidence::claims::Claims;
use crate::pull::kept;
use crate::report::size;
use crate::source::remote::Fetcher;
use crate::stage::chunks::{Copied, Flow, Reader};
use crate::stage::digest::Digest;
use crate::stage::limit::{Budget, Limit};
use crate::stage::meter::Meter;
use crate::stage::sniff;
use importd_api::failure::Kind;
use importd_api::url::Url;
use importd_host::staging::{Shape, Staging};
use rustix::fs::{FileType, Mode, OFlags};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};

/// How much is read and written at a time, in bytes.
const PIECE_BYTES: usize = 256 << 10;
/// Mode of a companion file, before the umask.
const MODE: u32 = 0o644;

/// One file that is to be fetched.
struct Wish<'a> {
    companion: Companion,
    url: Url,
    expected: Expectation,
    request: &'a Request,
    root: &'a Root,
    context: &'a Context,
}

/// Why a file did not come.
enum Failure {
    /// Its bytes could not be got.
    Source(Error),
    /// They could not be kept.
    Target(Error),
}

impl Arrivals {
    /// Fetches the companion files that are wanted, and that the claims name.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] and [`Kind::TooLarge`] for a listed file that is not what the list says;
    /// what writing it says. All are removed then.
    pub(in crate::pull) fn fetch(
        request: &Request,
        claims: &Claims,
        (fetcher, root): (&Fetcher, &Root),
        context: &Context,
    ) -> Result<Self> {
        let mut wishes = Vec::new();
        for companion in &request.companions {
            wishes.extend(Wish::new(*companion, request, claims, root, context)?);
        }
        let results = std::thread::scope(|scope| {
            let threads: Vec<_> = wishes
                .iter()
                .map(|wish| scope.spawn(|| wish.fulfil(fetcher)))
                .collect();
            let ended = || Error::new(Kind::Io, "A thread that fetched a companion file ended");
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_panic| Err(ended())))
                .collect::<Vec<_>>()
        });
        let mut arrivals = Self::default();
        for result in results {
            arrivals.0.extend(result?);
        }
        context.report.progress(arrivals.share());
        Ok(arrivals)
    }
}

/// A companion file that a pull would fetch.
#[derive(Clone, Debug)]
pub(in crate::pull) struct Planned {
    /// Its address.
    pub(in crate::pull) url: Url,
    /// How large it is, in bytes, if the server says.
    pub(in crate::pull) bytes: Option<u64>,
}

/// The companion files that a pull would fetch: those that are wanted, and there.
///
/// # Errors
/// The cancel, and addresses that cannot be built.
pub(in crate::pull) fn plan(
    request: &Request,
    claims: &Claims,
    (fetcher, root): (&Fetcher, &Root),
    context: &Context,
) -> Result<Vec<Planned>> {
    let fetcher = fetcher.hasty();
    let mut planned = Vec::new();
    for companion in &request.companions {
        let Some(wish) = Wish::new(*companion, request, claims, root, context)? else {
            continue;
        };
        match fetcher.get(&wish.url) {
            Ok(remote) => planned.push(Planned {
                bytes: remote.length,
                url: wish.url,
            }),
            Err(error) if error.kind == Kind::Cancelled => return Err(error),
            Err(error) => context.report.debug(format!(
                "{} would be left out: {}.",
                wish.url,
                chain(&error)
            )),
        }
    }
    Ok(planned)
}

impl<'a> Wish<'a> {
    /// `None` for a file that the list does not name, and for an address without a name.
    fn new(
        companion: Companion,
        request: &'a Request,
        claims: &Claims,
        root: &'a Root,
        context: &'a Context,
    ) -> Result<Option<Self>> {
        let last = request.url.last_component().unwrap_or_default();
        let stem = request.form.strip_suffixes(last);
        if stem.is_empty() {
            return Ok(None);
        }
        let name = format!("{stem}{}", companion.ending());
        let Some(expected) = claims.expect_companion(&name)? else {
            context
                .report
                .debug(format!("'{name}' is not listed, and not fetched."));
            return Ok(None);
        };
        let url = request.url.sibling(&name).map_err(|error| {
            let text = format!("Failed to build the URL of '{name}'");
            Error::caused(Kind::InvalidArgument, text, error)
        })?;
        Ok(Some(Self {
            companion,
            url,
            expected,
            request,
            root,
            context,
        }))
    }

    fn is_listed(&self) -> bool {
        !matches!(self.expected, Expectation::Nothing)
    }

    /// Gets the file: a kept one that is what the list says, or that of the server.
    fn fulfil(&self, fetcher: &Fetcher) -> Result<Option<Arrival>> {
        let report = &self.context.report;
        if let Some(arrival) = self.kept()? {
            return Ok(Some(arrival));
        }
        let hasty = (!self.is_listed()).then(|| fetcher.hasty());
        let fetcher = hasty.as_ref().unwrap_or(fetcher);
        let fetched = self
            .request
            .until_settled(self.context, || match self.fetch(fetcher) {
                Err(Failure::Source(error)) => Err(error),
                Err(Failure::Target(error)) => Ok(Err(error)),
                Ok(arrival) => Ok(Ok(arrival)),
            });
        match fetched {
            Ok(arrival) => arrival.map(Some),
            Err(error) => match error.kind {
                Kind::Cancelled => Err(error),
                Kind::HttpNotFound | Kind::NotFound if self.is_listed() => {
                    report.warning(format!("{} is listed, but not there.", self.url));
                    Ok(None)
                }
                Kind::HttpNotFound | Kind::NotFound => {
                    report.debug(format!("{} is not there.", self.url));
                    Ok(None)
                }
                // Bytes came, and are not what they should be.
                Kind::Corrupt | Kind::TooLarge | Kind::Unsupported if self.is_listed() => {
                    Err(error)
                }
                _ => {
                    let (url, why) = (&self.url, chain(&error));
                    report.warning(format!(
                        "{url} could not be fetched, and is left out: {why}."
                    ));
                    Ok(None)
                }
            },
        }
    }

    fn fetch(&self, fetcher: &Fetcher) -> std::result::Result<Arrival, Failure> {
        let remote = fetcher.get(&self.url).map_err(Failure::Source)?;
        let most = self.companion.bytes_max();
        if remote.length.is_some_and(|length| length > most) {
            return Err(Failure::Source(self.too_large()));
        }
        let arrival = self.take(remote.body)?;
        let report = &self.context.report;
        report.info(format!("Download of {} complete.", self.url));
        Ok(arrival)
    }

    /// A kept file whose bytes are what the list says.
    fn kept(&self) -> Result<Option<Arrival>> {
        if !self.is_listed() {
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        for name in self.root.folder.entries().unwrap_or_default() {
            let (url, form) = (&self.request.url, self.request.form);
            if !kept::is_beside(&name, self.companion, url, form) {
                continue;
            }
            let Ok(file) = self.root.folder.open_file(&name, flags, Mode::empty()) else {
                continue;
            };
            let is_file = rustix::fs::fstat(&file)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
            match is_file.then(|| self.take(Box::new(Copied::new(File::from(file))))) {
                Some(Ok(arrival)) => {
                    let shown = self.root.path.join(&name);
                    let text = format!("Found kept '{}', using it.", shown.display());
                    self.context.report.info(text);
                    return Ok(Some(arrival));
                }
                Some(Err(Failure::Target(error))) => return Err(error),
                // Another version, or a damaged one.
                Some(Err(Failure::Source(_))) | None => {}
            }
        }
        Ok(None)
    }

    /// Takes bytes in: counted, hashed, unpacked into a hidden file, and proven.
    fn take(&self, body: Flow) -> std::result::Result<Arrival, Failure> {
        let most = self.companion.bytes_max();
        let limited = |source: Flow| Limit::new(source, Budget::new(Some(most), 1, None));
        let meter = Meter::new(body, self.context.cancel.clone(), Box::new(|_bytes| {}));
        let failed = || format!("Failed to retrieve {}", self.url);
        let (digest, pending) = Digest::with(limited(Box::new(meter)), self.expected.wanted())
            .doing(failed)
            .map_err(Failure::Source)?;
        let (_, unpacked) = sniff::unpacked(Box::new(digest))
            .map_err(|error| Failure::Source(self.named(error)))?;
        let staging = self.fill(&mut Reader::new(limited(unpacked)))?;
        let received = pending.finish().doing(failed).map_err(Failure::Source)?;
        let report = &self.context.report;
        report.info(format!(
            "Acquired {} for {}.",
            size(received.bytes),
            self.url
        ));
        let proven = self.prove(staging, &received).map_err(Failure::Source)?;
        Ok(Arrival {
            companion: self.companion,
            proven,
        })
    }

    fn fill(&self, source: &mut dyn Read) -> std::result::Result<Staging, Failure> {
        let failed = || format!("Failed to write {} to a hidden file", self.url);
        let name = self.url.last_component().unwrap_or_default();
        let staging = Staging::create(&self.root.folder, OsStr::new(name), Shape::File)
            .doing(failed)
            .map_err(Failure::Target)?;
        let file = staging.fd().try_clone_to_owned();
        let mut file = File::from(file.doing(failed).map_err(Failure::Target)?);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = source.read(&mut piece);
            let read = read.doing(|| format!("Failed to retrieve {}", self.url));
            let length = read.map_err(|error| Failure::Source(self.named(error)))?;
            if length == 0 {
                break;
            }
            let written = file.write_all(&piece[..length]);
            written.doing(failed).map_err(Failure::Target)?;
        }
        let mode = Mode::from_raw_mode(MODE & !self.context.umask);
        rustix::fs::fchmod(staging.fd(), mode)
            .doing(failed)
            .map_err(Failure::Target)?;
        Ok(staging)
    }

    fn prove(&self, staging: Staging, received: &crate::stage::digest::Received) -> Result<Proven> {
        Staged(staging).prove(&self.url.to_string(), &self.expected, received)
    }

    /// An error of a stage, which does not know which file it had before it.
    fn named(&self, mut error: Error) -> Error {
        if error.kind == Kind::SizeLimit {
            return self.too_large();
        }
        let url = self.url.to_string();
        if !error.doing.contains(&url) {
            error.doing = format!("Failed to retrieve {url}: {}", error.doing);
        }
        error
    }

    fn too_large(&self) -> Error {
        let text = format!(
            "{} is larger than the {} that such a file may have",
            self.url,
            size(self.companion.bytes_max())
        );
        Error::new(Kind::TooLarge, text)
    }
}
