//! Streams of every compression: whole, joined, padded, followed by something, cut.

use crate::make::{PACKERS, archive, file, packed, plain_tree};
use crate::subject::{Work, is_ours};
use rustix::io::Errno;
use std::path::Path;

/// Size of the reference's read buffer, in bytes: a border between two streams may lie on it.
const BUFFER_BYTES: usize = 128 << 10;

/// What becomes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Everything comes out.
    Whole,
    /// `EBADMSG`, and no image.
    Refused,
    /// Too short to be a stream: a disk image is stored as it is, an archive is refused.
    Plain,
}

use Outcome::{Plain, Refused, Whole};

/// Half of the data packed, so that its stream is exactly `length` bytes long, and the other half. The
/// length is reached by giving up bytes that cannot be packed.
fn split_at(data: &[u8], packer: &[&str], length: usize) -> Option<Vec<u8>> {
    // Packed lengths grow with the data, all but by the byte: the border is searched around where
    // the length is met.
    let (mut low, mut high) = (0, data.len());
    while low < high {
        let middle = (low + high) / 2;
        match packed(&data[..middle], packer).len() < length {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    let found = (low.saturating_sub(40)..(low + 40).min(data.len()))
        .find(|end| packed(&data[..*end], packer).len() == length)?;
    let first = packed(&data[..found], packer);
    Some([first, packed(&data[found..], packer)].concat())
}

/// Bytes that no packer makes smaller, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

/// The cases of one packing of some data: what it is, its bytes, what becomes of it.
fn cases(data: &[u8], ending: &str, packer: &[&str]) -> Vec<(&'static str, Vec<u8>, Outcome)> {
    let whole = packed(data, packer);
    let (first, second) = data.split_at(data.len() / 3);
    let two = [packed(first, packer), packed(second, packer)].concat();
    let with = |more: &[u8]| [whole.as_slice(), more].concat();
    let padding = if ending == ".xz" { Whole } else { Refused };
    vec![
        ("plain", whole.clone(), Whole),
        ("two streams", two, Whole),
        ("an empty stream behind", with(&packed(b"", packer)), Whole),
        ("eight zeros behind", with(&[0; 8]), padding),
        ("three zeros behind", with(&[0; 3]), Refused),
        ("junk behind", with(b"junk and junk"), Refused),
        ("a second magic behind", with(&whole[..4]), Refused),
        (
            "nine bytes short",
            whole[..whole.len() - 9].to_vec(),
            Refused,
        ),
        ("one byte short", whole[..whole.len() - 1].to_vec(), Refused),
        ("half", whole[..whole.len() / 2].to_vec(), Refused),
        ("seven bytes", whole[..7].to_vec(), Refused),
        ("six bytes", whole[..6].to_vec(), Refused),
        ("five bytes", whole[..5].to_vec(), Plain),
    ]
}

/// Runs an import of one case; the outcome is checked but for what came out.
fn import(work: &Work, verb: &str, source: &Path, (what, outcome): (&str, Outcome)) {
    let run = work
        .run("systemd-import")
        .args([verb, "--force"])
        .arg(source)
        .arg("image");
    let leftovers = || work.images().iter().any(|name| name.starts_with(".#"));
    match (outcome, verb) {
        (Whole, _) | (Plain, "raw") => {
            run.succeed();
        }
        // In the reference it is the child that reads archives which fails, or the decoder.
        (_, "tar") => {
            let outcome = run.fail_somehow();
            let line = outcome.complaint();
            assert!(
                !line.is_empty() && !line.contains("panicked"),
                "{what}: {line}"
            );
        }
        (Refused | Plain, _) => {
            run.fail(Errno::BADMSG);
        }
    }
    assert!(!leftovers(), "{what}: {:?}", work.images());
}

#[test]
fn every_packing_of_a_disk_image_is_whole_or_refused() {
    let Some(work) = Work::new() else { return };
    let data = [vec![0; 100_000], noise(90_000), b"text ".repeat(20_000)].concat();
    for (ending, packer) in &PACKERS[1..] {
        for (what, bytes, outcome) in cases(&data, ending, packer) {
            let what = format!("{ending}: {what}");
            let source = file(&work.path("case"), &bytes);
            import(&work, "raw", &source, (&what, outcome));
            let expected = match outcome {
                Whole => &data,
                Plain => &bytes,
                Refused => continue,
            };
            let made = std::fs::read(work.image("image.raw")).unwrap();
            assert!(made == *expected, "{what}: {} bytes", made.len());
        }
    }
}

#[test]
fn every_packing_of_an_archive_is_whole_or_refused() {
    let Some(work) = Work::new() else { return };
    let data = archive(&plain_tree(&work));
    for (ending, packer) in &PACKERS[1..] {
        for (what, bytes, outcome) in cases(&data, ending, packer) {
            let what = format!("{ending}: {what}");
            let source = file(&work.path("case"), &bytes);
            import(&work, "tar", &source, (&what, outcome));
            if outcome == Whole {
                let made = std::fs::read(work.image("image/deep/er/and/deeper/file"));
                assert_eq!(made.unwrap().len(), 300_000, "{what}");
            }
        }
    }
}

#[test]
fn a_second_stream_may_begin_where_a_read_ends() {
    let Some(work) = Work::new() else { return };
    let data = noise(3 * BUFFER_BYTES / 2);
    let mut tried = 0;
    for (ending, packer) in &PACKERS[1..] {
        // bzip2 cannot be made to end there: its length jumps by more than a byte.
        let Some(bytes) = split_at(&data, packer, BUFFER_BYTES) else {
            println!("{ending} never ends at {BUFFER_BYTES} bytes");
            continue;
        };
        tried += 1;
        let source = file(&work.path("case"), &bytes);
        import(&work, "raw", &source, (ending, Whole));
        let made = std::fs::read(work.image("image.raw")).unwrap();
        assert!(made == data, "{ending}: {} bytes", made.len());
    }
    assert!(tried >= 3, "{tried}");
}

#[test]
fn skippable_frames_may_come_first() {
    let Some(work) = Work::new() else { return };
    let skippable = b"\x5e\x2a\x4d\x18\x05\0\0\0extra";
    let zstd = packed(b"contents", &["zstd", "-qc"]);
    let bytes = [skippable.as_slice(), &zstd, skippable, &zstd].concat();
    let source = file(&work.path("case"), &bytes);
    import(&work, "raw", &source, ("skippable", Whole));
    let made = std::fs::read(work.image("image.raw")).unwrap();
    // The reference does not know the first one, and stores the file as it is.
    let expected = if is_ours() {
        b"contents".repeat(2)
    } else {
        bytes
    };
    assert_eq!(made, expected);
}

#[test]
fn packed_files_of_other_kinds_are_named() {
    let Some(work) = Work::new() else { return };
    let lzma = packed(&noise(1000), &["xz", "-c", "--format=lzma"]);
    let lz4 = packed(&noise(1000), &["lz4", "-qcl"]);
    let zip = [b"PK\x03\x04\x14\0\0\0\x08\0".as_slice(), &noise(1000)].concat();
    for (kind, tool, bytes) in [
        ("lzma", "xz -d", lzma),
        ("lz4", "lz4 -d", lz4),
        ("zip", "unzip", zip),
    ] {
        let source = file(&work.path(kind), &bytes);
        let run = work.run("systemd-import").arg("tar").arg(&source).arg("t");
        let refused = run.fail_somehow();
        let run = work.run("systemd-import").args(["raw", "--force"]);
        let stored = run.arg(&source).arg("r").succeed();
        if is_ours() {
            for line in [refused.complaint(), stored.stderr.as_str()] {
                assert!(line.contains(kind) && line.contains(tool), "{kind}: {line}");
            }
        }
        assert!(
            std::fs::read(work.image("r.raw")).unwrap() == bytes,
            "{kind}"
        );
        assert_eq!(work.images(), ["r.raw"], "{kind}");
    }
}
