//! The binary form of armored data (RFC 9580, section 6): blocks of base64 between two lines.

use pgp::armor::Dearmor;
use std::borrow::Cow;
use std::io::Read;

/// Most blocks of one file.
const BLOCKS_MAX: usize = 10_000;
/// How the line after a block begins.
const END: &[u8] = b"-----END PGP ";

/// The binary form of each block of a file that begins with `header`, or the file itself if it has
/// none. What stands between blocks is nothing; a block that cannot be read is left out.
pub(super) fn parts<'a>(bytes: &'a [u8], header: &[u8]) -> Vec<Cow<'a, [u8]>> {
    let mut starts: Vec<usize> = bytes
        .windows(header.len())
        .enumerate()
        .filter(|(_, window)| *window == header)
        .map(|(start, _)| start)
        .take(BLOCKS_MAX)
        .collect();
    if starts.is_empty() {
        return vec![bytes.into()];
    }
    starts.push(bytes.len());
    let blocks = starts.windows(2).filter_map(|pair| match pair {
        [start, next] => bytes.get(*start..*next),
        _ => None,
    });
    blocks
        .filter_map(|rest| {
            let end = rest.windows(END.len()).position(|window| window == END)?;
            let line = rest.get(end..)?.iter().position(|byte| *byte == b'\n');
            let length = line.map_or(rest.len(), |line| {
                end.saturating_add(line).saturating_add(1)
            });
            let mut binary = Vec::new();
            let read = Dearmor::new(rest.get(..length)?).read_to_end(&mut binary);
            read.is_ok().then(|| binary.into())
        })
        .collect()
}
