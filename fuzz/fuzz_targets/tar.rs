//! Archives. Never: a panic, contents outside the entry's size or out of order, more contents than
//! the archive has bytes. What is read whole is written and read again, and is the same.
#![no_main]

use importd_formats::tar::{Entry, Error, Extent, Limits, Reader, Writer};
use libfuzzer_sys::fuzz_target;
use std::io::BufReader;

/// Small enough that a hostile archive cannot make a run slow.
const LIMITS: Limits = Limits {
    path_bytes: 64 << 10,
    pax_bytes: 1 << 20,
    global_bytes: 64 << 10,
    attributes: 256,
    extents: 4096,
};

type Content = Vec<(u64, Vec<u8>)>;

fn read(bytes: &[u8]) -> Result<Vec<(Entry, Content)>, Error> {
    let mut reader = Reader::new(BufReader::with_capacity(700, bytes), LIMITS);
    let mut entries = Vec::new();
    let mut stored = 0;
    while let Some(entry) = reader.next_entry()? {
        let mut content = Content::new();
        let mut end = 0;
        while let Some(data) = reader.data()? {
            assert!(data.offset >= end, "pieces are in order");
            end = data.offset + data.bytes.len() as u64;
            assert!(end <= entry.size, "contents lie inside the entry");
            stored += data.bytes.len();
            assert!(stored <= bytes.len(), "contents come from the archive");
            content.push((data.offset, data.bytes.to_vec()));
        }
        entries.push((entry, content));
    }
    reader.finish()?;
    Ok(entries)
}

fn write(entries: &[(Entry, Content)]) -> Result<Vec<u8>, Error> {
    let mut writer = Writer::new(Vec::new());
    for (entry, content) in entries {
        let extents: Vec<Extent> = content
            .iter()
            .map(|(offset, data)| Extent {
                offset: *offset,
                length: data.len() as u64,
            })
            .collect();
        writer.begin(entry, entry.sparse.then_some(&extents))?;
        for (_, data) in content {
            writer.write_data(data)?;
        }
        writer.end_entry()?;
    }
    writer.finish()
}

/// What an archive of ours keeps: names of owners and lists of NFSv4 are left
/// out, neighbouring pieces are one.
fn comparable(entries: Vec<(Entry, Content)>) -> Vec<(Entry, Content)> {
    let mut entries = entries;
    for (entry, content) in &mut entries {
        entry.user.clear();
        entry.group.clear();
        entry.lost_nfs4_acl = false;
        let mut joined = Content::new();
        for (offset, data) in std::mem::take(content) {
            match joined.last_mut() {
                Some((start, before)) if *start + before.len() as u64 == offset => {
                    before.extend(data);
                }
                _ => joined.push((offset, data)),
            }
        }
        *content = joined;
    }
    entries
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(entries) = read(bytes) else { return };
    let entries = comparable(entries);
    let Ok(written) = write(&entries) else { return };
    let again = read(&written).expect("what is written is an archive");
    assert_eq!(comparable(again), entries);
});
