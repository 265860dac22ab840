//! One download asked for at boot: `OPTIONS:LOCAL:REMOTE`.
//!
//! | part | holds |
//! |---|---|
//! | OPTIONS | comma separated: a class and a type, required, and what follows below |
//! | LOCAL | name of the image; empty: derived from the address |
//! | REMOTE | everything after the second colon: an address; with `bootorigin` a file name; with `oci` a reference |
//!
//! A backslash in OPTIONS and LOCAL makes the next character an ordinary one, so that `\:` puts a
//! colon into a name. REMOTE is taken as it is. The same text is a value of `systemd.pull=` on the
//! kernel command line and a line of the credential `import.pull`.

use crate::class::Class;
use crate::name::{Form, ImageName, NameError};
use crate::oci::Reference;
use crate::url::{InvalidUrl, Scheme, Url};
use crate::verify::Verify;

/// Longest part of a refused address that an error repeats, in characters: one log line.
const SHOWN_MAX: usize = 200;

/// One download asked for at boot, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullSpec {
    /// What the image is for.
    pub class: Class,
    /// Archive, disk image or OCI image.
    pub kind: ImageKind,
    /// `ro`: the image cannot be written to afterwards.
    pub read_only: bool,
    /// What the download must prove; never [`Verify::Digest`], which the service does not take. Of an
    /// OCI image the digests are proven, and nothing else can be.
    pub verify: Verify,
    /// `blockdev`: the disk image is attached to a loop device once it is there.
    pub block_device: bool,
    /// `runtime=`: whether the image goes below `/run`; `None` leaves it to the boot phase.
    pub runtime: Option<bool>,
    /// The image's name, if one was given.
    pub local: Option<ImageName>,
    /// Where the image is.
    pub remote: Remote,
}

/// What an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// One file.
    File(Form),
    /// An image of an OCI registry.
    Oci,
}

/// Where an image is, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// At this address.
    Url(Url),
    /// Beside the file that the machine was booted from: what takes the place of the last
    /// component of that file's address.
    BesideBootOrigin(String),
    /// In a registry.
    Registry(Reference),
}

/// Where an image is, found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At this address.
    Url(Url),
    /// In a registry.
    Registry(Reference),
}

/// An option that has no effect; the rest of the expression holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IgnoredOption {
    /// No option of this name, or one that takes no value has one, or the other way round.
    #[error("Option '{0}' is not known")]
    Unknown(String),
    /// `verify=` with something else than a mode; a digest is none here, as in the reference.
    #[error("Verification mode '{0}' is not known")]
    Verify(String),
    /// `runtime=` with something else than a boolean.
    #[error("'{0}' is no value for runtime=, which takes yes or no")]
    Runtime(String),
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullSpecError {
    /// There is no second part.
    #[error("The local name is missing: OPTIONS:LOCAL:REMOTE is expected")]
    NoLocal,
    /// There is no third part, or it is empty.
    #[error("The remote address is missing: OPTIONS:LOCAL:REMOTE is expected")]
    NoRemote,
    /// A backslash with nothing after it.
    #[error("'{0}' ends in a backslash")]
    Backslash(String),
    /// Neither of the types.
    #[error("The image type is missing: raw, tar or oci")]
    NoForm,
    /// The reference is none; the text is cut.
    #[error("'{}' is no name of an OCI image", .0.escape_debug())]
    Reference(String),
    /// The files of an OCI image are in a registry.
    #[error("Option 'bootorigin' is not for OCI images")]
    BootOriginOfOci,
    /// A proof that cannot be had.
    #[error(
        "Signatures of OCI images cannot be verified; digests always are, leave out 'verify=signature'"
    )]
    SignatureOfOci,
    /// None of the classes.
    #[error("The image class is missing: machine, portable, sysext or confext")]
    NoClass,
    /// A tree is no block device.
    #[error("Option 'blockdev' is for raw images only")]
    BlockDeviceOfTree,
    /// The local name is none.
    #[error("'{0}' is no image name")]
    Local(String, #[source] NameError),
    /// The remote address is none; the text is cut, and shows no user and password.
    #[error("'{}' is no http, https or file address", .0.escape_debug())]
    Remote(String),
    /// No name was given, and none can be derived from the address.
    #[error("No image name can be derived from '{0}'")]
    Derived(Place, #[source] NameError),
    /// The machine was not booted from an address that files beside it can be fetched from.
    #[error("The boot origin '{0}' is no http or https address")]
    BootOrigin(Url),
}

/// The options while they are read: later ones win.
#[derive(Default)]
struct Options {
    class: Option<Class>,
    kind: Option<ImageKind>,
    read_only: bool,
    verify: Option<Verify>,
    block_device: bool,
    boot_origin: bool,
    runtime: Option<bool>,
}

impl PullSpec {
    /// Reads an expression. Options without effect are added to `ignored`, also if it is refused.
    ///
    /// # Errors
    /// [`PullSpecError`] by the first rule that is broken.
    pub fn parse(text: &str, ignored: &mut Vec<IgnoredOption>) -> Result<Self, PullSpecError> {
        let (options, rest) = cut(text, ':')?;
        let (local, remote) = cut(rest.ok_or(PullSpecError::NoLocal)?, ':')?;
        let remote = remote.filter(|remote| !remote.is_empty());
        let remote = remote.ok_or(PullSpecError::NoRemote)?;
        let options = Options::parse(&options, ignored)?;
        let kind = options.kind.ok_or(PullSpecError::NoForm)?;
        if options.block_device && kind != ImageKind::File(Form::Raw) {
            return Err(PullSpecError::BlockDeviceOfTree);
        }
        let local = match local.as_str() {
            "" => None,
            _ => match ImageName::parse(&local) {
                Ok(name) => Some(name),
                Err(error) => return Err(PullSpecError::Local(local, error)),
            },
        };
        let class = options.class.ok_or(PullSpecError::NoClass)?;
        let remote = options.remote(kind, remote)?;
        Ok(Self {
            class,
            kind,
            read_only: options.read_only,
            verify: options.verify.unwrap_or(Verify::Signature),
            block_device: options.block_device,
            runtime: options.runtime,
            local,
            remote,
        })
    }

    /// Where the image is; `boot_origin` is the address of the file the machine was booted from.
    /// `None` if the image stands beside that file and there is no such file.
    ///
    /// # Errors
    /// [`PullSpecError::BootOrigin`] if files beside `boot_origin` cannot be fetched, and
    /// [`PullSpecError::Remote`] if the file name does not belong into an address.
    pub fn place(&self, boot_origin: Option<&Url>) -> Result<Option<Place>, PullSpecError> {
        let name = match &self.remote {
            Remote::Url(url) => return Ok(Some(Place::Url(url.clone()))),
            Remote::Registry(reference) => return Ok(Some(Place::Registry(reference.clone()))),
            Remote::BesideBootOrigin(name) => name,
        };
        match boot_origin {
            None => Ok(None),
            Some(origin) if origin.scheme() == Scheme::File => {
                Err(PullSpecError::BootOrigin(origin.clone()))
            }
            Some(origin) => match origin.sibling(name) {
                Ok(url) => Ok(Some(Place::Url(url))),
                Err(InvalidUrl { .. }) => Err(refused(name)),
            },
        }
    }

    /// The name of the image: the one given, else the one derived from where it is.
    ///
    /// # Errors
    /// [`PullSpecError::Derived`] if none was given and nothing of the address is a name.
    pub fn name(&self, place: &Place) -> Result<ImageName, PullSpecError> {
        if let Some(name) = &self.local {
            return Ok(name.clone());
        }
        let derived = match (place, self.kind) {
            (Place::Url(url), ImageKind::File(form)) => url.image_name(form),
            (Place::Url(url), ImageKind::Oci) => url.image_name(Form::Tar),
            (Place::Registry(reference), _) => ImageName::parse(reference.last()),
        };
        derived.map_err(|error| PullSpecError::Derived(place.clone(), error))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Url(url) => url.fmt(f),
            Place::Registry(reference) => reference.fmt(f),
        }
    }
}

impl Options {
    fn remote(&self, kind: ImageKind, text: &str) -> Result<Remote, PullSpecError> {
        if kind == ImageKind::Oci {
            if self.boot_origin {
                return Err(PullSpecError::BootOriginOfOci);
            }
            if self.verify == Some(Verify::Signature) {
                return Err(PullSpecError::SignatureOfOci);
            }
            let shown = || text.chars().take(SHOWN_MAX).collect();
            let reference = text.parse();
            return reference
                .map(Remote::Registry)
                .map_err(|_invalid| PullSpecError::Reference(shown()));
        }
        if self.boot_origin {
            return Ok(Remote::BesideBootOrigin(text.to_owned()));
        }
        let url = Url::parse(text);
        url.map(Remote::Url)
            .map_err(|InvalidUrl { .. }| refused(text))
    }

    fn parse(text: &str, ignored: &mut Vec<IgnoredOption>) -> Result<Self, PullSpecError> {
        let mut options = Self::default();
        let mut rest = Some(text);
        while let Some(text) = rest {
            let (option, after) = cut(text, ',')?;
            rest = after;
            options.take(option, ignored);
        }
        Ok(options)
    }

    fn take(&mut self, option: String, ignored: &mut Vec<IgnoredOption>) {
        match option.as_str() {
            "raw" => self.kind = Some(ImageKind::File(Form::Raw)),
            "tar" => self.kind = Some(ImageKind::File(Form::Tar)),
            "oci" => self.kind = Some(ImageKind::Oci),
            "ro" => self.read_only = true,
            "rw" => self.read_only = false,
            "blockdev" => self.block_device = true,
            "bootorigin" => self.boot_origin = true,
            _ => match option.split_once('=') {
                Some(("runtime", value)) => match boolean(value) {
                    Some(runtime) => self.runtime = Some(runtime),
                    None => ignored.push(IgnoredOption::Runtime(value.to_owned())),
                },
                Some(("verify", value)) => match Verify::parse_mode(value) {
                    Ok(mode) if !value.is_empty() => self.verify = Some(mode),
                    _ => ignored.push(IgnoredOption::Verify(value.to_owned())),
                },
                _ => match Class::parse(&option) {
                    Ok(class) => self.class = Some(class),
                    Err(_) => ignored.push(IgnoredOption::Unknown(option)),
                },
            },
        }
    }
}

/// Reads a boolean as the rest of the system writes them, in any case.
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

/// Cuts at the first separator that has no backslash before it: what stands before it, backslashes
/// resolved, and what stands after it, if there is one.
fn cut(text: &str, separator: char) -> Result<(String, Option<&str>), PullSpecError> {
    let mut before = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character == separator {
            return Ok((before, Some(rest.as_str())));
        }
        before.push(match character {
            '\\' => rest
                .next()
                .ok_or_else(|| PullSpecError::Backslash(text.to_owned()))?,
            _ => character,
        });
    }
    Ok((before, None))
}

/// The error for what is no address; user and password are cut out of the text it repeats.
fn refused(text: &str) -> PullSpecError {
    let shown = text.rsplit_once('@').map_or(text, |(_, host)| host);
    PullSpecError::Remote(shown.chars().take(SHOWN_MAX).collect())
}

#[cfg(test)]
mod tests;
