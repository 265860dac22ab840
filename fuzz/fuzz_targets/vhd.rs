//! vhd images, as a few pieces of a large file. Never: a panic, a gap, an overlap, bytes beyond the
//! file or the disk, or more work than the file has bytes for.
#![no_main]

use importd_formats::disk::Format;
use importd_fuzz::image::{expand, walk};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| walk(Format::Vhd, expand(Format::Vhd, bytes)));
