//! The description: text that says what a disk is made of.

use super::super::source::Source;
use super::super::{Error, ForeignName, Format};

/// Longest description, in bytes. Inside a disk it has 10 KiB; beside one with many parts more.
const BYTES_MAX: u64 = 1 << 20;
/// The number that means: no parent.
const NO_PARENT: &[u8] = b"ffffffff";
/// Kinds of disks that stand in one file together with their description.
const WHOLE: [&[u8]; 2] = [b"monolithicSparse", b"streamOptimized"];

/// What a description says, as it stands there.
#[derive(Debug, Default, PartialEq, Eq)]
struct Description<'a> {
    kind: Option<&'a [u8]>,
    parent_id: Option<&'a [u8]>,
    parent_name: Option<&'a [u8]>,
    /// The names of the files with the parts of the disk.
    parts: Vec<&'a [u8]>,
}

impl<'a> Description<'a> {
    /// Lines that are not understood say nothing that matters for reading.
    fn new(text: &'a [u8]) -> Self {
        let mut description = Self::default();
        for line in text.split(|byte| *byte == b'\n' || *byte == 0) {
            let line = line.trim_ascii();
            if line.starts_with(b"#") {
                continue;
            }
            if let Some(name) = part(line) {
                description.parts.push(name);
                continue;
            }
            let Some(equals) = line.iter().position(|byte| *byte == b'=') else {
                continue;
            };
            let (key, value) = line.split_at(equals);
            let value = unquoted(value.get(1..).unwrap_or(&[]));
            let place = match key.trim_ascii().to_ascii_lowercase().as_slice() {
                b"createtype" => &mut description.kind,
                b"parentcid" => &mut description.parent_id,
                b"parentfilenamehint" => &mut description.parent_name,
                _ => continue,
            };
            // The first one holds.
            place.get_or_insert(value);
        }
        description
    }
}

/// The name of the file in a line for a part of the disk: access, length, kind, name.
fn part(line: &[u8]) -> Option<&[u8]> {
    let mut words = line.splitn(2, |byte| byte.is_ascii_whitespace());
    let access = words.next()?;
    if ![&b"RW"[..], b"RDONLY", b"NOACCESS"].contains(&access) {
        return None;
    }
    let quoted = words.next()?.splitn(2, |byte| *byte == b'"').nth(1);
    quoted
        .unwrap_or_default()
        .split(|byte| *byte == b'"')
        .next()
}

/// A value without the quotes around it.
fn unquoted(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    let inner = value.strip_prefix(b"\"");
    inner
        .and_then(|inner| inner.split(|byte| *byte == b'"').next())
        .unwrap_or(value)
}

/// Reads a description, and refuses disks that are not whole in the file that it stands in.
/// `is_alone`: the file has nothing else.
pub(super) fn check(
    source: &Source,
    (offset, length): (u64, u64),
    is_alone: bool,
) -> Result<(), Error> {
    let length = usize::try_from(length.min(BYTES_MAX)).unwrap_or(0);
    let mut text = vec![0; length];
    let filled = source.read(&mut text, offset)?;
    text.truncate(filled);
    let description = Description::new(&text);
    let other = |what, name: &[u8]| {
        Err(Error::OtherFile {
            format: Format::Vmdk,
            what,
            name: ForeignName::new(name),
        })
    };
    let has_parent = description
        .parent_id
        .is_some_and(|id| !id.eq_ignore_ascii_case(NO_PARENT));
    if has_parent || description.parent_name.is_some() {
        return other("parent", description.parent_name.unwrap_or_default());
    }
    if let [_, part, ..] = description.parts.as_slice() {
        return other("second part", part);
    }
    match (is_alone, description.parts.first()) {
        (true, Some(part)) => return other("part", part),
        (true, None) => return Err(source.corrupt("a description that names no part", offset)),
        (false, _) => {}
    }
    match description.kind {
        Some(kind) if WHOLE.iter().any(|whole| kind.eq_ignore_ascii_case(whole)) => Ok(()),
        Some(_) => Err(source.unsupported(
            "the description of a disk of several files",
            "make one image of all of them with qemu-img convert",
        )),
        // The parts of a disk of several files have none.
        None => Err(source.unsupported(
            "no description, as the parts of a larger disk have none",
            "make one image of all parts with qemu-img convert",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_say_what_matters() {
        let text = b"# Disk DescriptorFile\r\nversion=1\r\nCID = 1\r\nparentCID=FFFFFFFF\r\n\
            createType=\"monolithicSparse\"\r\n#createType=\"x\"\r\ncreateType=\"y\"\r\n\
            RW 20480 SPARSE \"a disk.vmdk\" 0\r\nRDONLY 1 ZERO\nRWX 1 FLAT \"no\"\n\
            ddb.adapterType = \"ide\"\n\0\0parentFileNameHint=\"/etc/passwd\"";
        let description = Description::new(text);
        let expected = Description {
            kind: Some(b"monolithicSparse"),
            parent_id: Some(b"FFFFFFFF"),
            parent_name: Some(b"/etc/passwd"),
            parts: vec![b"a disk.vmdk", b""],
        };
        assert_eq!(description, expected);
        assert_eq!(Description::new(b""), Description::default());
        assert_eq!(Description::new(b"=\nRW\nRW \"").parts, [b""]);
    }
}
