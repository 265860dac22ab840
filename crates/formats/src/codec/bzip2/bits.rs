//! Bits of a byte slice, most significant first.

/// Up to 64 bits beginning at bit `start`; missing ones are zero.
pub(super) fn read(bytes: &[u8], start: u64, count: u64) -> u64 {
    let first = usize::try_from(start / 8).unwrap_or(usize::MAX);
    let window = match bytes.get(first..).and_then(<[u8]>::first_chunk) {
        Some(loaded) => u128::from_be_bytes(*loaded) >> 56,
        // Near the end of the slice.
        None => (0..9).fold(0u128, |window, index| {
            let byte = first.checked_add(index).and_then(|at| bytes.get(at));
            window << 8 | u128::from(byte.copied().unwrap_or(0))
        }),
    };
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

    /// Adds bits `start..end` of a slice. Missing ones are zero.
    pub(super) fn extend(&mut self, bytes: &[u8], start: u64, end: u64) {
        let to_border = u64::from(8u32.saturating_sub(self.held_bits) % 8);
        let begun = start.saturating_add(to_border).min(end);
        self.extend_slowly(bytes, start, begun);
        let whole = self.extend_whole(bytes, begun, end);
        self.extend_slowly(bytes, begun.saturating_add(whole), end);
    }

    /// Adds up to 48 bits at a time.
    fn extend_slowly(&mut self, bytes: &[u8], start: u64, end: u64) {
        let mut at = start;
        while at < end {
            let count = end.saturating_sub(at).min(48);
            self.push(read(bytes, at, count), u32::try_from(count).unwrap_or(0));
            at = at.saturating_add(count);
        }
    }

    /// Adds as many bits of `start..end` as fill words of eight bytes, if the sink stands at the
    /// border of a byte; how many bits that were.
    fn extend_whole(&mut self, bytes: &[u8], start: u64, end: u64) -> u64 {
        let first = usize::try_from(start / 8).unwrap_or(usize::MAX);
        let count = usize::try_from(end.saturating_sub(start) / 64).unwrap_or(0);
        let rest = bytes.get(first..).unwrap_or(&[]);
        if self.held_bits > 0 {
            return 0;
        }
        self.bytes.reserve(count.saturating_mul(8));
        let before = self.bytes.len();
        let shift = u32::try_from(start % 8).unwrap_or(0);
        for window in rest.windows(9).step_by(8).take(count) {
            let [word @ .., next] = window else { break };
            let word = word.try_into().map_or(0, u64::from_be_bytes);
            let word = match shift {
                0 => word,
                _ => word << shift | u64::from(next.unbounded_shr(8u32.saturating_sub(shift))),
            };
            self.bytes.extend_from_slice(&word.to_be_bytes());
        }
        (self.bytes.len().saturating_sub(before) as u64).saturating_mul(8)
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
            for end in [start, start + 1, start + 31, start + 200, 64 * 8] {
                for before in [0, 1, 7, 8] {
                    let mut sink = Sink::default();
                    sink.push(u64::MAX, before);
                    sink.extend(&bytes, start, end);
                    sink.align();
                    let length = u64::from(before) + end - start;
                    assert_eq!(sink.bytes.len() as u64, length.div_ceil(8));
                    for bit in start..end {
                        let wanted = read(&bytes, bit, 1);
                        let at = u64::from(before) + bit - start;
                        assert_eq!(read(&sink.bytes, at, 1), wanted, "{before} {start} {bit}");
                    }
                }
            }
        }
    }
}
