//! An image becomes bytes: `systemd-export tar|raw|oci`.

mod entry;
mod levels;
pub mod oci;
pub mod output;
mod overlay;
mod picture;
pub mod push;
mod qcow2;
pub mod raw;
mod snapshot;
pub mod tar;
mod total;
mod walk;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::images::Places;
use crate::owners::Need;
use importd_api::failure::Kind;
use importd_api::figures::Phase;
use importd_api::format::Format;
use importd_api::name::ImageName;
use importd_formats::codec::{Codec, EncodeOptions};
use importd_formats::disk;
use importd_host::namespace::foreign;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// What to export, as checked by the command line.
#[derive(Clone, Debug)]
pub struct Request {
    /// An image's name, or a path where a name cannot be meant.
    pub source: ExportSource,
    /// The file to write; `None` is standard output.
    pub file: Option<PathBuf>,
    /// Compression.
    pub format: Format,
    /// Its level; `None` is the format's default.
    pub level: Option<u8>,
    /// Most memory for compression, in bytes; see [`compression_memory`].
    pub memory_bytes: u64,
    /// How a disk stands in the file: raw or qcow2.
    pub disk: disk::Format,
    /// Where images are.
    pub places: Places,
}

/// What is exported.
#[derive(Clone, Debug)]
pub enum ExportSource {
    /// The image of this name.
    Image(ImageName),
    /// What lies at this path.
    Path(PathBuf),
}

impl Request {
    /// The path of the image.
    fn path(&self) -> Result<PathBuf> {
        match &self.source {
            ExportSource::Path(path) => Ok(path.clone()),
            ExportSource::Image(name) if name.as_str() == ".host" => Ok(PathBuf::from("/")),
            ExportSource::Image(name) => self.places.find_optional(name)?.ok_or_else(|| {
                let folders: Vec<_> = self
                    .places
                    .search
                    .iter()
                    .map(|folder| folder.display().to_string())
                    .collect();
                let text = format!("Image {name} not found (looked in {})", folders.join(", "));
                Error::new(Kind::NotFound, text)
            }),
        }
    }

    /// What it takes to read the tree.
    #[must_use]
    pub fn need(&self) -> Need {
        let top = self.path().ok().and_then(|path| path.metadata().ok());
        match top.map(|top| top.uid()) {
            Some(uid) if foreign::is_foreign(uid) => Need::VisitForeign,
            // Not the caller's: in a namespace all in it would be nobody's.
            Some(0) => Need::None,
            Some(_) | None => Need::Visit,
        }
    }

    fn announce(&self, path: &std::path::Path, context: &Context) {
        context.report.phase(Phase::Writing);
        let target = self.file.as_ref().map_or_else(
            || "standard output".into(),
            |file| file.display().to_string(),
        );
        context.report.info(format!(
            "Exporting '{}', saving to '{target}' with compression '{}'.",
            path.display(),
            self.format.as_str()
        ));
    }

    fn codec(&self) -> Codec {
        match self.format {
            Format::Uncompressed => Codec::None,
            Format::Xz => Codec::Xz,
            Format::Gzip => Codec::Gzip,
            Format::Bzip2 => Codec::Bzip2,
            Format::Zstd => Codec::Zstd,
            Format::Lz4 => Codec::Lz4,
        }
    }

    fn encode_options(&self) -> EncodeOptions {
        EncodeOptions {
            level: self.level.map(i32::from),
            memory_bytes: Some(self.memory_bytes),
            ..EncodeOptions::default()
        }
    }
}

/// Share of the machine's memory that compression may have: a quarter, as `xz -T0` takes.
const MEMORY_SHARE: u64 = 4;
/// Most memory for compression on any machine, in bytes.
const MEMORY_MAX: u64 = 4 << 30;

/// How much memory compression may have on this machine, in bytes. Must be asked before the cage
/// is closed.
#[must_use]
pub fn compression_memory() -> u64 {
    let machine = rustix::system::sysinfo();
    let all = machine.totalram.saturating_mul(u64::from(machine.mem_unit));
    (all / MEMORY_SHARE).min(MEMORY_MAX)
}
