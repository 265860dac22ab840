//! The image file: random access, never past its end.

use super::{Error, Format};
use std::io;
use std::sync::Arc;

/// Random access to the bytes of an image file.
pub trait ReadAt: Send + Sync {
    /// How many bytes the file has. Always the same.
    fn size(&self) -> u64;

    /// Reads bytes that begin at an offset into the buffer; how many were read. Fewer than the
    /// buffer holds may come at any time, none only at the end of the file.
    ///
    /// # Errors
    /// What the file says. `Interrupted` is tried again by the callers here.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buffer, offset)
    }
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> u64 {
        u64::try_from(self.len()).unwrap_or(u64::MAX)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.get(offset..))
            .unwrap_or_default();
        io::Read::read(&mut &*rest, buffer)
    }
}

/// An image file and its format, which every error names.
pub(super) struct Source {
    file: Box<dyn ReadAt>,
    format: Format,
    size: u64,
}

impl Source {
    pub(super) fn new(file: Box<dyn ReadAt>, format: Format) -> Self {
        let size = file.size();
        Self { file, format, size }
    }

    /// Bytes of the file.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn corrupt(&self, what: &'static str, at: u64) -> Error {
        Error::Corrupt {
            format: self.format,
            what,
            at,
        }
    }

    pub(super) fn unsupported(&self, feature: &'static str, advice: &'static str) -> Error {
        Error::Unsupported {
            format: self.format,
            feature,
            advice,
        }
    }

    pub(super) fn too_large(&self, what: &'static str, size: u64, limit: u64) -> Error {
        Error::TooLarge {
            format: self.format,
            what,
            size,
            limit,
        }
    }

    /// How many bytes of a stretch lie inside the file.
    pub(super) fn inside(&self, offset: u64, length: u64) -> u64 {
        self.size.saturating_sub(offset).min(length)
    }

    /// Fills the buffer, or says that the file ends before `what` does.
    pub(super) fn read_exact(
        &self,
        buffer: &mut [u8],
        offset: u64,
        what: &'static str,
    ) -> Result<(), Error> {
        if self.read(buffer, offset)? == buffer.len() {
            Ok(())
        } else {
            Err(self.corrupt(what, offset))
        }
    }

    /// Reads as much as there is, up to the size of the buffer.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Error> {
        let mut filled = 0usize;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let done = u64::try_from(filled).unwrap_or(u64::MAX);
            let Some(at) = offset.checked_add(done).filter(|at| *at < self.size) else {
                break;
            };
            match self.file.read_at(rest, at) {
                Ok(0) => break,
                Ok(length) => filled = filled.saturating_add(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Io(error)),
            }
        }
        Ok(filled)
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("format", &self.format)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
