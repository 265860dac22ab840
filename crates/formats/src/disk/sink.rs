//! Where an image is written to.

use std::io;
use std::sync::Arc;

/// Writes anywhere in a file.
pub trait WriteAt: Send + Sync {
    /// Writes all of the bytes at an offset. What lies between the end of the file and there reads as
    /// zeros afterwards.
    ///
    /// # Errors
    /// What the file says.
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()>;
}

impl<T: WriteAt + ?Sized> WriteAt for Arc<T> {
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        (**self).write_at(data, offset)
    }
}
