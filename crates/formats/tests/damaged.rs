//! Streams that end too early or are followed by something else, and sources that fail.

use crate::program::has;
use crate::samples::{PACKED, mixed, pack, pack_by_tool, unpack, unpack_source};
use importd_formats::codec::{Codec, EncodeOptions, Error};
use std::io::{self, Cursor, Read};

/// Two ways in which a codec's streams come: ours, and its tool's.
fn streams(codec: Codec, data: &[u8]) -> Vec<Vec<u8>> {
    let mut streams = vec![pack(codec, data, EncodeOptions::default())];
    if has(&[codec.name()]) {
        streams.push(pack_by_tool(codec, &[], data));
        if codec == Codec::Xz {
            streams.push(pack_by_tool(codec, &["-T2", "--block-size=20KiB"], data));
        }
    }
    streams
}

/// Cuts a file at each of the places; every time it ends too early.
fn assert_truncated(codec: Codec, packed: &[u8], cuts: impl Iterator<Item = usize>) {
    for cut in cuts {
        let result = unpack(codec, &packed[..cut], 2);
        let shown = result.as_ref().map(Vec::len);
        let expected = Err(Error::Truncated(codec.name()));
        assert!(
            result == expected,
            "{codec:?} cut at {cut} of {}: {shown:?}",
            packed.len()
        );
    }
}

#[test]
fn a_stream_cut_anywhere_is_called_truncated() {
    let data = mixed(120_000);
    for codec in PACKED {
        for packed in streams(codec, &data) {
            let end = packed.len();
            let middle = (20..end - 20).step_by(end / 30);
            assert_truncated(codec, &packed, (1..20).chain(middle).chain(end - 20..end));
        }
    }
}

#[test]
fn a_second_stream_cut_anywhere_is_called_truncated() {
    let data = mixed(3_000);
    for codec in PACKED {
        for packed in streams(codec, &data) {
            let both = packed.repeat(2);
            let (start, end) = (packed.len(), both.len());
            assert_truncated(codec, &both, (start + 1..start + 16).chain(end - 16..end));
        }
    }
}

const JUNK: [&[u8]; 5] = [b"junk", b"x", &[0xff; 5], &[0; 3], &[b'j'; 5000]];

#[test]
fn what_follows_a_stream_is_called_trailing() {
    let data = mixed(30_000);
    for codec in PACKED {
        for packed in streams(codec, &data) {
            for junk in JUNK {
                let result = unpack(codec, &[&packed, junk].concat(), 2);
                let result = result.map(|out| out.len());
                let expected = Err(Error::TrailingGarbage(codec.name()));
                assert_eq!(result, expected, "{codec:?} {:?}", &junk[..1]);
            }
            // Padding to whole blocks, as tapes have it, is no part of a stream but of xz's.
            let padded = [&packed[..], &[0; 512]].concat();
            let result = unpack(codec, &padded, 2).map(|out| out.len());
            let expected = match codec {
                Codec::Xz => Ok(data.len()),
                _ => Err(Error::TrailingGarbage(codec.name())),
            };
            assert_eq!(result, expected, "{codec:?}");
        }
    }
}

#[test]
fn what_is_no_stream_is_called_damaged_and_nothing_truncated() {
    for codec in PACKED {
        let nothing = Err(Error::Truncated(codec.name()));
        assert_eq!(unpack(codec, b"", 1), nothing, "{codec:?}");
        let junk = Err(Error::Corrupt(codec.name()));
        assert_eq!(unpack(codec, &[b'x'; 400], 1), junk, "{codec:?}");
    }
}

/// Gives few bytes at a time, with an interruption before each read.
struct Slow {
    bytes: Cursor<Vec<u8>>,
    /// Most bytes of the next read; none interrupts.
    next: usize,
    most: usize,
}

impl Slow {
    fn source(bytes: Vec<u8>, most: usize) -> Box<Self> {
        Box::new(Self {
            bytes: Cursor::new(bytes),
            next: 0,
            most,
        })
    }
}

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let now = std::mem::replace(&mut self.next, 0).min(buffer.len());
        if now == 0 {
            let position = usize::try_from(self.bytes.position()).unwrap();
            self.next = 1 + position * 37 % self.most;
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.bytes.read(&mut buffer[..now])
    }
}

#[test]
fn a_source_of_small_reads_is_read_as_any_other() {
    for (size, most) in [(100, 1), (120_000, 3000)] {
        let data = mixed(size);
        for codec in PACKED {
            for packed in streams(codec, &data) {
                // Borders between streams fall on borders of reads.
                let source = Slow::source(packed.repeat(2), most);
                let out = unpack_source(codec, source, 2).unwrap();
                assert!(out == data.repeat(2), "{codec:?}");
            }
        }
    }
}

#[test]
fn reading_bzip2_byte_by_byte_takes_time_by_its_length() {
    let packed = pack(Codec::Bzip2, &mixed(4_000), EncodeOptions::default());
    let start = std::time::Instant::now();
    unpack_source(Codec::Bzip2, Slow::source(packed, 1), 1).unwrap();
    assert!(start.elapsed() < std::time::Duration::from_secs(1));
}

/// Gives some bytes, then fails.
struct Failing {
    bytes: Cursor<Vec<u8>>,
    error: fn() -> io::Error,
}

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.bytes.read(buffer)? {
            0 => Err((self.error)()),
            length => Ok(length),
        }
    }
}

#[test]
fn an_error_of_the_source_comes_through_unchanged() {
    let data = mixed(120_000);
    // Kinds that a decoder could take for its own, too.
    let errors: [fn() -> io::Error; 4] = [
        || io::Error::from_raw_os_error(104),
        || io::Error::from(io::ErrorKind::UnexpectedEof),
        || io::Error::new(io::ErrorKind::UnexpectedEof, "the link is gone"),
        || io::Error::new(io::ErrorKind::InvalidData, "the digest is wrong"),
    ];
    for codec in PACKED {
        for packed in streams(codec, &data) {
            let end = packed.len();
            for cut in [0, 1, 5, 50, end / 2, end - 1, end] {
                for error in errors {
                    let source = Box::new(Failing {
                        bytes: Cursor::new(packed[..cut].to_vec()),
                        error,
                    });
                    let result = unpack_source(codec, source, 2).unwrap_err();
                    let shown = format!("{result:?}");
                    assert_eq!(shown, format!("{:?}", error()), "{codec:?} at {cut}");
                }
            }
        }
    }
}
