//! A worker's log as bytes from a pipe → lines with priorities.

/// Longest line shown in one piece, in bytes; a longer one is cut into several, so that a worker
/// cannot make us hold more. Addresses may have 8 KiB, and lines quote them.
const LINE_MAX: usize = 16 * 1024;

/// Priority of a line without a prefix: info, syslog(3).
const PRIORITY_DEFAULT: u32 = 6;

/// Cuts bytes into lines at newlines and NULs.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// Takes more bytes and hands each finished line to `show`, without its `<N>` prefix.
    pub(crate) fn push(&mut self, bytes: &[u8], mut show: impl FnMut(u32, &str)) {
        for byte in bytes {
            if matches!(byte, b'\n' | 0) {
                self.finish(&mut show);
                continue;
            }
            self.begun.push(*byte);
            if self.begun.len() >= LINE_MAX {
                self.finish(&mut show);
            }
        }
    }

    /// Hands over what has no end yet. Empty lines are skipped.
    pub(crate) fn finish(&mut self, mut show: impl FnMut(u32, &str)) {
        if !self.begun.is_empty() {
            let text = String::from_utf8_lossy(&self.begun);
            let (priority, line) = split_prefix(&text);
            show(priority, line);
        }
        self.begun.clear();
    }
}

/// The priority in `<N>`, one to three digits, and the rest.
fn split_prefix(line: &str) -> (u32, &str) {
    let prefixed = line.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    let parsed = prefixed.and_then(|(digits, rest)| {
        let fits = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let priority = digits.parse().ok().filter(|_| fits)?;
        Some((priority, rest))
    });
    parsed.unwrap_or((PRIORITY_DEFAULT, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<(u32, String)> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for piece in pieces {
            lines.push(piece, |priority, line| {
                found.push((priority, line.to_owned()));
            });
        }
        lines.finish(|priority, line| found.push((priority, line.to_owned())));
        found
    }

    #[test]
    fn prefixes_set_the_priority_and_are_not_shown() {
        let found = cut(&[b"<30>info\n<2", b"7>error\n\nplain\0<x>y\n<1234>z\n<>\nend"]);
        let expected = [
            (30, "info"),
            (27, "error"),
            (6, "plain"),
            (6, "<x>y"),
            (6, "<1234>z"),
            (6, "<>"),
            (6, "end"),
        ];
        assert_eq!(
            found,
            expected.map(|(priority, line)| (priority, line.to_owned()))
        );
    }

    #[test]
    fn endless_lines_are_cut_and_bad_bytes_replaced() {
        let long = vec![b'x'; LINE_MAX + 1];
        let found = cut(&[&long, b"\n", b"a\xffb\n"]);
        let lengths: Vec<usize> = found.iter().map(|(_, line)| line.len()).collect();
        assert_eq!(lengths, [LINE_MAX, 1, 5]);
        assert_eq!(found[2].1, "a\u{fffd}b");
    }
}
