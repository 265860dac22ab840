//! Bits of a byte slice, most significant first.

/// Up to 64 bits beginning at bit `start`; missing ones are zero.
pub(super) fn read(bytes: &[u8], start: u64, count: u64) -> u64 {
    let first = usize::try_from(start / 8).unwrap_or(usize::MAX);
    let mut window = 0u128;
    for index in 0..9 {
        let byte = first.checked_add(index).and_then(|at| bytes.get(at));
        window = window << 8 | u128::from(byte.copied().unwrap_or(0));
    }
    // 72 bits are loaded; up to 7 belong to what is before.
    let drop = 72u64.saturating_sub(start % 8).saturating_sub(count);
    let mask = 1u128
        .checked_shl(u32::try_from(count).unwrap_or(64))
        .unwrap_or(0)
        .wrapping_sub(1);
    u64::try_from(
        window
            .checked_shr(u32::try_from(drop).unwrap_or(72))
            .unwrap_or(0)
            & mask,
    )
    .unwrap_or(0)
}

/// Collects bits into bytes.
#[derive(Debug, Default)]
pub(super) struct Sink {
    pub(super) bytes: Vec<u8>,
    held: u64,
    held_bits: u32,
}

impl Sink {
    /// Adds the lowest `count` bits, at most 48, of `value`.
    pub(super) fn push(&mut self, value: u64, count: u32) {
        let value = value & 1u64.checked_shl(count).unwrap_or(0).wrapping_sub(1);
        self.held = self.held.checked_shl(count).unwrap_or(0) | value;
        self.held_bits = self.held_bits.saturating_add(count);
        while self.held_bits >= 8 {
            self.held_bits = self.held_bits.saturating_sub(8);
            let byte = self.held.checked_shr(self.held_bits).unwrap_or(0) & 0xff;
            self.bytes.push(u8::try_from(byte).unwrap_or(0));
        }
        self.held &= 1u64
            .checked_shl(self.held_bits)
            .unwrap_or(0)
            .wrapping_sub(1);
    }

    /// Adds bits `start..end` of a slice.
    pub(super) fn extend(&mut self, bytes: &[u8], start: u64, end: u64) {
        let mut at = start;
        // Whole bytes of the sink, shifted, are the hot path.
        while end.saturating_sub(at) >= 32 {
            self.push(read(bytes, at, 32), 32);
            at = at.saturating_add(32);
        }
        let rest = end.saturating_sub(at);
        if rest > 0 {
            self.push(read(bytes, at, rest), u32::try_from(rest).unwrap_or(0));
        }
    }

    /// Fills up the last byte with zeros.
    pub(super) fn align(&mut self) {
        if self.held_bits > 0 {
            self.push(0, 8u32.saturating_sub(self.held_bits));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_out_as_they_went_in_at_every_offset() {
        let bytes: Vec<u8> = (0..64u8).map(|i| i.wrapping_mul(37)).collect();
        for start in 0..20 {
            for end in [start, start + 1, start + 31, start + 200] {
                let mut sink = Sink::default();
                sink.extend(&bytes, start, end);
                sink.align();
                for bit in start..end {
                    let wanted = read(&bytes, bit, 1);
                    assert_eq!(read(&sink.bytes, bit - start, 1), wanted, "{start} {bit}");
                }
            }
        }
    }
}
