//! An image becomes bytes: `systemd-export tar|raw`.

mod entry;
mod levels;
pub mod output;
mod picture;
mod qcow2;
pub mod raw;
pub mod tar;
mod total;
mod walk;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::images::Places;
use importd_api::failure::Kind;
use importd_api::format::Format;
use importd_api::name::ImageName;
use importd_formats::codec::{Codec, EncodeOptions};
use importd_formats::disk;
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

    fn announce(&self, path: &std::path::Path, context: &Context) {
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

    fn encode_options() -> EncodeOptions {
        EncodeOptions::default()
    }
}
