//! Archives byte by byte, also those that no program writes.

/// Size of a block, in bytes.
const BLOCK_BYTES: usize = 512;
/// Where the fields of a header are, and how long they are.
pub(crate) const SIZE: (usize, usize) = (124, 12);
pub(crate) const CHECKSUM: (usize, usize) = (148, 8);
pub(crate) const MAGIC: (usize, usize) = (257, 8);
pub(crate) const DEVICE_MAJOR: (usize, usize) = (329, 8);
pub(crate) const PREFIX: (usize, usize) = (345, 155);
const NAME: (usize, usize) = (0, 100);
const LINK: (usize, usize) = (157, 100);

/// The magic numbers of ustar and of GNU tar.
pub(crate) const USTAR: &[u8] = b"ustar\x0000";
pub(crate) const GNU: &[u8] = b"ustar  \0";

/// One header, before its checksum is made.
#[derive(Clone, Debug)]
pub(crate) struct Header([u8; BLOCK_BYTES]);

impl Header {
    /// A header of ustar, mode 0644, owned by root, of 2001.
    pub(crate) fn new(letter: u8, name: impl AsRef<[u8]>) -> Self {
        let header = Self([0; BLOCK_BYTES]);
        let name = name.as_ref();
        header
            .field(NAME, &name[..name.len().min(NAME.1)])
            .field((100, 8), b"0000644\0")
            .field((108, 8), b"0000000\0")
            .field((116, 8), b"0000000\0")
            .field(SIZE, b"00000000000\0")
            .field((136, 12), b"07236734400\0")
            .field((156, 1), &[letter])
            .field(MAGIC, USTAR)
    }

    /// Writes a field, filled up with NULs.
    pub(crate) fn field(mut self, (start, length): (usize, usize), bytes: &[u8]) -> Self {
        self.0[start..][..length].fill(0);
        self.0[start..][..bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Where a link leads.
    pub(crate) fn link(self, target: impl AsRef<[u8]>) -> Self {
        self.field(LINK, target.as_ref())
    }

    /// The size, in octal digits.
    pub(crate) fn size(self, size: usize) -> Self {
        self.field(SIZE, format!("{size:011o}\0").as_bytes())
    }

    /// The block, with a checksum over unsigned bytes, or signed ones.
    fn finish(self, is_signed: bool) -> [u8; BLOCK_BYTES] {
        let Self(mut block) = self.field(CHECKSUM, b"        ");
        let sum: i64 = block
            .iter()
            .map(|byte| match is_signed {
                true => i64::from(byte.cast_signed()),
                false => i64::from(*byte),
            })
            .sum();
        let text = format!("{sum:06o}\0 ");
        block[CHECKSUM.0..][..CHECKSUM.1].copy_from_slice(text.as_bytes());
        block
    }
}

/// An archive that grows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tarball(Vec<u8>);

impl Tarball {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A header, and contents as they are, filled up to a block.
    pub(crate) fn raw(mut self, header: Header, contents: &[u8]) -> Self {
        self.0.extend(header.finish(false));
        self.bytes(contents)
    }

    /// A header whose checksum was made of signed bytes.
    pub(crate) fn signed(mut self, header: Header) -> Self {
        self.0.extend(header.finish(true));
        self
    }

    /// Contents, or anything else, filled up to a block.
    pub(crate) fn bytes(mut self, contents: &[u8]) -> Self {
        self.0.extend(contents);
        let whole = self.0.len().next_multiple_of(BLOCK_BYTES);
        self.0.resize(whole, 0);
        self
    }

    pub(crate) fn file(self, name: impl AsRef<[u8]>, contents: &[u8]) -> Self {
        self.raw(Header::new(b'0', name).size(contents.len()), contents)
    }

    pub(crate) fn folder(self, name: impl AsRef<[u8]>) -> Self {
        self.raw(Header::new(b'5', name).field((100, 8), b"0000755\0"), b"")
    }

    pub(crate) fn symlink(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.raw(Header::new(b'2', name).link(target), b"")
    }

    pub(crate) fn hard_link(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.raw(Header::new(b'1', name).link(target), b"")
    }

    /// A pax header of this letter with records of key and value.
    pub(crate) fn pax(self, letter: u8, records: &[(&str, &[u8])]) -> Self {
        let text = records
            .iter()
            .flat_map(|(key, value)| record(key, value))
            .collect::<Vec<u8>>();
        self.raw(Header::new(letter, "pax").size(text.len()), &text)
    }

    /// A header of GNU tar with a long text: `L` for a name, `K` for a link.
    pub(crate) fn long(self, letter: u8, text: impl AsRef<[u8]>) -> Self {
        let text = [text.as_ref(), b"\0"].concat();
        let header = Header::new(letter, "././@LongLink").field(MAGIC, GNU);
        self.raw(header.size(text.len()), &text)
    }

    /// The bytes, with the end and filled up to a record.
    pub(crate) fn end(self) -> Vec<u8> {
        let mut bytes = self.open();
        bytes.resize(bytes.len() + 2 * BLOCK_BYTES, 0);
        bytes.resize(bytes.len().next_multiple_of(20 * BLOCK_BYTES), 0);
        bytes
    }

    /// The bytes so far, without an end.
    pub(crate) fn open(self) -> Vec<u8> {
        self.0
    }
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
pub(crate) fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut text = format!("{length} {key}=").into_bytes();
    text.extend(value);
    text.push(b'\n');
    text
}
