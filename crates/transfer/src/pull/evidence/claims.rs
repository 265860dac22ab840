//! What a download must turn out to be, by whom it is said, and whether to believe it.

use super::keys::Trust;
use super::lists::{self, Places};
use super::object::{self, Object};
use super::signatures;
use super::verdict::{Listed, Signed, Verdict};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::proof::Expectation;
use crate::pull::Request;
use crate::report::Report;
use crate::source::remote::{Fetcher, percent_decoded};
use importd_api::failure::Kind;
use importd_api::url::Url;
use importd_api::verify::{self, Verify};
use importd_formats::checksums::{CHECKSUMS_MAX, Digest, List};
use importd_formats::pgp;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::SystemTime;

/// What is said of the files of a folder: the image and its companions.
#[derive(Debug)]
pub struct Claims {
    /// The image's file name, as it stands in its address.
    image: String,
    said: Said,
    verdict: Verdict,
}

#[derive(Debug)]
enum Said {
    /// Nothing is demanded.
    Nothing,
    /// The digest of the image.
    Digest(Digest),
    /// A list.
    List(List, Bare),
    /// The image has a signature of its own, which is judged with it.
    Itself(Arc<Object>),
}

/// What a list of one digest without a name is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bare {
    /// It is that of the image, which it lies beside.
    OfImage,
    /// Nothing: it may be that of any file, or its signature says nothing of which file is meant.
    OfNothing,
}

impl Claims {
    /// Fetches and judges what is said of a download, and tells of it in the log.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] for a damaged list, and a missing or bad signature;
    /// [`Kind::HttpNotFound`] without a list; [`Kind::Loop`] for the signature of a list, which
    /// nothing can prove; what the network says.
    pub fn fetch(request: &Request, fetcher: &Fetcher, context: &Context) -> Result<Self> {
        let claims = Self::judge(request, fetcher, &context.report)?;
        for line in claims.verdict.lines() {
            context.report.info(line);
        }
        for notice in &claims.verdict.notices {
            context.report.notice(notice);
        }
        Ok(claims)
    }

    /// As [`Claims::fetch`], in silence but for warnings about key files.
    ///
    /// # Errors
    /// As [`Claims::fetch`].
    pub fn judge(request: &Request, fetcher: &Fetcher, report: &Report) -> Result<Self> {
        let claims = Self {
            image: request.url.last_component().unwrap_or_default().to_owned(),
            said: Said::Nothing,
            verdict: Verdict {
                verify: request.verify.clone(),
                list: None,
                signature: None,
                notices: Vec::new(),
            },
        };
        match request.verify {
            Verify::No => Ok(claims),
            Verify::Digest(digest) => Ok(Self {
                said: Said::Digest(match digest {
                    verify::Digest::Sha256(bytes) => Digest::Sha256(bytes),
                    verify::Digest::Sha512(bytes) => Digest::Sha512(bytes),
                }),
                ..claims
            }),
            Verify::Checksum => claims.by_list(&request.url, fetcher),
            Verify::Signature => {
                let Some(trust) = &request.trust else {
                    let text = "Failed to judge signatures: no keys were read";
                    return Err(Error::new(Kind::InvalidArgument, text));
                };
                for warning in trust.keys.warnings() {
                    report.warning(warning);
                }
                claims.by_signature(&request.url, trust, fetcher, report)
            }
        }
    }

    fn by_list(mut self, url: &Url, fetcher: &Fetcher) -> Result<Self> {
        if lists::is_list(&self.image) {
            self.verdict.notices.push(format!(
                "{url} is a checksum file itself: without a signature nothing says what it must be."
            ));
            return Ok(self);
        }
        match Places::of(url)?.found(fetcher).next() {
            Some(found) => {
                let found = found?;
                let list = found.parse(&found.bytes)?;
                Ok(self.with(list, &found, None))
            }
            None => Err(Places::none(url)),
        }
    }

    fn by_signature(
        mut self,
        url: &Url,
        trust: &Arc<Trust>,
        fetcher: &Fetcher,
        report: &Report,
    ) -> Result<Self> {
        if signatures::is_signature(&self.image) {
            let text = format!(
                "{url} is the signature of a checksum file: nothing can prove it; --verify=no \
                 fetches it as it is"
            );
            return Err(Error::new(Kind::Loop, text));
        }
        if lists::is_list(&self.image) {
            let object = Object::fetch(url, trust, fetcher, report)?;
            self.said = Said::Itself(Arc::new(object));
            return Ok(self);
        }
        let places = Places::of(url)?;
        let mut unsigned = Vec::new();
        for found in places.found(fetcher) {
            let found = found?;
            let Some((signed, text)) = signed(&found, trust, fetcher)? else {
                unsigned.push(found.url);
                continue;
            };
            let list = found.parse(&text)?;
            let claims = self.with(list, &found, Some(signed));
            return claims.fresh(trust);
        }
        match unsigned.is_empty() {
            true => Err(Places::none(url)),
            false => Err(object::missing(&unsigned.iter().collect::<Vec<_>>())),
        }
    }

    fn with(mut self, list: List, found: &lists::Found, signed: Option<Signed>) -> Self {
        self.verdict.list = Some(Listed {
            url: found.url.clone(),
            entries: list.entries(),
            best_before: list.best_before(),
        });
        let bare = match (found.is_own, &signed) {
            (true, None) => Bare::OfImage,
            _ => Bare::OfNothing,
        };
        if let Some(signed) = &signed {
            self.verdict.notices.extend(signed.notices.iter().cloned());
        }
        self.verdict.signature = signed;
        self.said = Said::List(list, bare);
        self
    }

    /// Refuses a signed list that is out of date. Without a signature the day says nothing: whoever
    /// serves an old list can change it.
    fn fresh(mut self, trust: &Trust) -> Result<Self> {
        let Some(list) = &self.verdict.list else {
            return Ok(self);
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        let Some(date) = list.best_before.filter(|date| date.seconds() < now) else {
            return Ok(self);
        };
        let text = format!("Checksum file {} is out of date since {date}", list.url);
        if trust.is_freshness_demanded {
            let text = format!(
                "{text}: newer files exist and are withheld, or it was not renewed in time; \
                 SYSTEMD_SYSUPDATE_VERIFY_FRESHNESS=0 takes it nevertheless"
            );
            return Err(Error::new(Kind::Corrupt, text));
        }
        self.verdict
            .notices
            .push(format!("{text}, taken nevertheless."));
        Ok(self)
    }

    /// What the file of this name must turn out to be; the name is the last component of its
    /// address.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] if it is not listed, or twice with different digests.
    pub fn expect(&self, file_name: &str) -> Result<Expectation> {
        match &self.said {
            Said::Nothing => Ok(Expectation::Nothing),
            Said::Digest(digest) if file_name == self.image => Ok(Expectation::Digest {
                digest: *digest,
                said_by: "--verify=".into(),
            }),
            Said::Itself(object) if file_name == self.image => Ok(Expectation::Judged {
                judge: Arc::clone(object) as _,
                bytes_max: CHECKSUMS_MAX,
            }),
            Said::Digest(_) | Said::Itself(_) => {
                let text = format!(
                    "Nothing says what '{file_name}' must be: only '{}' is spoken of",
                    self.image
                );
                Err(Error::new(Kind::Corrupt, text))
            }
            Said::List(list, bare) => self.listed(list, *bare, file_name),
        }
    }

    /// What a file that comes with the image must turn out to be; `None` if nothing is said of it.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] if it is listed twice with different digests.
    pub fn expect_companion(&self, file_name: &str) -> Result<Option<Expectation>> {
        match &self.said {
            Said::Nothing => Ok(Some(Expectation::Nothing)),
            Said::Digest(_) | Said::Itself(_) => Ok(None),
            Said::List(list, bare) => self.found(list, *bare, file_name),
        }
    }

    fn listed(&self, list: &List, bare: Bare, file_name: &str) -> Result<Expectation> {
        self.found(list, bare, file_name)?.ok_or_else(|| {
            let said_by = self.said_by();
            let text = format!(
                "Checksum file {said_by} does not list '{file_name}'; --verify=no does without it"
            );
            Error::new(Kind::Corrupt, text)
        })
    }

    fn said_by(&self) -> String {
        let url = self.verdict.list.as_ref().map(|list| list.url.to_string());
        url.unwrap_or_default()
    }

    fn found(&self, list: &List, bare: Bare, file_name: &str) -> Result<Option<Expectation>> {
        let said_by = self.said_by();
        let look = |name: &[u8]| {
            list.digest(name).map_err(|error| {
                let text = format!("Failed to read checksum file {said_by}");
                Error::caused(Kind::Corrupt, text, error)
            })
        };
        let mut found = look(file_name.as_bytes())?;
        if found.is_none() {
            // Lists name files as they are called, addresses as they can be written.
            found = look(percent_decoded(file_name).as_os_str().as_bytes())?;
        }
        if bare == Bare::OfImage && file_name == self.image {
            found = found.or_else(|| list.bare_digest());
        }
        Ok(found.map(|digest| Expectation::Digest { digest, said_by }))
    }

    /// What was expected of the image itself.
    ///
    /// # Errors
    /// As [`Claims::expect`].
    pub fn expect_image(&self) -> Result<Expectation> {
        self.expect(&self.image)
    }

    /// The evidence, explained. Of a file that has a signature of its own the signature is part of
    /// it only once the file was judged.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let mut verdict = self.verdict.clone();
        if let Said::Itself(object) = &self.said {
            verdict.signature = object.good();
        }
        verdict
    }
}

/// The good signature of a list and the text that it proves; `None` if it has no signature at all.
///
/// # Errors
/// [`Kind::Corrupt`] if it has some, but no good one; what the network says.
fn signed(
    list: &lists::Found,
    trust: &Trust,
    fetcher: &Fetcher,
) -> Result<Option<(Signed, Vec<u8>)>> {
    let mut first = None;
    if pgp::is_clear_signed(&list.bytes) {
        let file = signatures::Found {
            url: list.url.clone(),
            bytes: list.bytes.clone(),
        };
        match signatures::judge_clear(&file, trust) {
            Ok(verdict) => return Ok(Some(verdict)),
            Err(error) => first = Some(error),
        }
    }
    for signature in signatures::found(&list.url, list.is_own, fetcher) {
        match signatures::judge(&signature?, (&list.url, &list.bytes), trust) {
            Ok(signed) => return Ok(Some((signed, list.bytes.clone()))),
            Err(error) => first = first.or(Some(error)),
        }
    }
    first.map_or(Ok(None), Err)
}
