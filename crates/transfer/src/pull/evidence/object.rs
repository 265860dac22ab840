//! Files that are proven by a signature of their own: lists that are downloaded for their own sake,
//! as systemd-sysupdate does.

use super::keys::Trust;
use super::signatures::{self, Found};
use super::verdict::Signed;
use crate::error::{Error, Result};
use crate::proof::Judge;
use crate::report::Report;
use crate::source::remote::Fetcher;
use importd_api::failure::Kind;
use importd_api::url::Url;
use std::sync::{Arc, OnceLock};

/// A file and its signatures; the file itself is not there yet.
#[derive(Debug)]
pub(super) struct Object {
    url: Url,
    signatures: Vec<Found>,
    trust: Arc<Trust>,
    report: Report,
    good: OnceLock<Signed>,
}

impl Object {
    /// Fetches the signatures of a file.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] if there are none; what the network says.
    pub(super) fn fetch(
        url: &Url,
        trust: &Arc<Trust>,
        fetcher: &Fetcher,
        report: &Report,
    ) -> Result<Self> {
        let signatures: Vec<Found> =
            signatures::found(url, false, fetcher).collect::<Result<_>>()?;
        if signatures.is_empty() {
            return Err(missing(&[url]));
        }
        Ok(Self {
            url: url.clone(),
            signatures,
            trust: Arc::clone(trust),
            report: report.clone(),
            good: OnceLock::new(),
        })
    }

    /// The good signature, once the file was judged.
    pub(super) fn good(&self) -> Option<Signed> {
        self.good.get().cloned()
    }
}

impl Judge for Object {
    fn judge(&self, bytes: &[u8]) -> Result<()> {
        let mut first = None;
        for signature in &self.signatures {
            match signatures::judge(signature, (&self.url, bytes), &self.trust) {
                Ok(signed) => {
                    if self.good.get().is_none() {
                        self.report.info(signed.to_string());
                        for notice in &signed.notices {
                            self.report.notice(notice);
                        }
                    }
                    self.good.get_or_init(|| signed);
                    return Ok(());
                }
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| missing(&[&self.url])))
    }
}

/// That files have no signatures.
pub(super) fn missing(urls: &[&Url]) -> Error {
    let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
    let text = format!(
        "No signature of {} was found (looked for {} beside it); --verify=checksum does without \
         one, if you trust the server and the way to it",
        urls.join(" or "),
        signatures::endings()
    );
    Error::new(Kind::Corrupt, text)
}
