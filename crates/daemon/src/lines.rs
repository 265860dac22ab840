//! The bytes a worker writes as log lines.
//!
//! A line ends at a newline or NUL; an empty one is skipped. It may begin with `<N>`, the priority
//! as in syslog(3) with the facility: kept as it is, since clients get it so. Lines that are not
//! UTF-8 are repaired, not dropped.

/// Longest line handed on in one piece, in bytes. Workers name addresses of up to 8 KiB; more than
/// twice that is no log line, and must not make the daemon hold it.
pub const LINE_MAX: usize = 16 << 10;

/// Priority of a line that names none: information, without a facility.
pub const PRIORITY_DEFAULT: u32 = 6;

/// One line, or one piece of a line longer than [`LINE_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Level in the lowest three bits, syslog facility above.
    pub priority: u32,
    /// The text without prefix and line end.
    pub text: String,
}

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub struct Lines {
    unfinished: Vec<u8>,
    /// Priority of the line whose first piece has been handed on.
    continued: Option<u32>,
}

impl Lines {
    /// Takes the next bytes and returns the lines that they complete.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        while !bytes.is_empty() {
            let room = LINE_MAX - self.unfinished.len();
            let end = bytes.iter().position(|b| matches!(b, b'\n' | 0));
            match end {
                Some(end) if end <= room => {
                    self.unfinished.extend_from_slice(&bytes[..end]);
                    bytes = &bytes[end + 1..];
                    lines.extend(self.finish());
                }
                _ => {
                    let taken = room.min(bytes.len());
                    self.unfinished.extend_from_slice(&bytes[..taken]);
                    bytes = &bytes[taken..];
                    if self.unfinished.len() == LINE_MAX {
                        lines.extend(self.cut());
                    }
                }
            }
        }
        lines
    }

    /// Ends the line that has been begun, if any.
    pub fn finish(&mut self) -> Option<Line> {
        let whole = std::mem::take(&mut self.unfinished);
        let continued = self.continued.take();
        line(continued, &whole)
    }

    /// Hands on the begun line as a piece, keeping back what may be half a character.
    fn cut(&mut self) -> Option<Line> {
        let keep = unfinished_character(&self.unfinished);
        let rest = self.unfinished.split_off(self.unfinished.len() - keep);
        let piece = line(self.continued, &self.unfinished);
        self.unfinished = rest;
        self.continued = piece.as_ref().map(|line| line.priority);
        piece
    }
}

/// How many bytes at the end begin a UTF-8 character without completing it.
fn unfinished_character(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(4)..];
    match std::str::from_utf8(tail) {
        Ok(_) => 0,
        Err(_) => (1..=tail.len().min(3))
            .find(|n| {
                let lead = tail[tail.len() - n];
                let length = match lead {
                    0xc0..=0xdf => 2,
                    0xe0..=0xef => 3,
                    0xf0..=0xf7 => 4,
                    _ => 0,
                };
                length > *n
            })
            .unwrap_or(0),
    }
}

fn line(continued: Option<u32>, bytes: &[u8]) -> Option<Line> {
    let (priority, text) = match continued {
        Some(priority) => (priority, bytes),
        None => split_priority(bytes),
    };
    if text.is_empty() {
        return None;
    }
    let text = String::from_utf8_lossy(text).into_owned();
    Some(Line { priority, text })
}

/// Splits off `<N>`, N of one to three digits.
fn split_priority(bytes: &[u8]) -> (u32, &[u8]) {
    let parsed = bytes.strip_prefix(b"<").and_then(|rest| {
        let end = rest.iter().take(4).position(|b| *b == b'>')?;
        let digits = std::str::from_utf8(&rest[..end]).ok()?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some((digits.parse().ok()?, &rest[end + 1..]))
    });
    parsed.unwrap_or((PRIORITY_DEFAULT, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(chunks: &[&[u8]]) -> Vec<(u32, String)> {
        let mut lines = Lines::default();
        let mut all: Vec<Line> = chunks.iter().flat_map(|chunk| lines.feed(chunk)).collect();
        all.extend(lines.finish());
        all.into_iter().map(|l| (l.priority, l.text)).collect()
    }

    fn one(priority: u32, text: &str) -> Vec<(u32, String)> {
        vec![(priority, text.to_owned())]
    }

    #[test]
    fn prefixes_are_stripped_and_keep_the_facility() {
        assert_eq!(fed(&[b"<30>Got 1%.\n"]), one(30, "Got 1%."));
        assert_eq!(fed(&[b"<6>x"]), one(6, "x"));
        assert_eq!(fed(&[b"<999>x"]), one(999, "x"));
        for plain in ["x", "<>x", "<1000>x", "<-1>x", "<+1>x", "<3x", "<", "< 3>x"] {
            assert_eq!(fed(&[plain.as_bytes()]), one(6, plain), "{plain}");
        }
    }

    #[test]
    fn lines_end_at_newline_or_nul_wherever_the_chunks_end() {
        let expected = [(29, "a"), (6, "b\r"), (6, "c")].map(|(p, t)| (p, t.to_owned()));
        let bytes = b"<29>a\n\n\0b\r\0<30>\nc";
        assert_eq!(fed(&[bytes]), expected);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(fed(&single), expected);
    }

    #[test]
    fn long_lines_come_in_pieces_of_the_same_priority() {
        let mut bytes = b"<28>".to_vec();
        bytes.extend(std::iter::repeat_n(b'x', 2 * LINE_MAX));
        bytes.extend_from_slice(b"\n<27>y\n");
        for size in [1, 1000, bytes.len()] {
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            let lines = fed(&chunks);
            let lengths: Vec<_> = lines.iter().map(|(p, text)| (*p, text.len())).collect();
            let expected = [(28, LINE_MAX - 4), (28, LINE_MAX), (28, 4), (27, 1)];
            assert_eq!(lengths, expected, "chunks of {size}");
        }
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_one_piece() {
        let text = "x".repeat(LINE_MAX);
        assert_eq!(fed(&[text.as_bytes(), b"\n", b"y"]).len(), 2);
    }

    #[test]
    fn pieces_never_cut_a_character() {
        for shift in 0..4 {
            let mut text = "x".repeat(shift);
            text.push_str(&"€".repeat(LINE_MAX / 2));
            let joined: String = fed(&[text.as_bytes()])
                .into_iter()
                .map(|(_, t)| t)
                .collect();
            assert_eq!(joined, text);
        }
    }

    #[test]
    fn lines_that_are_not_utf8_are_repaired() {
        assert_eq!(fed(&[b"<30>a\xffb\n"]), one(30, "a\u{fffd}b"));
    }
}
