use super::*;
use std::io::Cursor;
use std::process::{Command, Stdio};

const PACKED: [Codec; 5] = [
    Codec::Gzip,
    Codec::Bzip2,
    Codec::Xz,
    Codec::Zstd,
    Codec::Lz4,
];

/// Text-like, random and zero bytes, the same each time.
fn sample(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    (0..length)
        .map(|index| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            match (index / 50_000) % 4 {
                0 => state.to_le_bytes()[4],
                1 => 0,
                2 => b"abcd"[(state % 4) as usize],
                _ => index.to_le_bytes()[0] % 7,
            }
        })
        .collect()
}

fn pack(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut encoder = encoder(codec, Vec::new(), EncodeOptions::default()).unwrap();
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn unpack(codec: Codec, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut decoder = decoder(codec, Box::new(Cursor::new(bytes)), Limits::default()).unwrap();
    let mut out = Vec::new();
    decoder.read_to_end(&mut out)?;
    Ok(out)
}

fn tool(name: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: {name} is not installed");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input).is_ok());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{name} {arguments:?} failed");
    Some(output.stdout)
}

#[test]
fn sizes_around_every_block_border_round_trip_and_the_tools_agree() {
    for codec in PACKED {
        for length in [0, 1, 10, 699_999, 700_001, 524_288, 1_500_000] {
            let data = sample(length);
            let packed = pack(codec, &data);
            assert!(
                unpack(codec, packed.clone()).unwrap() == data,
                "{codec:?} {length}"
            );
            if let Some(theirs) = tool(codec.name(), &["-dc"], &packed) {
                assert!(theirs == data, "{codec:?} {length} by its tool");
            }
        }
    }
}

#[test]
fn what_the_tools_pack_is_unpacked_several_members_too() {
    let (one, two) = (sample(1_200_000), sample(10));
    let both = [one.as_slice(), &two].concat();
    for codec in PACKED {
        for level in ["-1", "-9"] {
            let (Some(mut first), Some(second)) = (
                tool(codec.name(), &["-c", level], &one),
                tool(codec.name(), &["-c", level], &two),
            ) else {
                continue;
            };
            assert!(unpack(codec, first.clone()).unwrap() == one, "{codec:?}");
            assert_eq!(Codec::sniff(&first), codec);
            first.extend(second);
            assert!(unpack(codec, first).unwrap() == both, "{codec:?} twice");
        }
    }
    if let Some(blocks) = tool("xz", &["-c", "-T2", "--block-size=100000"], &one) {
        assert!(unpack(Codec::Xz, blocks).unwrap() == one);
    }
}

#[test]
fn a_stream_cut_anywhere_is_an_error_and_never_an_end() {
    let data = sample(120_000);
    for codec in PACKED {
        let packed = pack(codec, &data);
        let cuts = [1, 5, 6, 7, 9, 20, packed.len() / 2, packed.len() - 9];
        for cut in cuts.into_iter().chain(packed.len() - 8..packed.len()) {
            match unpack(codec, packed[..cut].to_vec()) {
                Ok(_) => panic!("{codec:?} cut at {cut} of {} was taken", packed.len()),
                Err(error) => assert!(Error::of(&error).is_some(), "{codec:?} {cut}: {error:?}"),
            }
        }
    }
}

#[test]
fn what_follows_a_stream_and_is_none_is_an_error() {
    let data = sample(70_000);
    for codec in PACKED {
        let packed = pack(codec, &data);
        for junk in [&b"junk junk"[..], &[0; 3], b"x"] {
            let bytes = [packed.as_slice(), junk].concat();
            let error = unpack(codec, bytes).unwrap_err();
            assert!(Error::of(&error).is_some(), "{codec:?} {junk:?}");
        }
        let padded = [packed.as_slice(), &[0; 8]].concat();
        assert_eq!(unpack(codec, padded).is_ok(), codec == Codec::Xz);
    }
}

#[test]
fn a_flipped_byte_is_an_error_where_there_is_a_checksum() {
    let data = sample(250_000);
    for codec in [Codec::Gzip, Codec::Bzip2, Codec::Xz, Codec::Zstd] {
        let packed = pack(codec, &data);
        for at in (20..packed.len()).step_by(packed.len() / 23) {
            let mut bytes = packed.clone();
            bytes[at] ^= 0x10;
            if let Ok(out) = unpack(codec, bytes) {
                assert!(out == data, "{codec:?} at {at}: other bytes came out");
            }
        }
    }
}

#[test]
fn an_error_of_the_source_comes_through_as_it_is() {
    struct Broken(Cursor<Vec<u8>>);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::from_raw_os_error(104)),
                length => Ok(length),
            }
        }
    }
    for codec in PACKED {
        let half = pack(codec, &sample(400_000));
        let half = half[..half.len() / 2].to_vec();
        let source = Box::new(Broken(Cursor::new(half)));
        let mut decoder = decoder(codec, source, Limits::default()).unwrap();
        let error = io::copy(&mut decoder, &mut io::sink()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(104), "{codec:?}");
    }
}

#[test]
fn magic_decides_and_short_inputs_are_plain() {
    assert_eq!(Codec::sniff(b"BZh91A"), Codec::Bzip2);
    assert_eq!(Codec::sniff(b"BZh"), Codec::None);
    assert_eq!(Codec::sniff(&[0x50, 0x2a, 0x4d, 0x18, 0, 0]), Codec::Zstd);
    assert_eq!(Codec::sniff(b"plain text"), Codec::None);
    assert_eq!(Codec::sniff(b""), Codec::None);
}

#[test]
fn a_window_above_the_limit_is_refused_by_name() {
    let data = sample(3_000_000);
    let limits = Limits {
        memory_bytes: 1 << 20,
        ..Limits::default()
    };
    for codec in [Codec::Xz, Codec::Zstd] {
        let options = EncodeOptions {
            level: Some(if codec == Codec::Xz { 6 } else { 19 }),
            ..EncodeOptions::default()
        };
        let mut encoder = encoder(codec, Vec::new(), options).unwrap();
        encoder.write_all(&data).unwrap();
        let packed = encoder.finish().unwrap();
        let mut decoder = decoder(codec, Box::new(Cursor::new(packed)), limits).unwrap();
        let error = io::copy(&mut decoder, &mut io::sink()).unwrap_err();
        let is_named = matches!(Error::of(&error), Some(Error::WindowTooLarge { .. }));
        assert!(is_named, "{codec:?}: {error:?}");
    }
}

#[test]
fn an_empty_lz4_block_is_no_end() {
    let data = b"contents of the frame";
    let mut packed = pack(Codec::Lz4, data);
    let end = packed.split_off(packed.len() - 4);
    assert_eq!(end, [0; 4]);
    packed.extend_from_slice(&0x8000_0000_u32.to_le_bytes());
    let cut = unpack(Codec::Lz4, packed.clone()).unwrap_err();
    assert_eq!(Error::of(&cut), Some(&Error::Truncated("lz4")));
    packed.extend_from_slice(&end);
    assert_eq!(unpack(Codec::Lz4, packed).unwrap(), data);
}

#[test]
fn packed_bytes_do_not_depend_on_threads_and_memory_and_obey_the_level() {
    let data = sample(3_000_000);
    for codec in PACKED {
        let pack = |level, threads, memory_bytes| {
            let options = EncodeOptions {
                level,
                threads: NonZeroUsize::new(threads),
                memory_bytes: Some(memory_bytes),
            };
            let mut encoder = encoder(codec, Vec::new(), options).unwrap();
            encoder.write_all(&data).unwrap();
            encoder.finish().unwrap()
        };
        let packed = pack(Some(1), 1, 1);
        assert!(packed == pack(Some(1), 3, 1 << 30), "{codec:?}");
        assert!(unpack(codec, packed.clone()).unwrap() == data, "{codec:?}");
        let small = pack(Some(9), 2, 1 << 30);
        assert!(unpack(codec, small.clone()).unwrap() == data, "{codec:?}");
        assert!(
            small.len() < packed.len() || codec == Codec::Lz4,
            "{codec:?}"
        );
    }
}

#[test]
fn memory_bounds_the_threads_and_one_works_in_any_case() {
    let threads = |memory_bytes, bytes_a_thread| {
        let options = EncodeOptions {
            threads: NonZeroUsize::new(8),
            memory_bytes,
            ..EncodeOptions::default()
        };
        options.threads_of(bytes_a_thread)
    };
    assert_eq!(threads(Some(100), 1000), 1);
    assert_eq!(threads(Some(3500), 1000), 3);
    assert_eq!(threads(Some(u64::MAX), 1000), 8);
    assert_eq!(threads(None, 300 << 20), 3);
}

/// Found by fuzzing: a block of 1259 bytes in a frame whose blocks have 1024 at most.
#[test]
fn a_zstd_block_larger_than_its_window_is_damage_on_any_number_of_threads() {
    let frame = b"\x28\xb5\x2f\xfd\x00\x00\x5b\x27\x00\xff";
    for threads in [1, 3] {
        let limits = Limits {
            threads: NonZeroUsize::new(threads).unwrap(),
            ..Limits::default()
        };
        let source = Box::new(Cursor::new(frame));
        let mut decoder = decoder(Codec::Zstd, source, limits).unwrap();
        let outcome = decoder.read_to_end(&mut Vec::new());
        assert!(outcome.is_err(), "{threads}");
    }
}
