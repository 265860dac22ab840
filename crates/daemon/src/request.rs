//! What a caller asked for, checked into a [`Job`].
//!
//! The order of the checks is the reference's: class, flags, then for imports descriptor and name,
//! for exports name, descriptor and format, for pulls address or reference, name and verification mode.

use crate::descriptor::{self, Purpose};
use crate::echo::echo;
use crate::refusal::Refusal;
use importd_api::class::{Class, Scope};
use importd_api::flags::Flags;
use importd_api::format::Format;
use importd_api::job::{ImportSource, Job, Kind, Local, Packing, Shape, Work};
use importd_api::name::{Form, ImageName};
use importd_api::oci::{Reference, Tag};
use importd_api::url::Url;
use importd_api::verify::Verify;
use std::os::fd::BorrowedFd;

/// Class and flags, as the two families of methods give them.
#[derive(Clone, Copy, Debug)]
pub enum Options<'a> {
    /// The old form: class machine, flags as booleans.
    Plain(Flags),
    /// The `Ex` form.
    Extended {
        /// Name of the class.
        class: &'a str,
        /// The flag word.
        flags: u64,
    },
}

impl Options<'_> {
    /// Checks class and flags for a kind of transfer.
    ///
    /// # Errors
    /// [`Refusal::Class`], then [`Refusal::Flags`].
    pub fn check(self, kind: Kind) -> Result<(Class, Flags), Refusal> {
        match self {
            Options::Plain(flags) => Ok((Class::Machine, flags)),
            Options::Extended { class, flags } => {
                let class = Class::parse(echo(class))?;
                Ok((class, Flags::parse(flags, kind.known_flags())?))
            }
        }
    }
}

/// The part of a request that differs by direction.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// An image is made of what stands on a descriptor.
    Import {
        /// File, pipe, socket or folder.
        fd: BorrowedFd<'a>,
        /// What it is taken for.
        source: ImportSource,
        /// The image's name.
        name: &'a str,
    },
    /// An image is written to a descriptor.
    Export {
        /// File, pipe or socket.
        fd: BorrowedFd<'a>,
        /// As archive or disk image.
        form: Form,
        /// The image's name.
        name: &'a str,
        /// Compression; empty for none.
        format: &'a str,
    },
    /// An image is made of a download.
    Pull {
        /// An archive or a disk image.
        form: Form,
        /// Its address.
        url: &'a str,
        /// The image's name; empty to derive it, `-` for none.
        name: &'a str,
        /// Verification mode; empty for the default.
        verify: &'a str,
    },
    /// An image is made of an OCI image in files.
    ImportOci {
        /// File, pipe, socket or folder.
        fd: BorrowedFd<'a>,
        /// The image's name here.
        name: &'a str,
        /// Which of several it is.
        tag: Option<&'a Tag>,
        /// What it becomes.
        shape: &'a Shape,
    },
    /// An image is written to a descriptor as an OCI image.
    ExportOci {
        /// File, pipe or socket.
        fd: BorrowedFd<'a>,
        /// The image's name.
        name: &'a str,
        /// How.
        packing: &'a Packing,
    },
    /// An image is sent to an OCI registry.
    PushOci {
        /// The image's name here.
        name: &'a str,
        /// Its name there.
        reference: &'a str,
        /// How.
        packing: &'a Packing,
    },
    /// An image is made of one in an OCI registry.
    PullOci {
        /// Which one.
        reference: &'a str,
        /// The image's name here; empty to derive it.
        name: &'a str,
        /// What it becomes.
        shape: &'a Shape,
    },
}

impl Subject<'_> {
    const fn kind(&self) -> Kind {
        match self {
            Subject::Import { source, .. } => match source {
                ImportSource::Stream(Form::Tar) => Kind::ImportTar,
                ImportSource::Stream(Form::Raw) => Kind::ImportRaw,
                ImportSource::Folder => Kind::ImportFs,
            },
            Subject::Export { form, .. } => match form {
                Form::Tar => Kind::ExportTar,
                Form::Raw => Kind::ExportRaw,
            },
            Subject::Pull { form, .. } => match form {
                Form::Tar => Kind::PullTar,
                Form::Raw => Kind::PullRaw,
            },
            Subject::PullOci { .. } => Kind::PullOci,
            Subject::ImportOci { .. } => Kind::ImportOci,
            Subject::ExportOci { .. } => Kind::ExportOci,
            Subject::PushOci { .. } => Kind::PushOci,
        }
    }

    /// Checks a request into a job.
    ///
    /// # Errors
    /// [`Refusal`] by the first rule that is broken.
    pub fn check(self, scope: Scope, options: Options<'_>) -> Result<Job, Refusal> {
        let (class, flags) = options.check(self.kind())?;
        Ok(Job {
            scope,
            class,
            force: flags.force,
            read_only: flags.read_only,
            image_root: None,
            work: self.work(flags)?,
        })
    }

    fn work(self, flags: Flags) -> Result<Work, Refusal> {
        match self {
            Subject::Import { fd, source, name } => {
                let purpose = match source {
                    ImportSource::Stream(_) => Purpose::Read,
                    ImportSource::Folder => Purpose::Folder,
                };
                descriptor::check(fd, purpose)?;
                let name = image_name(name)?;
                Ok(Work::Import { source, name })
            }
            Subject::Export {
                fd,
                form,
                name,
                format,
            } => {
                let name = image_name(name)?;
                descriptor::check(fd, Purpose::Write)?;
                let format = match format {
                    "" => None,
                    text => Some(Format::parse(echo(text))?),
                };
                Ok(Work::Export { form, name, format })
            }
            Subject::Pull {
                form,
                url,
                name,
                verify,
            } => pull(form, url, name, verify, flags),
            Subject::PullOci {
                reference,
                name,
                shape,
            } => pull_oci(reference, name, shape, flags),
            Subject::ImportOci {
                fd,
                name,
                tag,
                shape,
            } => import_oci(fd, name, (tag, shape), flags),
            Subject::ExportOci { fd, name, packing } => {
                let name = image_name(name)?;
                descriptor::check(fd, Purpose::Write)?;
                let packing = packing.clone();
                Ok(Work::ExportOci { name, packing })
            }
            Subject::PushOci {
                name,
                reference,
                packing,
            } => Ok(Work::PushOci {
                name: image_name(name)?,
                reference: oci_reference(reference)?,
                packing: packing.clone(),
            }),
        }
    }
}

fn pull(form: Form, url: &str, name: &str, verify: &str, flags: Flags) -> Result<Work, Refusal> {
    let url = Url::parse(url)?;
    let local = match name {
        "" => Local::Derived,
        "-" => Local::Pristine,
        text => Local::Named(image_name(text)?),
    };
    Ok(Work::Pull {
        form,
        url,
        local,
        verify: Verify::parse_mode(echo(verify))?,
        keep_download: flags.keep_download,
    })
}

fn import_oci(
    fd: BorrowedFd<'_>,
    name: &str,
    (tag, shape): (Option<&Tag>, &Shape),
    flags: Flags,
) -> Result<Work, Refusal> {
    descriptor::check(fd, Purpose::Image)?;
    let name = image_name(name)?;
    check_reset(shape, flags)?;
    Ok(Work::ImportOci {
        name,
        tag: tag.cloned(),
        shape: shape.clone(),
    })
}

fn pull_oci(reference: &str, name: &str, shape: &Shape, flags: Flags) -> Result<Work, Refusal> {
    let reference = oci_reference(reference)?;
    let local = match name {
        "" => None,
        text => Some(image_name(text)?),
    };
    check_reset(shape, flags)?;
    Ok(Work::PullOci {
        reference,
        local,
        shape: shape.clone(),
    })
}

fn check_reset(shape: &Shape, flags: Flags) -> Result<(), Refusal> {
    if shape.reset && !flags.force {
        return Err(Refusal::ResetWithoutForce);
    }
    Ok(())
}

fn oci_reference(text: &str) -> Result<Reference, Refusal> {
    let parsed = text.parse();
    parsed.map_err(|_invalid| Refusal::Reference(echo(text).to_owned()))
}

fn image_name(text: &str) -> Result<ImageName, Refusal> {
    ImageName::parse(text).map_err(|_reason| Refusal::Name(echo(text).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn refused(subject: Subject<'_>, options: Options<'_>) -> String {
        subject
            .check(Scope::System, options)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn checks_of_a_pull_come_in_the_references_order() {
        let pull = |url, name, verify| Subject::Pull {
            form: Form::Tar,
            url,
            name,
            verify,
        };
        let options = |class, flags| Options::Extended { class, flags };
        let wrong = pull("x", "a/b", "y");
        assert_eq!(refused(wrong, options("c", 8)), "Image class 'c' not known");
        assert_eq!(refused(wrong, options("", 8)), "Image class '' not known");
        assert_eq!(refused(wrong, options("sysext", 8)), "Flags 0x8 invalid");
        let no_url = "URL 'x' is invalid: it must begin with http://, https:// or file:/";
        assert_eq!(refused(wrong, options("sysext", 7)), no_url);
        let wrong = pull("http://h/x", "a/b", "y");
        assert_eq!(
            refused(wrong, options("sysext", 7)),
            "Local image name a/b is invalid"
        );
        let wrong = pull("http://h/x", "ab", "y");
        assert_eq!(
            refused(wrong, options("sysext", 7)),
            "Unknown verification mode y"
        );
    }

    #[test]
    fn an_oci_image_has_a_reference_and_a_name_and_no_pristine_copy() {
        let shape = |reset| Shape {
            reset,
            ..Shape::default()
        };
        let kept = shape(false);
        let pull = |reference, name| Subject::PullOci {
            reference,
            name,
            shape: &kept,
        };
        let options = |flags| Options::Extended {
            class: "machine",
            flags,
        };
        let wrong = pull("A", "a/b");
        assert_eq!(refused(wrong, options(4)), "Flags 0x4 invalid");
        assert_eq!(refused(wrong, options(3)), "Reference 'A' is invalid");
        let wrong = pull("a", "-");
        assert_eq!(refused(wrong, options(3)), "Local image name - is invalid");
        let reset = shape(true);
        let wrong = Subject::PullOci {
            reference: "a",
            name: "",
            shape: &reset,
        };
        assert_eq!(refused(wrong, options(2)), "The option reset needs force");
        let job = pull("h:1/a/b:t", "").check(Scope::System, options(3));
        let job = job.unwrap();
        assert_eq!((job.local(), job.remote().as_str()), ("", "h:1/a/b:t"));
        assert_eq!((job.kind(), job.verify().as_str()), (Kind::PullOci, ""));
    }

    #[test]
    fn imports_look_at_the_descriptor_first_and_exports_at_the_name() {
        let device = std::fs::File::open("/dev/null").unwrap();
        let options = Options::Plain(Flags::default());
        let import = Subject::Import {
            fd: device.as_fd(),
            source: ImportSource::Stream(Form::Raw),
            name: "-x",
        };
        assert_eq!(refused(import, options), "Invalid argument");
        let export = Subject::Export {
            fd: device.as_fd(),
            form: Form::Raw,
            name: "-x",
            format: "rar",
        };
        assert_eq!(refused(export, options), "Local image name -x is invalid");
        let (_read, write) = std::io::pipe().unwrap();
        let export = Subject::Export {
            fd: write.as_fd(),
            form: Form::Raw,
            name: "x",
            format: "rar",
        };
        assert_eq!(refused(export, options), "Unknown format: rar");
    }

    #[test]
    fn a_dash_is_no_name_but_for_pulls() {
        let pull = Subject::Pull {
            form: Form::Raw,
            url: "http://h/x.raw",
            name: "-",
            verify: "",
        };
        let job = pull
            .check(Scope::User, Options::Plain(Flags::default()))
            .unwrap();
        assert_eq!(job.class, Class::Machine);
        assert_eq!(job.local(), "-");
        assert_eq!(job.verify(), "signature");
        assert!(image_name("-").is_err());
    }
}
