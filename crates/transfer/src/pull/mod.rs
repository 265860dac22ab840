//! Bytes of a server become an image: `systemd-pull tar|raw`.
//!
//! What must be proven is fetched and judged first; the body is hashed while it is unpacked into a
//! hidden entry; only what is proven is installed.

mod body;
pub mod clean;
pub mod companions;
pub mod evidence;
mod kept;
pub mod partial;
pub mod plan;
pub(crate) mod room;

pub mod direct;
pub mod oci;
pub mod raw;
pub mod tar;
pub mod verify;

use self::body::Body;
use self::companions::Companion;
pub(crate) use self::kept::BOOT_ID;
use self::kept::{Fresh, Version};
use self::partial::{Subject, Turn};
use self::room::Announced;
use crate::context::{Context, Target};
use crate::error::{Doing, Error, Result};
use crate::import::report_success;
use crate::install::Root;
use crate::proof::{Expectation, Hex};
use crate::pull::evidence::claims::Claims;
use crate::pull::evidence::keys::Trust;
use crate::report::{Report, size};
use crate::source::ask::Ask;
use crate::source::place::Origins;
use crate::source::remote::{Fetcher, Remote};
use crate::source::settings::Settings;
use crate::stage::ahead::Ahead;
use crate::stage::batch::Queue;
use crate::stage::digest::{Digest, Pending, Received};
use crate::stage::meter::{Count, Meter, Observer, percent};
use crate::stage::sniff;
use importd_api::failure::Kind;
use importd_api::figures::Phase;
use importd_api::job::Local;
use importd_api::name::Form;
use importd_api::url::{Scheme, Url};
use importd_api::verify::Verify;
use importd_formats::codec::Codec;
use importd_host::dir::Dir;
use importd_host::partial::Store;
use importd_host::sandbox::CapabilitySet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sent with every request.
pub(crate) const USER_AGENT: &str =
    concat!("systemd-pull/", env!("CARGO_PKG_VERSION"), " (importd)");
/// Least time between two lines about how far a download is.
const LINE_INTERVAL: Duration = Duration::from_secs(1);
/// How often a download is begun anew because it became another version meanwhile: a file that
/// never rests cannot be fetched.
const RESTARTS_MAX: u32 = 3;
/// Share of the progress that the downloads make up, in percent, companion files first; the rest is
/// proving and installing.
pub(crate) const DOWNLOAD_SHARE: u64 = 95;

/// What to pull, as checked by the command line.
#[derive(Debug)]
pub struct Request {
    /// Where the bytes are.
    pub url: Url,
    /// The image's name.
    pub local: Local,
    /// Archive or disk image.
    pub form: Form,
    /// What they must prove.
    pub verify: Verify,
    /// Keys that may sign, and what else signatures are judged by; read before the worker cages
    /// itself. `None` unless signatures are demanded.
    pub trust: Option<Arc<Trust>>,
    /// Certificate files that the environment names.
    pub certificates: Vec<PathBuf>,
    /// What comes with the image.
    pub companions: Vec<Companion>,
    /// Keep the download as it came, beside the image.
    pub keep_download: bool,
    /// How patient the network is taken.
    pub network: Settings,
    /// The folder of unfinished downloads; `None` to keep nothing of them.
    pub cache: Option<PathBuf>,
    /// Where the image goes.
    pub target: Target,
}

/// A body on its way, unpacked, and what is known of it.
struct Download {
    body: Ahead,
    /// How large the download is said to be.
    announced: Announced,
    /// Where the bytes come from.
    origins: Origins,
    /// How many bytes come out of it, where that is known in advance.
    plain_length: Option<u64>,
    /// How many bytes came so far.
    packed: Count,
    pending: Pending,
    version: Version,
}

/// A download whose evidence has been judged, and whose turn it is.
struct Case<'a> {
    root: &'a Root,
    fetcher: &'a Fetcher,
    turn: &'a Turn<'a>,
    claims: &'a Claims,
    /// What the image must turn out to be.
    expected: &'a Expectation,
}

impl Request {
    /// The first lines, and the check that the name is free.
    fn begin(&self, context: &Context) -> Result<()> {
        if let Local::Named(name) = &self.local {
            self.target.check_free(name)?;
            context
                .report
                .info(format!("Pulling '{}', saving as '{name}'.", self.url));
        } else {
            context.report.info(format!("Pulling '{}'.", self.url));
        }
        Ok(())
    }

    /// Opens the image root and closes the cage; from here on only the network is left.
    fn enter(&self, context: &Context) -> Result<(Root, Fetcher, Option<Store>)> {
        let root = self.target.open_root(context)?;
        if let Local::Named(name) = &self.local {
            let (owners, name) = (&context.owners, OsStr::new(name.as_str()));
            match self.form {
                Form::Tar => owners.prepare(&root.folder, name)?,
                Form::Raw => owners
                    .know(&root.folder, |old| old == name)
                    .doing(|| "Failed to look at the old image".into())?,
            }
        }
        let store = self.open_store(context);
        let folders = [Some(&root.folder), store.as_ref().map(Store::folder)];
        let fetcher = self.confined(folders, CapabilitySet::empty(), context)?;
        Ok((root, fetcher, store))
    }

    /// The folder of unfinished downloads, where there can be one. Files are there anyway.
    fn open_store(&self, context: &Context) -> Option<Store> {
        let path = self.cache.as_ref()?;
        match self.url.scheme() {
            Scheme::File => None,
            Scheme::Http | Scheme::Https => open_store(path, context),
        }
    }

    /// Waits until no other transfer downloads the address.
    fn turn<'a>(&self, store: Option<&'a Store>, context: &Context) -> Result<Turn<'a>> {
        let check = || match &self.local {
            Local::Named(name) => self.target.check_free(name),
            Local::Derived | Local::Pristine => Ok(()),
        };
        Turn::take(store, Subject::of_url(&self.url), check, context)
    }

    /// Closes the cage, within which these folders may be written to.
    fn confined(
        &self,
        folders: [Option<&Dir>; 2],
        extra: CapabilitySet,
        context: &Context,
    ) -> Result<Fetcher> {
        crate::cage::enter_pull(folders, extra, self, context)?;
        Fetcher::new(&self.url, USER_AGENT, &self.network, context)
    }

    /// Whether the image is a tree that belongs to foreign ids.
    fn has_foreign_ids(&self, context: &Context) -> bool {
        self.form == Form::Tar && context.owners.are_foreign()
    }

    /// Fetches and judges what the files must turn out to be.
    fn claims(&self, fetcher: &Fetcher, context: &Context) -> Result<Claims> {
        Claims::fetch(self, fetcher, context)
    }

    /// Starts the download of what is expected, whatever is kept.
    fn download(
        &self,
        fetcher: &Fetcher,
        expected: &Expectation,
        turn: &Turn<'_>,
        context: &Context,
    ) -> Result<Download> {
        let answer = turn.ask(fetcher, Ask::whole(&self.url), context);
        let remote = answer.and_then(|answer| answer.body(&self.url));
        let remote = remote.map_err(kept::not_retrieved)?;
        self.receive(
            Fresh::of(remote, None),
            expected,
            (fetcher, turn, 0),
            context,
        )
    }

    /// Starts the download of bytes that are on their way, of which this is expected; `done` percent
    /// of the progress have been told.
    fn receive(
        &self,
        fresh: Fresh,
        expected: &Expectation,
        (fetcher, turn, done): (&Fetcher, &Turn<'_>, u8),
        context: &Context,
    ) -> Result<Download> {
        context.report.phase(Phase::Downloading);
        let Fresh { remote, version } = fresh;
        let is_kept = self.keep_download || self.local == Local::Pristine;
        let remote = fetcher.spread(&self.url, remote);
        let opened = turn.join(remote, !is_kept, context)?;
        let Remote {
            length,
            body,
            origins,
            ..
        } = opened.remote;
        if let Some(length) = length {
            context
                .report
                .info(format!("Downloading {} for {}.", size(length), self.url));
        }
        let label = self.url.to_string();
        let observer = observer(&context.report, (label, length), done, opened.resumed);
        let meter = Meter::new(body, context.cancel.clone(), observer);
        let packed = meter.count();
        let failed = || "Failed to start the download".to_owned();
        let (digest, pending) =
            Digest::followed(meter, expected.wanted(), Queue::ALONE, opened.follower)
                .doing(failed)?;
        let (codec, unpacked) = sniff::unpacked(Box::new(digest))?;
        Ok(Download {
            announced: Announced {
                bytes: length,
                is_packed: codec != Codec::None,
            },
            origins,
            plain_length: length.filter(|_| codec == Codec::None),
            body: match codec {
                // The network thread is ahead.
                Codec::None => Ahead::passing(unpacked),
                _ => Ahead::of(unpacked).doing(failed)?,
            },
            packed,
            pending,
            version,
        })
    }

    /// What messages call the bytes: their address, and where they came from if that is another.
    fn label(&self, origins: &Origins) -> String {
        let (url, origins) = (self.url.to_string(), origins.to_string());
        match origins.is_empty() || origins == url {
            true => url,
            false => format!("{url} (fetched from {origins})"),
        }
    }

    /// What went wrong with the bytes that came, with their address: nobody could tell otherwise
    /// which of several files is meant.
    fn failed_body(&self, mut error: Error) -> Error {
        // A download has another error number for that than an import, as in the reference.
        if error.kind == Kind::SizeLimit {
            error.kind = Kind::TooLarge;
        }
        let is_unnamed = !error.doing.contains(&self.url.to_string());
        let is_of_bytes = matches!(
            error.kind,
            Kind::Corrupt | Kind::Archive | Kind::Io | Kind::TooLarge
        );
        if is_unnamed && is_of_bytes {
            error.doing = format!(
                "Failed to retrieve image file {}: {}",
                self.url, error.doing
            );
        }
        error
    }

    /// Judges the evidence, takes the turn, and fetches and installs.
    fn pull(&self, context: &Context, fetch: impl Fn(&Case<'_>) -> Result<()>) -> Result<()> {
        self.begin(context)?;
        let (root, fetcher, store) = self.enter(context)?;
        self.until_settled(context, || {
            context.report.phase(Phase::Checking);
            let claims = self.claims(&fetcher, context)?;
            let expected = claims.expect_image()?;
            let turn = self.turn(store.as_ref(), context)?;
            let result = fetch(&Case {
                root: &root,
                fetcher: &fetcher,
                turn: &turn,
                claims: &claims,
                expected: &expected,
            });
            turn.end(&result, context);
            result
        })?;
        report_success(context);
        Ok(())
    }

    /// Fetches and installs; begins anew, a few times, when the bytes become another version on the
    /// way: those that came cannot be taken back, and what is to be proven may be another one too.
    fn until_settled<T>(&self, context: &Context, fetch: impl Fn() -> Result<T>) -> Result<T> {
        let mut restarts = 0;
        loop {
            match fetch() {
                Err(error) if error.kind == Kind::Changed && restarts < RESTARTS_MAX => {
                    restarts += 1;
                    context.report.notice(format!(
                        "{error}; beginning anew ({restarts} of {RESTARTS_MAX})."
                    ));
                }
                other => return other,
            }
        }
    }

    /// Waits for the digest of a body that was read to its end.
    fn received(&self, pending: Pending, context: &Context) -> Result<Received> {
        let received = pending
            .finish()
            .doing(|| format!("Failed to hash the download of {}", self.url))?;
        context.report.phase(Phase::Verifying);
        context.report.info(format!(
            "Acquired {} for {}.",
            size(received.bytes),
            self.url
        ));
        context
            .report
            .info(format!("Download of {} complete.", self.url));
        context.report.debug(format!(
            "The SHA-256 digest of {} is {}.",
            self.url,
            Hex(&received.sha256)
        ));
        Ok(received)
    }
}

/// The folder of unfinished downloads, if it can be had.
fn open_store(path: &Path, context: &Context) -> Option<Store> {
    match Store::open(path) {
        Ok(store) => Some(store),
        Err(error) => {
            let shown = path.display();
            context.report.debug(format!(
                "Unfinished downloads are not kept in '{shown}': {error}"
            ));
            None
        }
    }
}

/// Tells how far a download is, of which `done` percent have been told. The first `resumed` bytes come
/// from the disk.
fn observer(
    report: &Report,
    (label, length): (String, Option<u64>),
    done: u8,
    resumed: u64,
) -> Observer {
    let (done, left) = (
        u64::from(done),
        DOWNLOAD_SHARE.saturating_sub(u64::from(done)),
    );
    let report = report.clone();
    let mut started = Instant::now();
    let mut told = (started, 0);
    Box::new(move |bytes| {
        let Some(length) = length else {
            return report.moved_of_unknown(bytes);
        };
        report.moved(bytes, Some(length));
        let now = percent(bytes, length);
        let share = done + u64::from(now) * left / 100;
        report.progress(u8::try_from(share).unwrap_or(0));
        let Some(bytes_came) = bytes.checked_sub(resumed).filter(|bytes| *bytes > 0) else {
            started = Instant::now();
            return;
        };
        if now < 100 && now != told.1 && told.0.elapsed() >= LINE_INTERVAL {
            told = (Instant::now(), now);
            let seconds = started.elapsed().as_secs().max(1);
            let rate = (bytes_came / seconds).max(1);
            report.info(format!(
                "Got {now}% of {label}. {}s left at {}/s.",
                length.saturating_sub(bytes) / rate,
                size(rate)
            ));
        }
    })
}
