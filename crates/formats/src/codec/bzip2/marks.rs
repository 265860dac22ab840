//! Finds the marks between blocks, at any bit.
//!
//! A mark is 48 bits long, so that at least five whole bytes lie in it wherever it begins, and four
//! pairs of neighbours among them. It is enough to look at one pair of bytes in four: most are in
//! none of the marks, and only around the others every bit is tried.

use super::{BLOCK_MARK, END_MARK, MARK_BITS, bits};

/// Distance between two pairs that are looked at, in bytes.
const STEP: usize = 4;
/// How far behind a pair a mark around it may end, in bytes.
const REACH: usize = 6;

/// For every pair of bytes, whether a mark may hold it: a bit each.
static PAIRS: [u64; 1024] = pairs();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "runs when this is compiled, where a mistake is an error"
)]
const fn pairs() -> [u64; 1024] {
    let mut table = [0; 1024];
    let marks = [BLOCK_MARK, END_MARK];
    let mut index = 0;
    while index < marks.len() {
        // Every stretch of 16 bits of the mark, at all of its bits.
        let mut shift = 0;
        while shift <= MARK_BITS - 16 {
            let pair = (marks[index] >> shift) & 0xffff;
            table[(pair / 64) as usize] |= 1 << (pair % 64);
            shift += 1;
        }
        index += 1;
    }
    table
}

fn is_in_mark([first, second]: [u8; 2]) -> bool {
    let word = usize::from(first) << 2 | usize::from(second >> 6);
    let bit = u32::from(second & 63);
    PAIRS
        .get(word)
        .is_some_and(|word| word.unbounded_shr(bit) & 1 == 1)
}

/// A search that can go on when there are more bytes.
pub(super) struct Search {
    /// The first bit at which a mark may begin.
    from: u64,
    /// The next pair to look at, in bytes.
    at: usize,
}

impl Search {
    /// A search from a bit on.
    pub(super) fn new(from: u64) -> Self {
        let first = usize::try_from(from / 8).unwrap_or(usize::MAX);
        Self {
            from,
            at: first.saturating_add(1),
        }
    }

    /// The bit at which the first mark begins; `None` if more bytes are needed. A mark near the end of
    /// `bytes` is seen once the checksum behind it is there.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Option<u64> {
        let enough = bytes.len().saturating_sub(REACH);
        let pairs = bytes.get(self.at..).unwrap_or(&[]).windows(2);
        for pair in pairs.step_by(STEP) {
            if self.at > enough {
                return None;
            }
            if let [first, second] = pair
                && is_in_mark([*first, *second])
                && let Some(found) = self.around(bytes)
            {
                return Some(found);
            }
            self.at = self.at.saturating_add(STEP);
        }
        None
    }

    /// The first mark that holds the current pair.
    fn around(&self, bytes: &[u8]) -> Option<u64> {
        let end = (self.at as u64).saturating_mul(8);
        let begin = (self.at.saturating_sub(STEP) as u64).saturating_mul(8);
        (begin.max(self.from)..=end).find(|bit| {
            let found = bits::read(bytes, *bit, MARK_BITS);
            found == BLOCK_MARK || found == END_MARK
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_at_every_bit_and_only_from_the_given_one_on() {
        for mark in [BLOCK_MARK, END_MARK] {
            for bit in 0..80 {
                let mut sink = bits::Sink::default();
                for _ in 0..bit {
                    sink.push(1, 1);
                }
                sink.push(mark, 48);
                sink.push(0, 32);
                sink.align();
                for from in 0..=bit {
                    let found = Search::new(from).next(&sink.bytes);
                    assert_eq!(found, Some(bit), "{mark:x} from {from}");
                }
                assert_eq!(Search::new(bit + 1).next(&sink.bytes), None);
            }
        }
    }

    #[test]
    fn a_search_goes_on_where_it_ran_out_of_bytes() {
        let mut sink = bits::Sink::default();
        sink.extend(&[0x31; 100], 0, 800);
        sink.push(0, 5);
        sink.push(BLOCK_MARK, 48);
        sink.push(0, 32);
        sink.align();
        let mut search = Search::new(0);
        let last = sink.bytes.len() - 1;
        for length in 0..last {
            let found = search.next(&sink.bytes[..length]);
            assert!(found.is_none_or(|bit| bit == 805), "{length}");
            if found.is_some() {
                return;
            }
        }
        assert_eq!(search.next(&sink.bytes), Some(805));
    }
}
