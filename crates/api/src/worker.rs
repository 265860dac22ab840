//! A [`Job`] as the command line of a worker: the only definition.
//!
//! The order of arguments is the reference's, so that wrappers which look at them keep working,
//! but for one `--` before the positional ones: a name can never become an option. The worker's
//! side of it is the argument parser in `importd_transfer::cli`; a round trip over both is tested
//! there.

use crate::architecture::Architecture;
use crate::class::Class;
use crate::format::Format;
use crate::job::{ImportSource, Job, Local, Packing, Shape, Work};
use crate::name::{Form, ImageName};
use crate::oci::Tag;
use std::borrow::Cow;
use std::ffi::OsString;

/// Folder in which workers are installed.
pub const WORKER_DIRECTORY: &str = "/usr/lib/systemd";

/// Environment variable that names another folder of workers; for tests and for running from a
/// build folder. The daemon reads it once at its start.
pub const WORKER_DIRECTORY_VARIABLE: &str = "IMPORTD_WORKER_DIRECTORY";

/// The worker programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `systemd-import`
    Import,
    /// `systemd-import-fs`
    ImportFs,
    /// `systemd-export`
    Export,
    /// `systemd-pull`
    Pull,
}

impl Program {
    /// The program's file name.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Program::Import => "systemd-import",
            Program::ImportFs => "systemd-import-fs",
            Program::Export => "systemd-export",
            Program::Pull => "systemd-pull",
        }
    }
}

/// Which program does a job.
#[must_use]
pub const fn program(job: &Job) -> Program {
    match job.work {
        Work::Import {
            source: ImportSource::Folder,
            ..
        } => Program::ImportFs,
        Work::Import { .. } | Work::ImportOci { .. } => Program::Import,
        Work::Export { .. } | Work::ExportOci { .. } => Program::Export,
        Work::Pull { .. } | Work::PullOci { .. } | Work::PushOci { .. } => Program::Pull,
    }
}

/// The arguments of the worker for a job, without the program's name.
#[must_use]
pub fn arguments(job: &Job) -> Vec<OsString> {
    let mut line: Vec<OsString> = Vec::with_capacity(16);
    let mut push = |text: &str| line.push(OsString::from(text));
    push(verb(job));
    push(job.scope.as_option());
    if let Work::Pull { verify, .. } = &job.work {
        push("--verify");
        push(&verify.to_string());
    }
    if job.class != Class::Machine {
        push("--class");
        push(job.class.as_str());
    }
    if let Work::Pull { keep_download, .. } = &job.work {
        push(if *keep_download {
            "--keep-download=yes"
        } else {
            "--keep-download=no"
        });
    }
    if job.force {
        push("--force");
    }
    if job.read_only {
        push("--read-only");
    }
    if let Work::Export {
        format: Some(format),
        ..
    } = &job.work
    {
        push("--format");
        push(format.as_str());
    }
    match &job.work {
        Work::PullOci { shape, .. } => push_shape(shape, None, &mut push),
        Work::ImportOci { shape, tag, .. } => push_shape(shape, tag.as_ref(), &mut push),
        Work::ExportOci { packing, .. } | Work::PushOci { packing, .. } => {
            push_packing(packing, &mut push);
        }
        Work::Import { .. } | Work::Export { .. } | Work::Pull { .. } => {}
    }
    if let Some(root) = &job.image_root {
        push("--image-root");
        line.push(root.clone().into_os_string());
    }
    line.push(OsString::from("--"));
    line.extend(positional(job).iter().map(|word| OsString::from(&**word)));
    line
}

/// Options that the reference does not have: where nothing of them is asked for, its worker would
/// understand the line.
fn push_shape(shape: &Shape, tag: Option<&Tag>, push: &mut impl FnMut(&str)) {
    if let Some(architecture) = &shape.architecture {
        push("--arch");
        push(architecture.as_str());
    }
    if shape.flat {
        push("--flat");
    }
    if shape.reset {
        push("--reset");
    }
    if let Some(tag) = tag {
        push("--tag");
        push(tag.as_str());
    }
}

fn push_packing(packing: &Packing, push: &mut impl FnMut(&str)) {
    let options = [
        ("--format", packing.format.map(Format::as_str)),
        (
            "--arch",
            packing.architecture.as_ref().map(Architecture::as_str),
        ),
        ("--tag", packing.tag.as_ref().map(Tag::as_str)),
    ];
    for (option, value) in options {
        if let Some(value) = value {
            push(option);
            push(value);
        }
    }
}

const fn verb(job: &Job) -> &'static str {
    match &job.work {
        Work::Import { source, .. } => match source {
            ImportSource::Stream(form) => form.as_str(),
            ImportSource::Folder => "run",
        },
        Work::Export { form, .. } | Work::Pull { form, .. } => match form {
            Form::Tar => "tar",
            Form::Raw => "raw",
        },
        Work::PullOci { .. } | Work::ImportOci { .. } | Work::ExportOci { .. } => "oci",
        Work::PushOci { .. } => "push",
    }
}

fn positional(job: &Job) -> Vec<Cow<'_, str>> {
    let line = match &job.work {
        Work::Import { name, .. } | Work::ImportOci { name, .. } => vec!["-", name.as_str()],
        Work::Export { name, .. } | Work::ExportOci { name, .. } => vec![name.as_str()],
        Work::PushOci {
            name, reference, ..
        } => return vec![Cow::from(name.as_str()), Cow::from(reference.to_string())],
        Work::Pull { url, local, .. } => match local {
            Local::Derived => vec![url.as_str()],
            Local::Pristine | Local::Named(_) => vec![url.as_str(), local.as_str()],
        },
        Work::PullOci {
            reference, local, ..
        } => {
            let name = local.as_ref().map(ImageName::as_str).map(Cow::from);
            let reference = Cow::from(reference.to_string());
            return std::iter::once(reference).chain(name).collect();
        }
    };
    line.into_iter().map(Cow::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::Scope;
    use crate::format::Format;
    use crate::name::ImageName;
    use crate::url::Url;
    use crate::verify::Verify;

    fn job(class: Class, work: Work) -> Job {
        Job {
            scope: Scope::System,
            class,
            force: true,
            read_only: true,
            image_root: None,
            work,
        }
    }

    #[test]
    fn lines_are_the_references_but_for_the_double_dash() {
        let pull = Work::Pull {
            form: Form::Raw,
            url: Url::parse("http://server/n.tar").unwrap(),
            local: Local::Named(ImageName::parse("ir").unwrap()),
            verify: Verify::Checksum,
            keep_download: true,
        };
        let mut pull = job(Class::Portable, pull);
        pull.image_root = Some("/tmp/ir".into());
        assert_eq!(
            arguments(&pull).join(" ".as_ref()),
            "raw --system --verify checksum --class portable --keep-download=yes --force \
             --read-only --image-root /tmp/ir -- http://server/n.tar ir"
        );
        let import = Work::Import {
            source: ImportSource::Folder,
            name: ImageName::parse("fs2").unwrap(),
        };
        let import = job(Class::Machine, import);
        assert_eq!(program(&import), Program::ImportFs);
        assert_eq!(
            arguments(&import).join(" ".as_ref()),
            "run --system --force --read-only -- - fs2"
        );
        let export = Work::Export {
            form: Form::Tar,
            name: ImageName::parse("img").unwrap(),
            format: Some(Format::Xz),
        };
        let mut export = job(Class::Machine, export);
        export.force = false;
        export.read_only = false;
        assert_eq!(
            arguments(&export).join(" ".as_ref()),
            "tar --system --format xz -- img"
        );
    }

    #[test]
    fn an_oci_image_brings_options_of_ours_only_where_they_are_asked_for() {
        let oci = |shape, name: Option<&str>| Work::PullOci {
            reference: "server:5000/foo".parse().unwrap(),
            local: name.map(|name| ImageName::parse(name).unwrap()),
            shape,
        };
        let mut pull = job(Class::Machine, oci(Shape::default(), Some("oc")));
        (pull.force, pull.read_only) = (false, false);
        assert_eq!(program(&pull), Program::Pull);
        assert_eq!(
            arguments(&pull).join(" ".as_ref()),
            "oci --system -- server:5000/foo oc"
        );
        let shape = Shape {
            architecture: Some("arm/v7".parse().unwrap()),
            flat: true,
            reset: true,
        };
        let pull = job(Class::Sysext, oci(shape, None));
        assert_eq!(
            arguments(&pull).join(" ".as_ref()),
            "oci --system --class sysext --force --read-only --arch arm/v7 --flat --reset -- \
             server:5000/foo"
        );
    }

    #[test]
    fn images_of_oci_come_and_go_by_lines_of_our_own() {
        let name = || ImageName::parse("n").unwrap();
        let packing = Packing {
            format: Some(Format::Zstd),
            architecture: Some("arm64".parse().unwrap()),
            tag: Some("a:1".parse().unwrap()),
        };
        let line = |work| {
            let mut job = job(Class::Portable, work);
            (job.force, job.read_only) = (false, false);
            let line = arguments(&job).join(" ".as_ref()).into_string().unwrap();
            format!("{} {line}", program(&job).file_name())
        };
        let import = Work::ImportOci {
            name: name(),
            tag: packing.tag.clone(),
            shape: Shape {
                flat: true,
                ..Shape::default()
            },
        };
        assert_eq!(
            line(import),
            "systemd-import oci --system --class portable --flat --tag a:1 -- - n"
        );
        let export = Work::ExportOci {
            name: name(),
            packing: packing.clone(),
        };
        assert_eq!(
            line(export),
            "systemd-export oci --system --class portable --format zstd --arch arm64 --tag a:1 -- n"
        );
        let push = Work::PushOci {
            name: name(),
            reference: "h:1/a:2".parse().unwrap(),
            packing: Packing::default(),
        };
        assert_eq!(
            line(push),
            "systemd-pull push --system --class portable -- n h:1/a:2"
        );
    }
}
