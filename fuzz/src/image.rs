//! What the targets of disk images share.

use importd_formats::disk::{self, Content, Format, ReadAt};
use std::io;

/// Unit of an image's size and of the places of its pieces, in bytes.
const UNIT: usize = 4096;
/// Most units of an image: a vhdx has its tables in the first 4 MiB.
const UNITS_MAX: usize = 2048;

/// A large image from few bytes, of which a fuzzer changes each soon: its size in units, then for
/// each piece the unit it begins at, its length, and its bytes. Checksums are made right, so that
/// what is behind them is reached.
pub fn expand(format: Format, bytes: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    let number = |rest: &mut &[u8]| {
        let (first, after) = rest.split_at_checked(2).unwrap_or((&[0, 0], &[]));
        *rest = after;
        usize::from(u16::from_le_bytes([first[0], first[1]]))
    };
    let mut image = vec![0; (number(&mut rest) % (UNITS_MAX + 1)) * UNIT];
    while !rest.is_empty() {
        let (unit, length) = (number(&mut rest), number(&mut rest));
        let (piece, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        if let Some(place) = image.get_mut(unit * UNIT..) {
            let length = place.len().min(piece.len());
            place[..length].copy_from_slice(&piece[..length]);
        }
    }
    match format {
        Format::Vhd => {
            let end = image.len().saturating_sub(512);
            for (at, length, own) in [(0, 512, 64), (512, 1024, 36), (end, 512, 64)] {
                sum(image.get_mut(at..at + length), own);
            }
        }
        Format::Vhdx => {
            for (at, length) in [(64, 4), (128, 4), (192, 64), (256, 64)] {
                crc(image.get_mut(at << 10..(at + length) << 10));
            }
        }
        _ => {}
    }
    image
}

/// The checksum of a vhd structure, which stands in it at an offset.
fn sum(structure: Option<&mut [u8]>, own: usize) {
    let Some(structure) = structure else { return };
    structure[own..own + 4].fill(0);
    let sum: u32 = structure.iter().map(|byte| u32::from(*byte)).sum();
    structure[own..own + 4].copy_from_slice(&(!sum).to_be_bytes());
}

/// The checksum of a vhdx structure.
fn crc(structure: Option<&mut [u8]>) {
    let Some(structure) = structure else { return };
    structure[4..8].fill(0);
    let steps: [u32; 256] = std::array::from_fn(|byte| {
        let bit = |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
        (0..8).fold(byte as u32, bit)
    });
    let add = |crc: u32, byte: &u8| (crc >> 8) ^ steps[usize::from(crc as u8 ^ byte)];
    let crc = structure.iter().fold(u32::MAX, add);
    structure[4..8].copy_from_slice(&(!crc).to_le_bytes());
}

/// Largest disk of one run: its walk must not make the run slow.
const DISK_BYTES: u64 = 1 << 50;
/// Largest packed piece of one run.
const PIECE_BYTES: u64 = 1 << 20;
/// Packed pieces that are unpacked in one run: a bomb must not make it slow.
const PACKED_MAX: usize = 8;
/// Extents for each byte of an image: a qcow2 entry of 16 bytes stands for 32 parts of a cluster, and
/// each may end one and begin another. The tables of some images may overlap one another.
const EXTENTS_PER_BYTE: usize = 8;

/// An image that is never asked for what it does not have.
struct Image(Vec<u8>);

impl ReadAt for Image {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        assert!(offset < self.size(), "no read beyond the end");
        assert!(
            buffer.len() as u64 <= PIECE_BYTES,
            "no read of more than a piece"
        );
        self.0.read_at(buffer, offset)
    }
}

/// Opens an image and walks through the whole disk.
pub fn walk(format: Format, bytes: Vec<u8>) {
    let limits = disk::Limits {
        size_bytes: DISK_BYTES,
        table_bytes: 1 << 20,
        piece_bytes: PIECE_BYTES,
    };
    let file_bytes = bytes.len();
    let Ok(opened) = disk::open(format, Box::new(Image(bytes)), limits) else {
        return;
    };
    let (mut at, mut extents, mut packed_left) = (0, 0, PACKED_MAX);
    for extent in opened.extents() {
        let Ok(extent) = extent else { return };
        assert_eq!(extent.offset, at, "no gap, no overlap");
        assert!(extent.length > 0, "every extent is something");
        at += extent.length;
        assert!(at <= opened.size(), "no extent beyond the disk");
        extents += 1;
        assert!(
            extents <= file_bytes * EXTENTS_PER_BYTE,
            "no more work than the file has bytes for"
        );
        match extent.content {
            Content::Hole => {}
            Content::Stored { offset } => {
                assert!(
                    offset + extent.length <= file_bytes as u64,
                    "it is in the file"
                );
            }
            Content::Packed(_) if packed_left == 0 => {}
            Content::Packed(packed) => {
                packed_left -= 1;
                let mut buffer = vec![0; extent.length as usize];
                opened.unpack(&packed, &mut buffer).unwrap_or(());
            }
        }
    }
    assert_eq!(at, opened.size(), "the whole disk is told");
}
