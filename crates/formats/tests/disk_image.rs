//! Disks to put into images, images by qemu-img, and images read by us.

use crate::program::run;
use importd_formats::disk::{Content, Disk, Error, Extent, Format, Limits, open};
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Numbers that are the same each time.
#[derive(Debug)]
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn index(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(wide(limit))).unwrap()
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// A length as the formats count.
pub(crate) fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap()
}

/// A length as memory counts.
pub(crate) fn narrow(length: u64) -> usize {
    usize::try_from(length).unwrap()
}

/// Writes a file.
pub(crate) fn write(path: &Path, bytes: &[u8]) {
    File::create(path).unwrap().write_all(bytes).unwrap();
}

/// A disk: random, text-like, regular and zero stretches of many lengths, some wide gaps.
pub(crate) fn disk(size: usize) -> Vec<u8> {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 ^ wide(size));
    let mut bytes = Vec::with_capacity(size);
    while bytes.len() < size {
        let length = 1 << (7 + numbers.below(10));
        let length = length + numbers.index(length);
        match numbers.below(6) {
            0 => bytes.extend((0..length).map(|_| numbers.next().to_le_bytes()[3])),
            1 => bytes.extend((0..length).map(|_| b"etaoin shrdlu\n.,"[numbers.index(16)])),
            2 => bytes.extend((0..length).map(|index| (index / 100).to_le_bytes()[0])),
            3 => bytes.resize(bytes.len() + length * 4, 0),
            // So that borders fall on borders too.
            4 => bytes.resize(bytes.len().next_multiple_of(65_536), 1),
            _ => bytes.resize(bytes.len() + length, 0),
        }
    }
    bytes.truncate(size);
    bytes
}

/// An image that qemu-img makes of a disk, in a folder that goes with it.
#[derive(Debug)]
pub(crate) struct Made {
    folder: tempfile::TempDir,
    format: Format,
}

/// The name that qemu-img has for a format.
fn qemu_name(format: Format) -> &'static str {
    match format {
        Format::Vhd => "vpc",
        other => other.name(),
    }
}

impl Made {
    /// Of a disk's bytes. Options are those of `-o`; none if empty.
    pub(crate) fn new(format: Format, options: &str, more: &[&str], disk: &[u8]) -> Self {
        let made = Self {
            folder: tempfile::tempdir().unwrap(),
            format,
        };
        write(&made.path("disk"), disk);
        let mut arguments = vec!["convert", "-f", "raw", "-O", qemu_name(format)];
        if !options.is_empty() {
            arguments.extend(["-o", options]);
        }
        arguments.extend(more);
        arguments.extend(["disk", "image"]);
        made.qemu_img(&arguments);
        made
    }

    /// An empty one of a size.
    pub(crate) fn empty(format: Format, options: &str, size: &str) -> Self {
        let made = Self {
            folder: tempfile::tempdir().unwrap(),
            format,
        };
        let mut arguments = vec!["create", "-f", qemu_name(format)];
        if !options.is_empty() {
            arguments.extend(["-o", options]);
        }
        arguments.extend(["image", size]);
        made.qemu_img(&arguments);
        made
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn qemu_img(&self, arguments: &[&str]) -> Vec<u8> {
        run("qemu-img", arguments, self.folder.path(), b"")
    }

    /// Does to the image what a guest does.
    pub(crate) fn qemu_io(&self, commands: &[String]) {
        let mut arguments = vec!["-f", qemu_name(self.format)];
        for command in commands {
            arguments.extend(["-c", command]);
        }
        arguments.push("image");
        run("qemu-io", &arguments, self.folder.path(), b"");
    }

    /// The image's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path("image")).unwrap()
    }

    /// The disk, as qemu-img reads it.
    pub(crate) fn theirs(&self) -> Vec<u8> {
        self.theirs_to_file();
        std::fs::read(self.path("raw")).unwrap()
    }

    fn theirs_to_file(&self) {
        let from = qemu_name(self.format);
        self.qemu_img(&["convert", "-f", from, "-O", "raw", "image", "raw"]);
    }

    /// Where qemu-img sees that there is nothing.
    pub(crate) fn their_holes(&self) -> Vec<Range<u64>> {
        let from = qemu_name(self.format);
        let map = self.qemu_img(&["map", "-f", from, "--output=json", "image"]);
        let map = String::from_utf8(map).unwrap();
        let number = |line: &str, key: &str| -> u64 {
            let (_, rest) = line.split_once(key).unwrap();
            let digits = rest.trim_start_matches([':', ' ', '"']);
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap();
            digits[..end].parse().unwrap()
        };
        map.lines()
            .filter(|line| line.contains("\"zero\": true, \"data\": false"))
            .map(|line| {
                let start = number(line, "\"start\"");
                start..start + number(line, "\"length\"")
            })
            .collect()
    }

    /// The disk, as we read it.
    ///
    /// # Errors
    /// The reader's.
    pub(crate) fn read(&self) -> Result<Read, Error> {
        read(self.format, &self.bytes(), Limits::default())
    }

    /// We read the same bytes as qemu-img.
    pub(crate) fn assert_same(&self, what: &str) -> Read {
        let read = self.read();
        let read = read.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_bytes(&read.bytes, &self.theirs(), what);
        read
    }

    /// As [`Made::assert_same`], for a disk that is too large to hold: only what is stored, which
    /// stands as it is in the image, is compared.
    pub(crate) fn assert_same_in_pieces(&self, what: &str) {
        let disk = open(self.format, Box::new(self.bytes()), Limits::default()).unwrap();
        self.theirs_to_file();
        let (raw, image) = (File::open(self.path("raw")).unwrap(), self.bytes());
        assert_eq!(raw.metadata().unwrap().len(), disk.size());
        let mut their_data = 0;
        let mut at = 0;
        // Where the file has data, we have.
        while let Ok(start) = rustix::fs::seek(&raw, rustix::fs::SeekFrom::Data(at)) {
            at = rustix::fs::seek(&raw, rustix::fs::SeekFrom::Hole(start)).unwrap();
            their_data += at - start;
        }
        let mut our_data = 0;
        for extent in disk.extents() {
            let extent = extent.unwrap();
            let Content::Stored { offset } = extent.content else {
                assert_eq!(extent.content, Content::Hole);
                continue;
            };
            let mut theirs = vec![0; narrow(extent.length)];
            raw.read_exact_at(&mut theirs, extent.offset).unwrap();
            let ours = &image[narrow(offset)..narrow(offset + extent.length)];
            assert_bytes(ours, &theirs, what);
            our_data += wide(theirs.iter().filter(|byte| **byte != 0).count());
        }
        assert!(
            their_data > 0 && our_data == their_data,
            "{what}: {our_data} of {their_data}"
        );
    }

    /// As [`Made::assert_same`], and nothing that qemu-img sees as a hole is stored, but for what
    /// lies in a stretch of `unit` bytes with something else.
    pub(crate) fn assert_same_with_holes(&self, unit: u64, what: &str) {
        let read = self.assert_same(what);
        let holes = self.their_holes();
        for extent in &read.extents {
            if extent.content == Content::Hole {
                continue;
            }
            let end = extent.offset + extent.length;
            for hole in &holes {
                let start = hole.start.max(extent.offset).next_multiple_of(unit);
                let end = hole.end.min(end) / unit * unit;
                assert!(start >= end, "{what}: {extent:?} covers the hole {hole:?}");
            }
        }
    }
}

/// The bytes are the same; says where they are not, and not what they are.
pub(crate) fn assert_bytes(ours: &[u8], theirs: &[u8], what: &str) {
    if ours != theirs {
        let at = ours.iter().zip(theirs).position(|(a, b)| a != b);
        let (ours, theirs) = (ours.len(), theirs.len());
        panic!("{what}: {ours} bytes and {theirs} bytes, the first other one at {at:?}");
    }
}

/// A disk that was read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) bytes: Vec<u8>,
    pub(crate) extents: Vec<Extent>,
}

impl Read {
    /// How many bytes are of a kind.
    pub(crate) fn length_of(&self, is_kind: fn(&Content) -> bool) -> u64 {
        let alike = self.extents.iter().filter(|e| is_kind(&e.content));
        alike.map(|extent| extent.length).sum()
    }
}

/// Reads an image by us, and holds what every reader promises.
///
/// # Errors
/// The reader's.
pub(crate) fn read(format: Format, image: &[u8], limits: Limits) -> Result<Read, Error> {
    let opened = open(format, Box::new(image.to_vec()), limits)?;
    read_disk(&*opened, image)
}

fn read_disk(disk: &dyn Disk, image: &[u8]) -> Result<Read, Error> {
    assert!(disk.size() < 1 << 30, "the test is to read all of it");
    let mut bytes = vec![0; narrow(disk.size())];
    let mut extents: Vec<Extent> = Vec::new();
    let mut at = 0;
    for extent in disk.extents() {
        let extent = extent?;
        assert_eq!(extent.offset, at, "no gap, no overlap");
        assert!(extent.length > 0);
        at += extent.length;
        assert!(at <= disk.size());
        let place = &mut bytes[narrow(extent.offset)..narrow(at)];
        match extent.content {
            Content::Hole => {}
            Content::Stored { offset } => {
                let offset = narrow(offset);
                place.copy_from_slice(&image[offset..offset + narrow(extent.length)]);
            }
            Content::Packed(packed) => disk.unpack(&packed, place)?,
        }
        extents.push(extent);
    }
    assert_eq!(at, disk.size());
    for pair in extents.windows(2) {
        let both = (pair[0].content, pair[1].content);
        assert_ne!(both, (Content::Hole, Content::Hole), "holes are joined");
    }
    Ok(Read { bytes, extents })
}
