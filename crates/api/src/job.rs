//! One transfer, fully checked: what every entrance (bus, command line) turns its strings into.

use crate::architecture::Architecture;
use crate::class::{Class, Scope};
use crate::format::Format;
use crate::name::{Form, ImageName};
use crate::oci::{Reference, Tag};
use crate::url::Url;
use crate::verify::Verify;
use std::fmt;
use std::path::PathBuf;

/// The kinds of transfer, by their names on D-Bus and in lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An archive becomes a tree.
    ImportTar,
    /// A disk image file becomes an image.
    ImportRaw,
    /// A folder becomes a tree.
    ImportFs,
    /// A tree becomes an archive.
    ExportTar,
    /// An image becomes a disk image file.
    ExportRaw,
    /// An archive is downloaded and becomes a tree.
    PullTar,
    /// A disk image is downloaded.
    PullRaw,
    /// An OCI image is downloaded.
    PullOci,
    /// An OCI image in files becomes an image here.
    ImportOci,
    /// An image becomes an OCI image in an archive.
    ExportOci,
    /// An image becomes an OCI image in a registry.
    PushOci,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 11] = [
        Kind::ImportTar,
        Kind::ImportRaw,
        Kind::ImportFs,
        Kind::ExportTar,
        Kind::ExportRaw,
        Kind::PullTar,
        Kind::PullRaw,
        Kind::PullOci,
        Kind::ImportOci,
        Kind::ExportOci,
        Kind::PushOci,
    ];

    /// The kind's name, as the `Type` property shows it and importctl calls its verb.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::ImportTar => "import-tar",
            Kind::ImportRaw => "import-raw",
            Kind::ImportFs => "import-fs",
            Kind::ExportTar => "export-tar",
            Kind::ExportRaw => "export-raw",
            Kind::PullTar => "pull-tar",
            Kind::PullRaw => "pull-raw",
            Kind::PullOci => "pull-oci",
            Kind::ImportOci => "import-oci",
            Kind::ExportOci => "export-oci",
            Kind::PushOci => "push-oci",
        }
    }

    /// The flag bits that the kind's `Ex` method knows; of those that have options by name, the flags
    /// among them.
    #[must_use]
    pub const fn known_flags(self) -> u64 {
        match self {
            Kind::ImportTar
            | Kind::ImportRaw
            | Kind::ImportFs
            | Kind::PullOci
            | Kind::ImportOci => crate::flags::Flags::IMPORT,
            Kind::ExportTar | Kind::ExportRaw | Kind::ExportOci | Kind::PushOci => {
                crate::flags::Flags::NONE
            }
            Kind::PullTar | Kind::PullRaw => crate::flags::Flags::PULL,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Under which name a download is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    /// The name that the worker derives from the address.
    Derived,
    /// None: only the pristine copy of the download is made (`-`).
    Pristine,
    /// This one.
    Named(ImageName),
}

impl Local {
    /// The name as the `Local` property shows it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Local::Derived => "",
            Local::Pristine => "-",
            Local::Named(name) => name.as_str(),
        }
    }
}

/// What an import reads; always from the worker's standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportSource {
    /// A file or pipe with an archive or a disk image.
    Stream(Form),
    /// A folder.
    Folder,
}

/// What an OCI image becomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// For which machine it is taken from an index; `None` for this one.
    pub architecture: Option<Architecture>,
    /// One tree, and not a stack of layers.
    pub flat: bool,
    /// With a stack that is replaced, what was changed in it goes too.
    pub reset: bool,
}

/// How an image becomes an OCI image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packing {
    /// Compression of the layers; `None` leaves it to the worker.
    pub format: Option<Format>,
    /// For which machine it says that it is; `None` for what is known of it, or this one.
    pub architecture: Option<Architecture>,
    /// Its name in the layout; `None` for the image's. A registry has it by its reference.
    pub tag: Option<Tag>,
}

/// The part of a job that differs by direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Bytes of this machine become an image.
    Import {
        /// What stands on standard input.
        source: ImportSource,
        /// The image's name.
        name: ImageName,
    },
    /// An image becomes bytes on the worker's standard output.
    Export {
        /// Archive or disk image.
        form: Form,
        /// The image's name.
        name: ImageName,
        /// Compression; `None` leaves it to the worker, which then does not compress.
        format: Option<Format>,
    },
    /// Bytes of a server become an image.
    Pull {
        /// Archive or disk image.
        form: Form,
        /// Where the bytes are.
        url: Url,
        /// The image's name.
        local: Local,
        /// What the download must prove.
        verify: Verify,
        /// Whether the download is kept as it came.
        keep_download: bool,
    },
    /// An image of an OCI registry becomes an image here.
    PullOci {
        /// Which one.
        reference: Reference,
        /// The image's name here; `None` derives it from the reference.
        local: Option<ImageName>,
        /// What it becomes.
        shape: Shape,
    },
    /// An OCI image in files of this machine becomes an image here.
    ImportOci {
        /// The image's name here.
        name: ImageName,
        /// Which of several it is.
        tag: Option<Tag>,
        /// What it becomes.
        shape: Shape,
    },
    /// An image becomes an archive with an OCI image, on the worker's standard output.
    ExportOci {
        /// The image's name.
        name: ImageName,
        /// How.
        packing: Packing,
    },
    /// An image becomes one in an OCI registry.
    PushOci {
        /// The image's name here.
        name: ImageName,
        /// Its name there.
        reference: Reference,
        /// How.
        packing: Packing,
    },
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Whose images.
    pub scope: Scope,
    /// What the image is for.
    pub class: Class,
    /// Replace an image of the same name.
    pub force: bool,
    /// The image cannot be written to afterwards.
    pub read_only: bool,
    /// Folder of images, instead of the class's; absolute.
    pub image_root: Option<PathBuf>,
    /// What is to be done.
    pub work: Work,
}

/// Which of the worker's standard descriptors is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descriptor {
    /// None: the worker fetches by itself.
    None,
    /// Standard input: an import reads it.
    Input,
    /// Standard output: an export writes it.
    Output,
}

impl Job {
    /// The job's kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match &self.work {
            Work::Import { source, .. } => match source {
                ImportSource::Stream(Form::Tar) => Kind::ImportTar,
                ImportSource::Stream(Form::Raw) => Kind::ImportRaw,
                ImportSource::Folder => Kind::ImportFs,
            },
            Work::Export { form, .. } => match form {
                Form::Tar => Kind::ExportTar,
                Form::Raw => Kind::ExportRaw,
            },
            Work::Pull { form, .. } => match form {
                Form::Tar => Kind::PullTar,
                Form::Raw => Kind::PullRaw,
            },
            Work::PullOci { .. } => Kind::PullOci,
            Work::ImportOci { .. } => Kind::ImportOci,
            Work::ExportOci { .. } => Kind::ExportOci,
            Work::PushOci { .. } => Kind::PushOci,
        }
    }

    /// The `Local` property: the image's name as given.
    #[must_use]
    pub fn local(&self) -> &str {
        match &self.work {
            Work::Import { name, .. }
            | Work::Export { name, .. }
            | Work::ImportOci { name, .. }
            | Work::ExportOci { name, .. }
            | Work::PushOci { name, .. } => name.as_str(),
            Work::Pull { local, .. } => local.as_str(),
            Work::PullOci { local, .. } => local.as_ref().map_or("", ImageName::as_str),
        }
    }

    /// The `Remote` property: the address of a pull, without credentials, or the name in a registry;
    /// empty otherwise.
    #[must_use]
    pub fn remote(&self) -> String {
        match &self.work {
            Work::Pull { url, .. } => url.to_string(),
            Work::PullOci { reference, .. } | Work::PushOci { reference, .. } => {
                reference.to_string()
            }
            Work::Import { .. }
            | Work::Export { .. }
            | Work::ImportOci { .. }
            | Work::ExportOci { .. } => String::new(),
        }
    }

    /// The `Verify` property: the mode of a pull; empty otherwise, and for images of OCI, whose
    /// digests are always proven.
    #[must_use]
    pub fn verify(&self) -> String {
        match &self.work {
            Work::Pull { verify, .. } => verify.to_string(),
            Work::Import { .. }
            | Work::Export { .. }
            | Work::PullOci { .. }
            | Work::ImportOci { .. }
            | Work::ExportOci { .. }
            | Work::PushOci { .. } => String::new(),
        }
    }

    /// Which of the worker's descriptors is the caller's.
    #[must_use]
    pub const fn descriptor(&self) -> Descriptor {
        match &self.work {
            Work::Import { .. } | Work::ImportOci { .. } => Descriptor::Input,
            Work::Export { .. } | Work::ExportOci { .. } => Descriptor::Output,
            Work::Pull { .. } | Work::PullOci { .. } | Work::PushOci { .. } => Descriptor::None,
        }
    }
}
