//! Numbers of transfers.
//!
//! The last number given out is kept in a file of the runtime directory, so that a daemon which was
//! stopped and started again goes on from there: `cancel-transfer 1` cannot hit somebody else's new
//! transfer. A new boot begins at 1, and so does a daemon that cannot keep the file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Name of the file in the runtime directory.
const FILE_NAME: &str = "last-transfer-id";

/// Most bytes read from the file: the digits of a `u32` and a newline.
const FILE_MAX: u64 = 11;

/// Gives out numbers, never 0.
#[derive(Debug, Default)]
pub struct Ids {
    last: u32,
    file: Option<File>,
}

impl Ids {
    /// Goes on after the number kept in `directory`, which is made if need be.
    #[must_use]
    pub fn open(directory: Option<&Path>) -> Self {
        let Some(directory) = directory else {
            return Self::default();
        };
        let file = std::fs::create_dir_all(directory).and_then(|()| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(directory.join(FILE_NAME))
        });
        match file {
            Ok(file) => Self {
                last: read(&file).unwrap_or(0),
                file: Some(file),
            },
            Err(error) => {
                tracing::warn!(
                    "Transfers are numbered from 1, since {} cannot be used: {error}",
                    directory.display()
                );
                Self::default()
            }
        }
    }

    /// The next number for which `is_taken` is false.
    pub fn next(&mut self, is_taken: impl Fn(u32) -> bool) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1).max(1);
            if !is_taken(self.last) {
                break;
            }
        }
        if let Some(file) = &self.file
            && let Err(error) = write(file, self.last)
        {
            tracing::warn!("The last transfer number could not be kept: {error}");
            self.file = None;
        }
        self.last
    }
}

fn read(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(FILE_MAX).read_to_string(&mut text).ok()?;
    text.trim_end().parse().ok()
}

/// Overwrites the file in one write of a fixed length: a killed daemon leaves the old number or the
/// new one.
fn write(file: &File, id: u32) -> io::Result<()> {
    file.write_all_at(format!("{id:010}\n").as_bytes(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_goes_on_counting() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("systemd/importd");
        let mut ids = Ids::open(Some(&directory));
        assert_eq!((ids.next(|_| false), ids.next(|_| false)), (1, 2));
        drop(ids);
        assert_eq!(Ids::open(Some(&directory)).next(|_| false), 3);
    }

    #[test]
    fn numbers_wrap_past_zero_and_skip_what_is_taken() {
        let mut ids = Ids {
            last: u32::MAX - 1,
            file: None,
        };
        assert_eq!(ids.next(|_| false), u32::MAX);
        assert_eq!(ids.next(|id| id < 3), 3);
    }

    #[test]
    fn nonsense_in_the_file_means_the_beginning() {
        let place = tempfile::tempdir().unwrap();
        for nonsense in ["", "x", "99999999999", "-1"] {
            let file = File::create(place.path().join(FILE_NAME)).unwrap();
            file.write_all_at(nonsense.as_bytes(), 0).unwrap();
            assert_eq!(
                Ids::open(Some(place.path())).next(|_| false),
                1,
                "{nonsense}"
            );
        }
    }

    #[test]
    fn without_a_place_numbers_begin_at_one() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        File::create(&file).unwrap();
        assert_eq!(Ids::open(Some(&file)).next(|_| false), 1);
        assert_eq!(Ids::open(None).next(|_| false), 1);
    }
}
