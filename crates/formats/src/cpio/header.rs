//! One header: digits or numbers, and what they mean.

use crate::tar::Error;

/// How headers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Hexadecimal digits; with the sum of the contents' bytes where it is told to be one.
    New { summed: bool },
    /// Octal digits.
    Portable,
    /// Numbers of 16 bits.
    Binary { big_endian: bool },
}

/// Longest header, in bytes: that of the new form.
const HEADER_MAX: usize = 110;

impl Form {
    /// The form of a header that begins with these bytes.
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        match start {
            [b'0', b'7', b'0', b'7', b'0', b'1', ..] => Some(Self::New { summed: false }),
            [b'0', b'7', b'0', b'7', b'0', b'2', ..] => Some(Self::New { summed: true }),
            [b'0', b'7', b'0', b'7', b'0', b'7', ..] => Some(Self::Portable),
            [0xc7, 0x71, ..] => Some(Self::Binary { big_endian: false }),
            [0x71, 0xc7, ..] => Some(Self::Binary { big_endian: true }),
            _ => None,
        }
    }

    /// Length of a header, in bytes.
    pub(super) const fn header_bytes(self) -> usize {
        match self {
            Self::New { .. } => HEADER_MAX,
            Self::Portable => 76,
            Self::Binary { .. } => 26,
        }
    }

    /// What names and contents are filled up to, in bytes.
    pub(super) const fn alignment(self) -> u64 {
        match self {
            Self::New { .. } => 4,
            Self::Portable => 1,
            Self::Binary { .. } => 2,
        }
    }
}

/// What a header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// Which file system and which inode of it.
    pub(super) inode: (u32, u32, u32),
    /// Type and permissions, as in stat(2).
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) links: u32,
    pub(super) mtime: u32,
    pub(super) size: u64,
    pub(super) device: (u32, u32),
    /// Length of the name with its NUL.
    pub(super) name_bytes: u64,
    pub(super) sum: Option<u32>,
}

impl Header {
    /// Reads a header of that form, which has its length.
    pub(super) fn parse(form: Form, bytes: &[u8]) -> Result<Self, Error> {
        match form {
            Form::New { summed } => new(bytes, summed),
            Form::Portable => portable(bytes),
            Form::Binary { big_endian } => binary(bytes, big_endian),
        }
    }
}

fn new(bytes: &[u8], summed: bool) -> Result<Header, Error> {
    let mut fields = Digits {
        rest: bytes.get(6..).unwrap_or(&[]),
        radix: 16,
    };
    let mut next = || fields.next(8).and_then(narrow);
    let (number, mode, uid, gid) = (next()?, next()?, next()?, next()?);
    let (links, mtime, size) = (next()?, next()?, next()?);
    let (major, minor) = (next()?, next()?);
    let device = (next()?, next()?);
    let (name_bytes, sum) = (next()?, next()?);
    Ok(Header {
        inode: (major, minor, number),
        mode,
        uid,
        gid,
        links,
        mtime,
        size: size.into(),
        device,
        name_bytes: name_bytes.into(),
        sum: summed.then_some(sum),
    })
}

fn portable(bytes: &[u8]) -> Result<Header, Error> {
    let mut fields = Digits {
        rest: bytes.get(6..).unwrap_or(&[]),
        radix: 8,
    };
    let mut next = || fields.next(6).and_then(narrow);
    let (file_system, number, mode) = (next()?, next()?, next()?);
    let (uid, gid, links, device) = (next()?, next()?, next()?, next()?);
    let mtime = narrow(fields.next(11)?)?;
    let name_bytes = fields.next(6)?;
    Ok(Header {
        inode: (0, file_system, number),
        mode,
        uid,
        gid,
        links,
        mtime,
        size: fields.next(11)?,
        device: split_device(device),
        name_bytes,
        sum: None,
    })
}

fn binary(bytes: &[u8], big_endian: bool) -> Result<Header, Error> {
    let mut fields = bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| match big_endian {
            true => u32::from(u16::from_be_bytes(*pair)),
            false => u32::from(u16::from_le_bytes(*pair)),
        });
    let mut next = || fields.next().ok_or(Error::Truncated);
    let _magic = next()?;
    let (file_system, number, mode) = (next()?, next()?, next()?);
    let (uid, gid, links, device) = (next()?, next()?, next()?, next()?);
    let mtime = joined(next()?, next()?);
    let name_bytes = next()?;
    Ok(Header {
        inode: (0, file_system, number),
        mode,
        uid,
        gid,
        links,
        mtime,
        size: joined(next()?, next()?).into(),
        device: split_device(device),
        name_bytes: name_bytes.into(),
        sum: None,
    })
}

/// Two halves of one number, the high one first in either byte order.
const fn joined(high: u32, low: u32) -> u32 {
    high << 16 | low
}

/// Major and minor number of a device in one: eight bits of minor, as old systems had.
const fn split_device(device: u32) -> (u32, u32) {
    (device >> 8, device & 0xff)
}

fn narrow(value: u64) -> Result<u32, Error> {
    u32::try_from(value).map_err(|_large| Error::BadNumber("number in a cpio header"))
}

/// Numbers of fixed width, one behind the other.
struct Digits<'a> {
    rest: &'a [u8],
    radix: u32,
}

impl Digits<'_> {
    fn next(&mut self, width: usize) -> Result<u64, Error> {
        let (digits, rest) = self.rest.split_at_checked(width).ok_or(Error::Truncated)?;
        self.rest = rest;
        let mut value = 0u64;
        for digit in digits {
            let digit = char::from(*digit).to_digit(self.radix);
            let digit = digit.ok_or(Error::BadNumber("number in a cpio header"))?;
            let shifted = value.saturating_mul(self.radix.into());
            value = shifted.saturating_add(digit.into());
        }
        Ok(value)
    }
}
