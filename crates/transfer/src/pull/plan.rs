//! What a pull would do, told without doing it (`--dry-run`).
//!
//! The same questions are asked in the same order as by the pull itself; nothing is written, and the
//! image root is not made. The body is asked for as usual and not read: servers answer `HEAD` and
//! small ranges otherwise than what they are asked for later, or not at all.

use super::Request;
use super::clean::Output;
use super::companions::{self, Planned};
use super::evidence::verdict::Verdict;
use super::kept::{self, Found};
use super::room::{self, Announced};
use crate::cage;
use crate::context::{Context, Target};
use crate::destination::disk_name;
use crate::error::{Doing, Error, Result, chain};
use crate::install::Root;
use crate::proof::Expectation;
use crate::report::size;
use crate::source::remote::{Fetcher, Remote};
use crate::stage::sniff;
use importd_api::failure::Kind;
use importd_api::job::Local;
use importd_api::name::Form;
use importd_formats::codec::Codec;
use importd_host::dir::Dir;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a pull may become: limits of its form.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes.
    pub bytes_max: Option<u64>,
    /// Most entries of a tree.
    pub entries_max: Option<u64>,
    /// Disk images of other formats stay as they came.
    pub is_unconverted: bool,
}

/// What was found out.
#[derive(Debug, Default)]
struct Plan {
    /// Path of the image.
    local: Option<PathBuf>,
    /// The kept download that would be used.
    used: Option<PathBuf>,
    /// Where the download would be kept.
    keeps: Option<PathBuf>,
    /// Whether there are bytes to download, and how many, if the server says.
    download: Option<Option<u64>>,
    etag: Option<String>,
    last_modified: Option<SystemTime>,
    /// What would be fetched beside the image.
    companions: Vec<Planned>,
    /// Where the bytes come from: a mirror, perhaps.
    origins: Option<String>,
    /// Who says what the bytes must be, and that.
    expected: Option<(String, String)>,
    /// The evidence for that.
    verdict: Option<Verdict>,
    /// Free bytes on the file system of the image root.
    free: Option<u64>,
}

/// Finds out, and prints it.
///
/// # Errors
/// The first of what the pull would fail with.
pub fn run(
    request: &Request,
    limits: Limits,
    output: Output,
    (out, context): (&mut dyn Write, &Context),
) -> Result<()> {
    let mut plan = Plan::default();
    let name = plan.name(request);
    let answers = plan.ask(request, limits, context);
    if answers
        .as_ref()
        .is_err_and(|error| error.kind == Kind::Cancelled)
    {
        return answers;
    }
    let problems: Vec<&Error> = [&name, &answers]
        .into_iter()
        .filter_map(|result| result.as_ref().err())
        .collect();
    let text = match output {
        Output::Text => plan.told(request, &problems),
        Output::Json => format!("{}\n", plan.to_json(request, &problems)),
        Output::PrettyJson => format!("{:#}\n", plan.to_json(request, &problems)),
    };
    out.write_all(text.as_bytes())
        .doing(|| "Failed to write to standard output".into())?;
    name.and(answers)
}

impl Plan {
    /// Where the image would be, and whether it can.
    fn name(&mut self, request: &Request) -> Result<()> {
        let Local::Named(name) = &request.local else {
            return Ok(());
        };
        let file_name = match request.form {
            Form::Raw => disk_name(name)?,
            Form::Tar => name.as_str().into(),
        };
        self.local = Some(request.target.places.root.join(file_name));
        request.target.check_free(name)
    }

    /// Asks whoever the pull would ask.
    fn ask(&mut self, request: &Request, limits: Limits, context: &Context) -> Result<()> {
        let path = &request.target.places.root;
        let (is_there, folder) = nearest(path)?;
        cage::enter_plan(&folder, request, context)?;
        let stat = rustix::fs::fstatvfs(&folder)
            .doing(|| format!("Failed to look for free space in '{}'", path.display()))?;
        self.free = Some(stat.f_bavail.saturating_mul(stat.f_frsize));
        let fetcher = Fetcher::new(&request.url, super::USER_AGENT, &request.network, context)?;
        let claims = request.claims(&fetcher, context)?;
        self.verdict = Some(claims.verdict().clone());
        let expected = claims.expect_image()?;
        if let Expectation::Digest { digest, said_by } = &expected {
            self.expected = Some((said_by.clone(), digest.to_string()));
        }
        let need = kept::Need {
            expected: &expected,
            bytes_max: limits.bytes_max,
            entries_max: limits.entries_max,
            is_unconverted: limits.is_unconverted,
        };
        let root = Root {
            folder,
            path: path.clone(),
        };
        let source = (&fetcher, &root);
        self.companions = companions::plan(request, &claims, source, context)?;
        // Nothing is kept in a folder that is not there.
        let shelf = is_there.then_some(&root);
        let asker: kept::Asker<'_> = &mut |ask| fetcher.ask(ask);
        match kept::look(request, &need, (asker, shelf), context)? {
            Found::Kept(object) => self.used = Some(path.join(&object.name)),
            Found::Bytes(mut fresh) => {
                let etag = fresh.version.etag.as_deref();
                let announced = announced(&mut fresh.remote)?;
                if request.keep_download || self.local.is_none() {
                    let name = kept::pristine(&request.url, request.form, etag, path);
                    self.keeps = Some(path.join(name));
                }
                self.download = Some(fresh.remote.length);
                self.etag = fresh.version.etag;
                self.last_modified = fresh.version.last_modified;
                self.origins = Some(fresh.remote.origins.to_string());
                return room::check(announced, request, &root, context);
            }
        }
        Ok(())
    }

    /// Lines about what would be fetched.
    fn sources(&self, request: &Request) -> Vec<String> {
        let mut lines = Vec::new();
        let told = |length: Option<u64>| length.map_or_else(|| "of unknown size".into(), size);
        if let Some(length) = self.download {
            let length = told(length);
            lines.push(format!("Would download {} ({length}).", request.url));
        }
        let is_elsewhere = |origins: &&String| **origins != request.url.to_string();
        if let Some(origins) = self.origins.as_ref().filter(is_elsewhere) {
            lines.push(format!("It would come from {origins}."));
        }
        if let Some(used) = &self.used {
            let used = used.display();
            lines.push(format!(
                "Would use kept download '{used}'; nothing is downloaded."
            ));
        }
        if let Some(etag) = &self.etag {
            lines.push(format!("The server calls this version {etag}."));
        }
        if let Some(time) = self.last_modified {
            let time = httpdate::fmt_http_date(time);
            lines.push(format!("It was changed on the server on {time}."));
        }
        for one in &self.companions {
            let length = told(one.bytes);
            lines.push(format!("Would fetch {} with it ({length}).", one.url));
        }
        lines
    }

    fn told(&self, request: &Request, problems: &[&Error]) -> String {
        let mut lines = self.sources(request);
        if let Some(verdict) = &self.verdict {
            lines.extend(verdict.lines());
            lines.extend(verdict.notices.iter().cloned());
        }
        lines.push(match (&self.expected, &request.verify) {
            (Some((said_by, digest)), verify) => {
                format!("Verification '{verify}': {said_by} says that its digest is {digest}.")
            }
            (None, verify) => format!("Verification '{verify}': nothing is known of its bytes."),
        });
        lines.extend(
            self.local
                .as_deref()
                .map(|it| installs(it, &request.target)),
        );
        if let Some(keeps) = &self.keeps {
            lines.push(format!("Would keep the download as '{}'.", keeps.display()));
        }
        lines.extend(verdict(self.free, &request.target, problems));
        lines.iter().map(|line| printable(line)).collect()
    }

    fn to_json(&self, request: &Request, problems: &[&Error]) -> Value {
        let path = |path: &Option<PathBuf>| {
            path.as_deref()
                .map(|path| path.to_string_lossy().into_owned())
        };
        let changed = self.last_modified.and_then(|time| {
            let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
            u64::try_from(since.as_micros()).ok()
        });
        json!({
            "url": request.url.to_string(),
            "form": request.form.as_str(),
            "download": self.download.is_some(),
            "from": self.origins,
            "size": self.download.flatten(),
            "companions": self.companions.iter().map(|one| json!({
                "url": one.url.to_string(),
                "size": one.bytes,
            })).collect::<Vec<_>>(),
            "etag": self.etag,
            "lastModified": changed,
            "verify": request.verify.to_string(),
            "signature": self.verdict.as_ref().and_then(|it| it.signature.as_ref()).map(|it| json!({
                "url": it.url.to_string(),
                "keyId": it.key_id,
                "fingerprint": it.fingerprint,
                "signer": it.signer,
                "keyFile": it.key_file,
                "created": it.created.map(|seconds| seconds.saturating_mul(1_000_000)),
            })),
            "saidBy": self.expected.as_ref().map(|(said_by, _)| said_by),
            "digest": self.expected.as_ref().map(|(_, digest)| digest),
            "kept": path(&self.used),
            "local": path(&self.local),
            "keepsAs": path(&self.keeps),
            "free": self.free,
            "problems": problems.iter().map(|error| json!({
                "code": error.kind.code(),
                "message": chain(error),
            })).collect::<Vec<_>>(),
        })
    }
}

/// How much it is, and whether that grows: the first bytes say it.
fn announced(remote: &mut Remote) -> Result<Announced> {
    let (codec, _) =
        sniff::look(&mut remote.body).doing(|| "Failed to retrieve image file".into())?;
    Ok(Announced {
        bytes: remote.length,
        is_packed: codec != Codec::None,
    })
}

/// Where an image would be.
pub(super) fn installs(local: &Path, target: &Target) -> String {
    let note = match target.force {
        true => ", replacing what is there",
        false => "",
    };
    format!("Would install '{}'{note}.", local.display())
}

/// The last lines of every plan: how much room there is, and whether it would go.
pub(super) fn verdict(free: Option<u64>, target: &Target, problems: &[&Error]) -> Vec<String> {
    let root = target.places.root.display();
    let room = free.map(|free| format!("There is {} free in '{root}'.", size(free)));
    let end = match problems {
        [] => "It would go.".into(),
        problems => format!("It would fail: {}.", chain(problems[0])),
    };
    room.into_iter().chain([end]).collect()
}

/// A line for a terminal: much of it comes from servers.
pub(super) fn printable(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + 1);
    for c in line.chars() {
        match c.is_control() {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out.push('\n');
    out
}

/// The image root and `true`, or the nearest folder above it that is there, and `false`.
pub(super) fn nearest(root: &Path) -> Result<(bool, Dir)> {
    for (distance, path) in root.ancestors().enumerate() {
        match Dir::open(path) {
            Ok(folder) => return Ok((distance == 0, folder)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                let text = format!("Failed to open image directory '{}'", path.display());
                return Err(Error::io(text, error));
            }
        }
    }
    let text = format!("There is no folder above '{}'", root.display());
    Err(Error::new(Kind::NotFound, text))
}
