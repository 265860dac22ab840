//! Bytes become a disk image: which way is taken for which source.
//!
//! | source | way |
//! |---|---|
//! | raw file, new image on the same file system | shared (reflink) |
//! | raw file or device | by pieces, on all cores |
//! | raw stream, packed or not | in order |
//! | qcow2 and its kin, a file | by cluster, on all cores |
//! | qcow2 and its kin, a stream | kept in a file without a name, then as a file |

use super::pieces::copy_pieces;
use super::spool::spool;
use super::{Bounds, convert};
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::import::{observer, unpacked};
use crate::source::file::Input;
use crate::stage::ahead::Ahead;
use importd_api::failure::Kind;
use importd_formats::codec::{Codec, Foreign};
use importd_formats::disk::{self, Format};
use importd_host::canvas::Canvas;
use importd_host::dir::Dir;
use importd_host::sparse::SparseWriter;
use importd_host::{attributes, copy};
use std::io::BufRead;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Mutex;

/// One image that is being filled.
#[derive(Clone, Copy)]
pub struct Pour<'a> {
    /// Where the bytes go.
    pub canvas: &'a Canvas,
    /// What the image may be.
    pub bounds: Bounds,
    /// Where a file without a name may be made; `None` if no stream has to be kept.
    pub scratch: Option<&'a Dir>,
    /// Lines, progress and cancel.
    pub context: &'a Context,
    /// Asked once the size of the image is known, before anything is written.
    pub fits: &'a (dyn Fn(u64) -> Result<()> + Sync),
    /// Told when a stream turns out to be the image as it is, before any of it is written.
    pub begins: &'a (dyn Fn() + Sync),
    /// Asked when all of a stream has come that is looked into only then.
    pub complete: &'a (dyn Fn() -> Result<()> + Sync),
}

impl std::fmt::Debug for Pour<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pour")
            .field("canvas", self.canvas)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

impl<'a> Pour<'a> {
    /// Into this canvas; nobody is asked or told anything on the way.
    #[must_use]
    pub const fn new(
        canvas: &'a Canvas,
        bounds: Bounds,
        scratch: Option<&'a Dir>,
        context: &'a Context,
    ) -> Self {
        Self {
            canvas,
            bounds,
            scratch,
            context,
            fits: &|_| Ok(()),
            begins: &|| {},
            complete: &|| Ok(()),
        }
    }
}

impl Pour<'_> {
    /// Pours all of an input; says how many bytes the image has.
    ///
    /// # Errors
    /// [`Kind::SizeLimit`]; [`Kind::Unsupported`] and [`Kind::Corrupt`] for disk images that
    /// cannot be read; [`Kind::NoSpace`]; what the source says.
    pub fn input(self, input: Input) -> Result<u64> {
        let failed = || "Failed to detect file compression".to_owned();
        let mut start = [0; Codec::MAGIC_LEN];
        let is_plain = input.is_whole()
            && copy::read_at(input.fd(), &mut start, 0)
                .map(|length| Codec::sniff(&start[..length]) == Codec::None)
                .doing(failed)?;
        match input.length {
            Some(size) if is_plain => {
                let observe = Mutex::new(observer(self.context, Some(size)));
                let progress = |bytes: u64| {
                    if let Ok(mut observe) = observe.lock() {
                        observe(bytes);
                    }
                };
                self.file(input.fd(), size, &progress)
            }
            _ => self.stream(&mut unpacked(input, self.context)?),
        }
    }

    /// Pours a stream, from where it is to its end.
    ///
    /// # Errors
    /// As [`Pour::input`].
    pub fn stream(self, source: &mut Ahead) -> Result<u64> {
        let failed = || "Failed to decode and write".to_owned();
        let format = self.format(source.fill_buf().doing(failed)?);
        if format != Format::Raw {
            let scratch = self.scratch.ok_or_else(|| {
                let text = format!("A stream of {} needs room to be kept", format.name());
                Error::new(Kind::Unsupported, text)
            })?;
            let (file, size) = spool(source, self.bounds, scratch)?;
            (self.complete)()?;
            return self.convert(file.as_fd(), size, format, &|_| {});
        }
        self.prefer_no_copy_on_write();
        (self.begins)();
        let mut writer = SparseWriter::new(self.canvas);
        let mut total = 0u64;
        loop {
            let data = source.fill_buf().doing(failed)?;
            if data.is_empty() {
                break;
            }
            let length = data.len();
            total += length as u64;
            self.bounds.check(total)?;
            writer.write_at_end(data).doing(write_failed)?;
            source.consume(length);
        }
        writer.finish().doing(write_failed)
    }

    /// Pours a file or device of `size` bytes, from its start.
    ///
    /// # Errors
    /// As [`Pour::input`].
    pub fn file(
        self,
        source: BorrowedFd<'_>,
        size: u64,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<u64> {
        let failed = || "Failed to copy image file".to_owned();
        let mut start = [0; disk::SNIFF_BYTES];
        let length = copy::read_at(source, &mut start, 0).doing(failed)?;
        let format = self.format(&start[..length]);
        if format != Format::Raw {
            return self.convert(source, size, format, progress);
        }
        self.check(size)?;
        if !self.share_whole(source, size).doing(failed)? {
            self.prefer_no_copy_on_write();
            let cancel = &self.context.cancel;
            copy_pieces(source, size, self.canvas, progress, cancel).doing(failed)?;
            self.canvas.finish(size).doing(failed)?;
        }
        progress(size);
        Ok(size)
    }

    /// Refuses an image that is too large, while nothing is written.
    fn check(self, size: u64) -> Result<()> {
        self.bounds.check(size)?;
        (self.fits)(size)
    }

    /// The format asked for, or what the first bytes say.
    fn format(self, start: &[u8]) -> Format {
        let format = self.bounds.format.unwrap_or_else(|| disk::sniff(start));
        if format == Format::Raw
            && let Some(foreign) = Foreign::sniff(start)
        {
            let text = format!("The image is stored as it is, although {foreign}.");
            self.context.report.warning(text);
        }
        format
    }

    fn convert(
        self,
        source: BorrowedFd<'_>,
        size: u64,
        format: Format,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<u64> {
        let name = format.name();
        self.context
            .report
            .info(format!("Unpacking {} file.", name.to_ascii_uppercase()));
        let failed = |error| unreadable(format, error);
        let disk = convert::open(source, size, format).map_err(failed)?;
        self.check(disk.size())?;
        self.prefer_no_copy_on_write();
        convert::convert(disk.as_ref(), source, self, progress).map_err(failed)
    }

    /// Makes a new file share all data of a source on the same file system. On btrfs the two have
    /// to agree about copying on write, and the source decides.
    fn share_whole(self, source: BorrowedFd<'_>, size: u64) -> std::io::Result<bool> {
        if !self.canvas.is_blank() {
            return Ok(false);
        }
        if attributes::flags(source).unwrap_or(0) & attributes::NO_COPY_ON_WRITE != 0 {
            self.prefer_no_copy_on_write();
        }
        if !copy::clone_file(source, self.canvas.fd())? {
            return Ok(false);
        }
        // The source may have grown since its length was taken.
        self.canvas.finish(size)?;
        Ok(true)
    }

    /// Marks a new image to be overwritten in place, where the file system has that (btrfs): a
    /// virtual machine's writes would tear it to shreds.
    fn prefer_no_copy_on_write(self) {
        if self.canvas.is_blank()
            && let Err(error) = attributes::set_no_copy_on_write(self.canvas.fd())
        {
            self.context
                .report
                .debug(format!("The image stays copied on write: {error}"));
        }
    }
}

fn write_failed() -> String {
    "Failed to write image file".into()
}

/// What is said of a disk image that cannot be read.
fn unreadable(format: Format, error: disk::Error) -> Error {
    let text = format!("Failed to convert {} image", format.name());
    let kind = match error.kind() {
        disk::Kind::Unsupported => Kind::Unsupported,
        disk::Kind::Corrupt => Kind::Corrupt,
        disk::Kind::TooLarge => Kind::TooLarge,
        disk::Kind::Io => Kind::Io,
    };
    match error {
        disk::Error::Io(error) => Error::io(text, error),
        error => Error::caused(kind, text, error),
    }
}
