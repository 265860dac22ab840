//! cpio archives, and which archive it is. Never: a panic, contents outside the entry's size or out of
//! order, more contents than the archive has bytes, a hard link to what did not come before it. In
//! small pieces the same entries come.
#![no_main]

use importd_formats::archive::Archive;
use importd_formats::tar::{Entry, Error, Kind, Limits};
use libfuzzer_sys::fuzz_target;
use std::io::{BufRead, BufReader};

/// Small enough that a hostile archive cannot make a run slow.
const LIMITS: Limits = Limits {
    path_bytes: 64 << 10,
    pax_bytes: 1 << 20,
    global_bytes: 64 << 10,
    attributes: 256,
    extents: 4096,
};

/// Longest archive in bytes that is read byte by byte too; larger ones take larger pieces, or would take most
/// of the time.
const SMALL: usize = 2 << 10;

fn read(source: impl BufRead, most: usize) -> Result<Vec<(Entry, Vec<u8>)>, Error> {
    let mut reader = Archive::new(source, LIMITS)?;
    let mut entries: Vec<(Entry, Vec<u8>)> = Vec::new();
    let mut stored = 0;
    while let Some(entry) = reader.next_entry()? {
        let mut content = Vec::new();
        let mut end = 0;
        while let Some(data) = reader.data()? {
            assert!(data.offset >= end, "pieces are in order");
            end = data.offset + data.bytes.len() as u64;
            assert!(end <= entry.size, "contents lie inside the entry");
            stored += data.bytes.len();
            assert!(stored <= most, "contents come from the archive");
            content.extend_from_slice(data.bytes);
        }
        entries.push((entry, content));
    }
    reader.finish()?;
    Ok(entries)
}

fuzz_target!(|bytes: &[u8]| {
    let entries = read(bytes, bytes.len());
    if importd_formats::cpio::is_cpio(bytes)
        && let Ok(entries) = &entries
    {
        let mut names = std::collections::HashSet::new();
        for (entry, _) in entries {
            let is_known = entry.kind != Kind::HardLink || names.contains(&entry.link);
            // A tar archive whose first name looks like one of cpio may link to anything.
            assert!(
                is_known || bytes.len() >= 512,
                "links lead to what was there"
            );
            names.insert(entry.path.clone());
        }
    }
    let piece = if bytes.len() <= SMALL { 1 } else { 61 };
    let slowly = read(BufReader::with_capacity(piece, bytes), bytes.len());
    match (entries, slowly) {
        (Ok(entries), Ok(slowly)) => assert_eq!(entries, slowly),
        (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
        (one, other) => panic!("{one:?} and {other:?}"),
    }
});
