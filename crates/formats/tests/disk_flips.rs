//! Images with a few bytes changed: whatever they say then, the readers keep their promises.

use crate::disk_image::{Made, disk, narrow};
use crate::program::has;
use importd_formats::disk::{Content, Format, Limits, ReadAt, open};
use proptest::prelude::{Strategy, any};
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use std::io;
use std::sync::Arc;

/// How many changes of each image are tried.
const CASES: u32 = 300;
/// Extents of one image that are looked at: enough for every cluster of these.
const EXTENTS_MAX: usize = 20_000;

/// An image that is never asked for what it does not have, nor for more at once than a reader may
/// hold.
struct Guarded(Vec<u8>);

impl ReadAt for Guarded {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        assert!(offset < self.size(), "a read beyond the end");
        let limit = Limits::default().piece_bytes;
        assert!(
            buffer.len() <= narrow(limit),
            "{} bytes at once",
            buffer.len()
        );
        // Short reads are none of the readers' business.
        let length = buffer.len().min(5000);
        self.0.read_at(&mut buffer[..length], offset)
    }
}

/// Opens and walks an image; whether it was good to the end.
fn holds(format: Format, image: Vec<u8>) -> bool {
    let source = Arc::new(Guarded(image));
    let size = source.size();
    let Ok(disk) = open(format, Box::new(source), Limits::default()) else {
        return false;
    };
    let mut at = 0;
    let mut packed_left = 20;
    for extent in disk.extents().take(EXTENTS_MAX) {
        let Ok(extent) = extent else { return false };
        assert!(extent.offset == at && extent.length > 0);
        at += extent.length;
        assert!(at <= disk.size());
        match extent.content {
            Content::Hole => {}
            Content::Stored { offset } => assert!(offset + extent.length <= size),
            Content::Packed(_) if packed_left == 0 => {}
            Content::Packed(packed) => {
                packed_left -= 1;
                let mut buffer = vec![0; narrow(extent.length)];
                if disk.unpack(&packed, &mut buffer).is_err() {
                    return false;
                }
            }
        }
    }
    at == disk.size()
}

/// Images with up to three bytes changed, of those that are not zero, the first ones more often.
fn assert_holds(format: Format, options: &str, more: &[&str]) {
    let image = Made::new(format, options, more, &disk(300_000)).bytes();
    assert!(holds(format, image.clone()), "unchanged");
    let places: Vec<usize> = (0..image.len()).filter(|at| image[*at] != 0).collect();
    let place = (any::<bool>(), any::<Index>()).prop_map(move |(is_early, index)| {
        let count = if is_early {
            places.len().min(200)
        } else {
            places.len()
        };
        places[index.index(count)]
    });
    let changes = proptest::collection::vec((place, -1i8..=8, any::<u8>()), 1..=3);
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&changes, |changes| {
        let mut image = image.clone();
        for (at, shift, value) in changes {
            // The bytes beside those that are not zero matter as well.
            let at = at.saturating_add_signed(shift.into()).min(image.len() - 1);
            image[at] = value;
        }
        holds(format, image);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{format:?} {options}: {error}"));
}

#[test]
fn changed_qcow2_never_breaks_a_promise() {
    if !has(&["qemu-img"]) {
        return;
    }
    for (options, more) in [
        ("cluster_size=4k", &[][..]),
        ("extended_l2=on,cluster_size=16k", &[]),
        ("cluster_size=4k", &["-c"]),
        ("compression_type=zstd", &["-c"]),
    ] {
        assert_holds(Format::Qcow2, options, more);
    }
}

#[test]
fn changed_vmdk_never_breaks_a_promise() {
    if !has(&["qemu-img"]) {
        return;
    }
    for options in ["", "subformat=streamOptimized"] {
        assert_holds(Format::Vmdk, options, &[]);
    }
}

#[test]
fn changed_vhd_vhdx_and_vdi_never_break_a_promise() {
    if !has(&["qemu-img"]) {
        return;
    }
    assert_holds(Format::Vhd, "", &[]);
    assert_holds(Format::Vhd, "subformat=fixed", &[]);
    assert_holds(Format::Vhdx, "block_size=1M", &[]);
    assert_holds(Format::Vdi, "", &[]);
}
