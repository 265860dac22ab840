//! One download asked for at boot: `OPTIONS:LOCAL:REMOTE`.
//!
//! | part | holds |
//! |---|---|
//! | OPTIONS | comma separated: a class and a type, required, and what follows below |
//! | LOCAL | name of the image; empty: derived from the address |
//! | REMOTE | everything after the second colon: an address, or with `bootorigin` a file name |
//!
//! A backslash in OPTIONS and LOCAL makes the next character an ordinary one, so that `\:` puts a
//! colon into a name. REMOTE is taken as it is. The same text is a value of `systemd.pull=` on the
//! kernel command line and a line of the credential `import.pull`.

use crate::class::Class;
use crate::name::{Form, ImageName, NameError};
use crate::url::{InvalidUrl, Scheme, Url};
use crate::verify::Verify;

/// Longest part of a refused address that an error repeats, in characters: one log line.
const SHOWN_MAX: usize = 200;

/// One download asked for at boot, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullSpec {
    /// What the image is for.
    pub class: Class,
    /// Archive or disk image.
    pub form: Form,
    /// `ro`: the image cannot be written to afterwards.
    pub read_only: bool,
    /// What the download must prove; never [`Verify::Digest`], which the service does not take.
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

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// At this address.
    Url(Url),
    /// Beside the file that the machine was booted from: what takes the place of the last
    /// component of that file's address.
    BesideBootOrigin(String),
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
    #[error("The image type is missing: raw or tar")]
    NoForm,
    /// `oci`, which the reference names and then crashes on: a stack of layers has no unit.
    #[error("Images of the type oci cannot be pulled at boot")]
    Oci,
    /// None of the classes.
    #[error("The image class is missing: machine, portable, sysext or confext")]
    NoClass,
    /// A tree is no block device.
    #[error("Option 'blockdev' is for raw images only")]
    BlockDeviceOfTar,
    /// The local name is none.
    #[error("'{0}' is no image name")]
    Local(String, #[source] NameError),
    /// The remote address is none; the text is cut, and shows no user and password.
    #[error("'{}' is no http, https or file address", .0.escape_debug())]
    Remote(String),
    /// No name was given, and none can be derived from the address.
    #[error("No image name can be derived from '{0}'")]
    Derived(Url, #[source] NameError),
    /// The machine was not booted from an address that files beside it can be fetched from.
    #[error("The boot origin '{0}' is no http or https address")]
    BootOrigin(Url),
}

/// The type as it is written: one more than there are forms.
#[derive(Clone, Copy)]
enum WrittenForm {
    Known(Form),
    Oci,
}

/// The options while they are read: later ones win.
#[derive(Default)]
struct Options {
    class: Option<Class>,
    form: Option<WrittenForm>,
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
        let form = match options.form.ok_or(PullSpecError::NoForm)? {
            WrittenForm::Known(form) => form,
            WrittenForm::Oci => return Err(PullSpecError::Oci),
        };
        if options.block_device && form == Form::Tar {
            return Err(PullSpecError::BlockDeviceOfTar);
        }
        let local = match local.as_str() {
            "" => None,
            _ => match ImageName::parse(&local) {
                Ok(name) => Some(name),
                Err(error) => return Err(PullSpecError::Local(local, error)),
            },
        };
        Ok(Self {
            class: options.class.ok_or(PullSpecError::NoClass)?,
            form,
            read_only: options.read_only,
            verify: options.verify.unwrap_or(Verify::Signature),
            block_device: options.block_device,
            runtime: options.runtime,
            local,
            remote: if options.boot_origin {
                Remote::BesideBootOrigin(remote.to_owned())
            } else {
                Remote::Url(Url::parse(remote).map_err(|InvalidUrl(_)| refused(remote))?)
            },
        })
    }

    /// The address of the image; `boot_origin` is that of the file the machine was booted from.
    /// `None` if the image stands beside that file and there is no such file.
    ///
    /// # Errors
    /// [`PullSpecError::BootOrigin`] if files beside `boot_origin` cannot be fetched, and
    /// [`PullSpecError::Remote`] if the file name does not belong into an address.
    pub fn url(&self, boot_origin: Option<&Url>) -> Result<Option<Url>, PullSpecError> {
        let name = match &self.remote {
            Remote::Url(url) => return Ok(Some(url.clone())),
            Remote::BesideBootOrigin(name) => name,
        };
        match boot_origin {
            None => Ok(None),
            Some(origin) if origin.scheme() == Scheme::File => {
                Err(PullSpecError::BootOrigin(origin.clone()))
            }
            Some(origin) => match origin.sibling(name) {
                Ok(url) => Ok(Some(url)),
                Err(InvalidUrl(_)) => Err(refused(name)),
            },
        }
    }

    /// The name of the image: the one given, else the one derived from its address.
    ///
    /// # Errors
    /// [`PullSpecError::Derived`] if none was given and nothing of the address is a name.
    pub fn name(&self, url: &Url) -> Result<ImageName, PullSpecError> {
        match &self.local {
            Some(name) => Ok(name.clone()),
            None => url
                .image_name(self.form)
                .map_err(|error| PullSpecError::Derived(url.clone(), error)),
        }
    }
}

impl Options {
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
            "raw" => self.form = Some(WrittenForm::Known(Form::Raw)),
            "tar" => self.form = Some(WrittenForm::Known(Form::Tar)),
            "oci" => self.form = Some(WrittenForm::Oci),
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
