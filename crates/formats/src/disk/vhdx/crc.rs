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
    let own = own..own.saturating_add(4);
    let mut crc = u32::MAX;
    for (at, byte) in bytes.iter().enumerate() {
        let byte = if own.contains(&at) { 0 } else { *byte };
        let [low, ..] = crc.to_le_bytes();
        // There is a step for every byte.
        let step = steps.get(usize::from(low ^ byte)).copied();
        crc = (crc >> 8) ^ step.unwrap_or_default();
    }
    !crc
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
