//! What people and programs are told of the evidence.

use importd_api::url::Url;
use importd_api::verify::Verify;
use importd_formats::checksums::Date;
use importd_formats::pgp;
use std::fmt;
use std::time::{Duration, SystemTime};

/// What was found out about a download before its body is fetched.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What was demanded.
    pub verify: Verify,
    /// The list that speaks for the files; `None` if nothing does, or a digest that was given.
    pub list: Option<Listed>,
    /// The signature that proves the list; `None` if none was demanded, or it is judged with the
    /// body.
    pub signature: Option<Signed>,
    /// What is worth telling although all is well.
    pub notices: Vec<String>,
}

/// A checksum list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Where it is.
    pub url: Url,
    /// How many files it names.
    pub entries: usize,
    /// From when on it is out of date.
    pub best_before: Option<Date>,
}

/// A good signature.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Where it is.
    pub url: Url,
    /// What kind of signature it is.
    pub system: System,
    /// Number of the signing key.
    pub key_id: String,
    /// Fingerprint of the certificate that it belongs to, where there is one.
    pub fingerprint: Option<String>,
    /// Whose key it is, as the key file says.
    pub signer: Option<String>,
    /// The key file.
    pub key_file: String,
    /// When the signature was made, in seconds since 1970, if it says.
    pub created: Option<u64>,
    /// The comment that was signed with the file.
    pub comment: Option<String>,
    /// What is worth telling although it is good.
    pub notices: Vec<String>,
}

/// Kinds of signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// OpenPGP.
    OpenPgp,
    /// minisign or signify.
    Minisign,
}

impl System {
    /// The name for people and machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            System::OpenPgp => "openpgp",
            System::Minisign => "minisign",
        }
    }
}

impl Signed {
    /// A good OpenPGP signature in a file.
    #[must_use]
    pub(super) fn by_openpgp(url: Url, verdict: pgp::Verdict) -> Self {
        Self {
            url,
            system: System::OpenPgp,
            key_id: verdict.key_id,
            fingerprint: Some(verdict.fingerprint),
            signer: verdict.user_id,
            key_file: verdict.keyring,
            created: Some(u64::from(verdict.created)),
            comment: None,
            notices: verdict.notices,
        }
    }
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signer = self.signer.as_deref().unwrap_or("an unnamed key");
        let key = self.fingerprint.as_ref().unwrap_or(&self.key_id);
        write!(
            f,
            "Signature {} is good: made by {signer} ({key}) of {}",
            self.url, self.key_file
        )?;
        match self.created {
            Some(seconds) => write!(f, " on {}.", time(seconds)),
            None => f.write_str("."),
        }
    }
}

/// A point in time for people, in UTC.
#[must_use]
pub fn time(seconds: u64) -> String {
    let point = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    // The formatter goes up to the year 9999.
    let latest = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    match point.filter(|point| *point <= latest) {
        Some(point) => httpdate::fmt_http_date(point),
        None => format!("second {seconds}"),
    }
}

impl Verdict {
    /// The lines of a log.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(list) = &self.list {
            let doubt = match self.signature {
                Some(_) => "",
                None => " Nothing proves it, as no signature was asked for.",
            };
            lines.push(format!("Using checksum file {}.{doubt}", list.url));
        }
        lines.extend(self.signature.as_ref().map(ToString::to_string));
        if let Some(date) = self.list.as_ref().and_then(|list| list.best_before) {
            lines.push(format!("The checksum file is good until {date}."));
        }
        lines
    }
}
