//! Which of the bytes that were kept are still good.

use super::record::Mark;
use crate::stage::BUFFER_BYTES;
use aws_lc_rs::digest::{Context, SHA256};
use importd_host::cancel::Cancel;
use importd_host::copy;
use std::io;
use std::os::fd::BorrowedFd;

/// The number of marks that the bytes agree with, from the first on.
///
/// # Errors
/// What pread(2) says; the cancel.
pub(super) fn good_marks(
    part: BorrowedFd<'_>,
    marks: &[Mark],
    cancel: &Cancel,
) -> io::Result<usize> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut offset = 0u64;
    for (index, mark) in marks.iter().enumerate() {
        while offset < mark.offset {
            cancel.check()?;
            let wanted = usize::try_from(mark.offset - offset).unwrap_or(usize::MAX);
            let wanted = wanted.min(buffer.len());
            let length = copy::read_at(part, &mut buffer[..wanted], offset)?;
            if length == 0 {
                // Shorter than it was: what had not reached the disk is lost.
                return Ok(index);
            }
            context.update(&buffer[..length]);
            offset += length as u64;
        }
        if context.clone().finish().as_ref() != mark.sha256 {
            return Ok(index);
        }
    }
    Ok(marks.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, Write};
    use std::os::fd::AsFd;

    fn marks(data: &[u8], offsets: &[usize]) -> Vec<Mark> {
        let mark = |offset: &usize| {
            let digest = aws_lc_rs::digest::digest(&SHA256, &data[..*offset]);
            Mark {
                offset: *offset as u64,
                sha256: digest.as_ref().try_into().unwrap(),
                end: 0,
            }
        };
        offsets.iter().map(mark).collect()
    }

    #[test]
    fn marks_hold_up_to_the_first_damage() {
        let data: Vec<u8> = (0..(5 << 20)).map(|i: u32| (i % 241) as u8).collect();
        let marks = marks(&data, &[1 << 20, (2 << 20) + 5, 4 << 20, 5 << 20]);
        let cancel = Cancel::new().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&data).unwrap();
        let good = |file: &std::fs::File| good_marks(file.as_fd(), &marks, &cancel).unwrap();
        assert_eq!(good(&file), 4);
        for (at, expected) in [((5 << 20) - 1, 3), (3 << 20, 2), ((2 << 20) + 4, 1), (0, 0)] {
            file.seek(io::SeekFrom::Start(at)).unwrap();
            file.write_all(&[255]).unwrap();
            assert_eq!(good(&file), expected);
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&data[..(4 << 20) + 1]).unwrap();
        assert_eq!(good(&file), 3);
        cancel.cancel();
        good_marks(file.as_fd(), &marks, &cancel).unwrap_err();
    }
}
