//! qcow2 images of ours, read by qemu-img and by us.

use crate::disk_image::{Numbers, assert_bytes, disk, narrow, read, wide, write};
use crate::program::{has, run};
use crate::samples::threads;
use importd_formats::disk::qcow2::{Compression, Options, Writer};
use importd_formats::disk::{Content, Error, Format, Limits, WriteAt};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

const CLUSTER: usize = 64 << 10;

/// A file in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl WriteAt for Memory {
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut bytes = self.0.lock().unwrap();
        let offset = narrow(offset);
        let length = bytes.len().max(offset + data.len());
        bytes.resize(length, 0);
        bytes[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }
}

/// An image of a disk, fed in pieces of so many clusters.
fn image(disk: &[u8], options: Options, clusters: usize) -> Vec<u8> {
    let memory = Memory::default();
    let mut writer = Writer::new(Box::new(memory.clone()), wide(disk.len()), options).unwrap();
    for (index, piece) in disk.chunks(clusters * CLUSTER).enumerate() {
        writer
            .write(wide(index * clusters * CLUSTER), piece)
            .unwrap();
        assert!(memory.bytes().iter().take(4).all(|byte| *byte == 0));
    }
    writer.finish().unwrap();
    memory.bytes()
}

fn options(compression: Compression, count: usize) -> Options {
    Options {
        compression,
        level: None,
        threads: Some(threads(count)),
    }
}

/// qemu-img finds nothing to complain about.
fn assert_clean(folder: &Path, what: &str) {
    let output = run("qemu-img", &["check", "image"], folder, b"");
    let output = String::from_utf8(output).unwrap();
    assert!(output.contains("No errors were found"), "{what}: {output}");
}

const ALL: [Compression; 3] = [Compression::None, Compression::Zlib, Compression::Zstd];

#[test]
fn qemu_reads_every_size_and_packing_of_ours() {
    if !has(&["qemu-img"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for size in [0, 1, 512, 65_536, 65_537, 1_000_001, 9 << 20] {
        let mut data = disk(size);
        for compression in ALL {
            let what = format!("{size} bytes, {compression:?}");
            let image = image(&data, options(compression, 3), 7);
            write(&folder.path().join("image"), &image);
            assert_clean(folder.path(), &what);
            let convert = ["convert", "-f", "qcow2", "-O", "raw", "image", "raw"];
            run("qemu-img", &convert, folder.path(), b"");
            let theirs = std::fs::read(folder.path().join("raw")).unwrap();
            let ours = read(Format::Qcow2, &image, Limits::default()).unwrap();
            data.resize(size.next_multiple_of(512), 0);
            assert_bytes(&theirs, &data, &what);
            assert_bytes(&ours.bytes, &data, &what);
            for (cluster, at) in data.chunks(CLUSTER).zip((0u64..).step_by(CLUSTER)) {
                let is_hole = ours.extents.iter().any(|extent| {
                    let range = extent.offset..extent.offset + extent.length;
                    extent.content == Content::Hole && range.contains(&at)
                });
                let is_zero = cluster.iter().all(|byte| *byte == 0);
                assert_eq!(is_hole, is_zero, "{what}: the cluster at {at}");
            }
            data.truncate(size);
        }
    }
}

#[test]
fn an_image_is_the_same_with_any_number_of_threads_and_pieces() {
    let data = disk(5_000_000);
    for compression in ALL {
        let one = image(&data, options(compression, 1), 1);
        for (count, clusters) in [(1, 5), (2, 1), (4, 100)] {
            let other = image(&data, options(compression, count), clusters);
            assert_bytes(&other, &one, &format!("{compression:?} {count} {clusters}"));
        }
    }
}

#[test]
fn packing_makes_images_smaller_and_levels_matter() {
    let text: String = (0..900_000).map(|number| format!("{number}\n")).collect();
    let length = |compression, level| {
        let options = Options {
            level,
            ..options(compression, 2)
        };
        image(text.as_bytes(), options, 16).len()
    };
    let plain = length(Compression::None, None);
    for (compression, default, most) in [(Compression::Zlib, 6, 9), (Compression::Zstd, 3, 22)] {
        let default_length = length(compression, None);
        assert!(default_length * 10 < plain * 9, "{compression:?}");
        assert_eq!(length(compression, Some(default)), default_length);
        let (fast, best) = (
            length(compression, Some(1)),
            length(compression, Some(most)),
        );
        assert!(best < fast, "{compression:?}: {best} < {fast}");
        for level in [0, -1, most + 1] {
            let options = Options {
                level: Some(level),
                ..options(compression, 1)
            };
            let refused = Writer::new(Box::new(Memory::default()), 0, options).err();
            assert!(
                matches!(refused, Some(Error::Level { level: at, .. }) if at == level),
                "{compression:?} {level}"
            );
        }
    }
}

#[test]
fn sparse_disks_take_little_room_and_have_clean_tables() {
    if !has(&["qemu-img"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let size = 3u64 << 40;
    let mut numbers = Numbers(7);
    for compression in ALL {
        let memory = Memory::default();
        let options = options(compression, 2);
        let mut writer = Writer::new(Box::new(memory.clone()), size, options).unwrap();
        let data = disk(3 * CLUSTER);
        let mut at = 0;
        while at < size - wide(data.len()) {
            writer.write(at, &data).unwrap();
            at += numbers.below(300 << 30).next_multiple_of(1 << 20) + (1 << 20);
        }
        writer
            .write(size - wide(CLUSTER), &data[..CLUSTER])
            .unwrap();
        writer.finish().unwrap();
        assert!(memory.bytes().len() < 16 << 20);
        write(&folder.path().join("image"), &memory.bytes());
        assert_clean(folder.path(), &format!("{compression:?}"));
    }
}

/// Keeps tables, and forgets the disk's own bytes: these come in large pieces.
struct Tables(File);

impl WriteAt for Tables {
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let kept = if data.len() >= 8 << 20 {
            &data[..1]
        } else {
            data
        };
        self.0.write_all_at(kept, offset)
    }
}

#[test]
fn more_clusters_than_one_block_of_counts_holds_have_clean_tables() {
    if !has(&["qemu-img"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = File::create(folder.path().join("image")).unwrap();
    let size = 5u64 << 30;
    let options = options(Compression::None, 1);
    let mut writer = Writer::new(Box::new(Tables(file)), size, options).unwrap();
    let data = vec![1; 8 << 20];
    for at in (0..size).step_by(data.len()) {
        writer.write(at, &data).unwrap();
    }
    writer.finish().unwrap();
    assert_clean(folder.path(), "5 GiB");
}

#[test]
fn bytes_that_do_not_fit_are_refused() {
    let bytes = vec![1; 2 * CLUSTER];
    let cases: [(&str, &[(u64, usize)]); 5] = [
        ("inside a cluster or before", &[(512, CLUSTER)]),
        ("inside a cluster or before", &[(65_536, CLUSTER), (0, 1)]),
        ("beyond the end", &[(131_072, CLUSTER)]),
        ("beyond the end", &[(1 << 60, CLUSTER)]),
        ("end inside a cluster", &[(0, 512)]),
    ];
    for (text, writes) in cases {
        let memory = Memory::default();
        let options = options(Compression::None, 1);
        let mut writer = Writer::new(Box::new(memory), 131_072 + 1000, options).unwrap();
        let (last, good) = writes.split_last().unwrap();
        for (at, length) in good {
            writer.write(*at, &bytes[..*length]).unwrap();
        }
        let refused = writer.write(last.0, &bytes[..last.1]).unwrap_err();
        assert!(refused.to_string().contains(text), "{refused}");
    }
    let huge = Writer::new(Box::new(Memory::default()), 1 << 60, Options::default());
    assert!(matches!(huge, Err(Error::TooLarge { .. })));
}

/// Fails once so many bytes are written.
struct Full(Mutex<usize>);

impl WriteAt for Full {
    fn write_at(&self, data: &[u8], _offset: u64) -> io::Result<()> {
        let mut left = self.0.lock().unwrap();
        *left = left
            .checked_sub(data.len())
            .ok_or(io::ErrorKind::StorageFull)?;
        Ok(())
    }
}

#[test]
fn a_full_disk_is_told_as_such() {
    let data = disk(9 << 20);
    for compression in ALL {
        for room in [0, 1 << 19, 3 << 19] {
            let sink = Box::new(Full(Mutex::new(room)));
            let options = options(compression, 2);
            let mut writer = Writer::new(sink, wide(data.len()), options).unwrap();
            let outcome = writer.write(0, &data).and_then(|()| writer.finish());
            assert!(
                matches!(&outcome, Err(Error::Io(error)) if error.kind() == io::ErrorKind::StorageFull),
                "{compression:?} {room}: {outcome:?}"
            );
        }
    }
}
