//! Files and pipes that are read: all of them here, none without a limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads a whole file of at most `limit_bytes`; `None` if it does not exist.
///
/// # Errors
/// Those of the system, and [`io::ErrorKind::FileTooLarge`] for a longer file.
pub(crate) fn read_optional(path: &Path, limit_bytes: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    read(file, limit_bytes).map(Some)
}

/// Reads to the end, which must come within `limit_bytes`.
///
/// # Errors
/// Those of the source, and [`io::ErrorKind::FileTooLarge`] if there is more.
pub(crate) fn read(source: impl Read, limit_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let one_more = u64::try_from(limit_bytes)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    source.take(one_more).read_to_end(&mut bytes)?;
    if bytes.len() > limit_bytes {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("More than {limit_bytes} bytes"),
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit_and_refused_beyond() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file.as_file(), b"abc").unwrap();
        let read = |limit| read_optional(file.path(), limit);
        assert_eq!(read(3).unwrap(), Some(b"abc".to_vec()));
        let error = read(2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_optional(Path::new("/nonexistent"), 1).unwrap(), None);
    }
}
