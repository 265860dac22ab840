//! CRC-32C, as the structures of the file carry it.

/// The polynomial of Castagnoli, bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// What a byte does to the checksum.
fn step(byte: u8) -> u32 {
    (0..8).fold(u32::from(byte), |crc, _| {
        let mask = 0u32.wrapping_sub(crc & 1);
        (crc >> 1) ^ (POLYNOMIAL & mask)
    })
}

/// The checksum of bytes, of which the four at an offset count as zeros: there it stands itself.
pub(super) fn crc32c(bytes: &[u8], own: usize) -> u32 {
    let steps: [u32; 256] = std::array::from_fn(|byte| u8::try_from(byte).map_or(0, step));
    let add = |crc: u32, byte: &u8| {
        let [low, ..] = crc.to_le_bytes();
        // There is a step for every byte.
        let step = steps.get(usize::from(low ^ byte)).copied();
        (crc >> 8) ^ step.unwrap_or_default()
    };
    let (before, rest) = bytes.split_at_checked(own).unwrap_or((bytes, &[]));
    let zeros = [0; 4];
    let (own, after) = rest.split_at_checked(zeros.len()).unwrap_or((rest, &[]));
    let zeros = zeros.get(..own.len()).unwrap_or_default();
    let crc = [before, zeros, after].into_iter().flatten();
    !crc.fold(u32::MAX, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standards() {
        // RFC 3720, appendix B.4.
        for (bytes, crc) in [
            (&b"123456789"[..], 0xe306_9283),
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
        ] {
            assert_eq!(crc32c(bytes, bytes.len()), crc);
        }
        assert_eq!(
            crc32c(&[1, 2, 9, 9, 9, 9], 2),
            crc32c(&[1, 2, 0, 0, 0, 0], 6)
        );
    }
}
