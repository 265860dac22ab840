//! Which ids are a user's besides their own.
//!
//! ```text
//! name-or-number ":" first ":" count
//! ```
//!
//! # Source
//! subuid(5), subgid(5).

use std::io::{self, Read};
use std::path::Path;

/// Longest file that is read, in bytes: a line for each of ten thousand users has room.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Most ranges of one user: the kernel takes 340 lines of a map (user_namespaces(7)), and one is the
/// user's own id. Later ones are left out.
const RANGES_MAX: usize = 64;

/// Ids that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// The first one, outside.
    pub(super) first: u32,
    /// How many; at least one.
    pub(super) count: u32,
}

/// The ranges that a file gives a user, in its order; none where there is no file.
///
/// # Errors
/// What reading says.
pub(super) fn read(file: &Path, name: Option<&str>, id: u32) -> io::Result<Vec<Range>> {
    let opened = match std::fs::File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut text = Vec::new();
    opened.take(FILE_BYTES_MAX).read_to_end(&mut text)?;
    Ok(of(&String::from_utf8_lossy(&text), name, id))
}

fn of(text: &str, name: Option<&str>, id: u32) -> Vec<Range> {
    let number = id.to_string();
    let mut ranges: Vec<Range> = Vec::new();
    for line in text.lines().map(str::trim) {
        let mut fields = line.split(':');
        let (Some(user), Some(first), Some(count), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if Some(user) != name && user != number {
            continue;
        }
        let (Ok(first), Ok(count)) = (first.parse::<u32>(), count.parse::<u32>()) else {
            continue;
        };
        let range = Range { first, count };
        // The last number stands for no id. An id can stand for one other only.
        let is_whole = count > 0 && first.checked_add(count).is_some();
        let is_new = ranges.iter().all(|other| !overlap(*other, range));
        let is_own = overlap(
            range,
            Range {
                first: id,
                count: 1,
            },
        );
        if is_whole && is_new && !is_own && ranges.len() < RANGES_MAX {
            ranges.push(range);
        }
    }
    ranges
}

fn overlap(one: Range, other: Range) -> bool {
    let end = |range: Range| u64::from(range.first) + u64::from(range.count);
    u64::from(one.first) < end(other) && u64::from(other.first) < end(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_user_are_found_by_name_and_number() {
        let text = "alice:100000:65536\nbob:200000:10\n\n# a comment\n1000:300000:5\n";
        let range = |first, count| Range { first, count };
        let alice = [range(100_000, 65536), range(300_000, 5)];
        assert_eq!(of(text, Some("alice"), 1000), alice);
        assert_eq!(of(text, Some("bob"), 1001), [range(200_000, 10)]);
        assert_eq!(of(text, None, 1000), [range(300_000, 5)]);
        assert_eq!(of(text, Some("eve"), 1002), []);
    }

    #[test]
    fn what_is_no_range_is_left_out() {
        for line in [
            "alice",
            "alice:1",
            "alice:1:2:3",
            "alice:x:2",
            "alice:1:-2",
            "alice:100000:0",
            "alice:4294967295:1",
            "alice:4294967290:10",
            "alice:999:2",
        ] {
            assert_eq!(of(line, Some("alice"), 1000), [], "{line}");
        }
        let twice = "alice:100000:10\nalice:100009:10\nalice:100010:1\n";
        let ranges = of(twice, Some("alice"), 1000);
        assert_eq!(ranges.len(), 2);
        assert_eq!(ranges[1].first, 100_010);
        let many: String = (0..100).map(|n| format!("a:{}:1\n", 5000 + n)).collect();
        assert_eq!(of(&many, Some("a"), 1000).len(), RANGES_MAX);
    }

    #[test]
    fn no_file_gives_no_ranges() {
        let ranges = read(Path::new("/nonexistent"), Some("a"), 1).unwrap();
        assert_eq!(ranges, []);
    }
}
