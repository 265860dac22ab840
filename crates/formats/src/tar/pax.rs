//! pax headers: records of `LENGTH KEY=VALUE\n`.

use super::{Error, Extent, Limits, Timestamp};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// RFC 4648; libarchive leaves the padding out.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What pax headers say of the next entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) user: Option<Vec<u8>>,
    pub(super) group: Option<Vec<u8>>,
    pub(super) mtime: Option<Timestamp>,
    pub(super) device_major: Option<u64>,
    pub(super) device_minor: Option<u64>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) acl_access: Option<Vec<u8>>,
    pub(super) acl_default: Option<Vec<u8>>,
    pub(super) file_flags: Option<Vec<u8>>,
    /// Whether there is an access list of NFSv4, which is of no use here.
    pub(super) has_nfs4_acl: bool,
    pub(super) sparse: Sparse,
}

/// What they say of holes: three versions of GNU's.
#[derive(Clone, Debug, Default)]
pub(super) struct Sparse {
    /// Version 1.0: the map is in front of the contents.
    pub(super) major: Option<u64>,
    pub(super) minor: Option<u64>,
    /// The file's own name; that of the entry is made up.
    pub(super) name: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// Versions 0.0 and 0.1.
    pub(super) map: Vec<Extent>,
    /// An offset of version 0.0 whose length has not come yet.
    offset: Option<u64>,
    pub(super) count: Option<u64>,
}

impl Pax {
    /// The records of an entry's own header, before those for all entries.
    pub(super) fn of_entry(bytes: &[u8], global: &Pax, limits: Limits) -> Result<Self, Error> {
        let mut pax = global.clone();
        let inherited = std::mem::take(&mut pax.xattrs);
        pax.add(bytes, limits)?;
        for (name, value) in inherited {
            if !pax.xattrs.iter().any(|(own, _)| *own == name) {
                pax.add_xattr(name, value, limits)?;
            }
        }
        Ok(pax)
    }

    /// Adds the records of a header; a later record of the same key wins.
    pub(super) fn add(&mut self, mut bytes: &[u8], limits: Limits) -> Result<(), Error> {
        while !bytes.is_empty() {
            let (key, value, rest) = record(bytes)?;
            self.set(key, value, limits)?;
            bytes = rest;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8], limits: Limits) -> Result<(), Error> {
        let limit = limits.path_bytes;
        if matches!(key, b"path" | b"linkpath") && value.len() as u64 > limit {
            let what = "path";
            return Err(Error::TooLong { what, limit });
        }
        match key {
            b"path" => self.path = text(value, "path")?,
            b"linkpath" => self.link = text(value, "linkpath")?,
            b"size" => self.size = optional(value, "size")?,
            b"uid" => self.uid = optional(value, "uid")?,
            b"gid" => self.gid = optional(value, "gid")?,
            b"uname" => self.user = Some(value.to_vec()),
            b"gname" => self.group = Some(value.to_vec()),
            b"mtime" if value.is_empty() => self.mtime = None,
            b"mtime" => self.mtime = Some(time(value).ok_or(Error::BadPax("mtime"))?),
            b"SCHILY.devmajor" => self.device_major = optional(value, "SCHILY.devmajor")?,
            b"SCHILY.devminor" => self.device_minor = optional(value, "SCHILY.devminor")?,
            b"SCHILY.acl.access" => self.acl_access = Some(value.to_vec()),
            b"SCHILY.acl.default" => self.acl_default = Some(value.to_vec()),
            b"SCHILY.fflags" => self.file_flags = Some(value.to_vec()),
            b"SCHILY.acl.ace" => self.has_nfs4_acl = !value.is_empty(),
            // star's own sparse files have their map where only it looks.
            b"SCHILY.realsize" => return Err(Error::Unsupported("a sparse file in star's form")),
            b"RHT.security.selinux" => {
                // GNU tar leaves out the NUL that the attribute ends with.
                let label = [value, b"\0"].concat();
                return self.add_xattr(b"security.selinux".to_vec(), label, limits);
            }
            b"GNU.volume.filename" | b"GNU.volume.size" | b"GNU.volume.offset" => {
                let what = "a part of a file from another volume";
                return Err(Error::Unsupported(what));
            }
            b"hdrcharset" | b"comment" | b"atime" | b"ctime" => {}
            _ => return self.set_other(key, value, limits),
        }
        Ok(())
    }

    fn set_other(&mut self, key: &[u8], value: &[u8], limits: Limits) -> Result<(), Error> {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            // libarchive writes the whole name encoded, after the record of its own.
            let name_of_libarchive: Vec<u8> = percent_encoding::percent_decode(name).collect();
            let is_known = |(old, old_value): &(Vec<u8>, Vec<u8>)| {
                *old == name_of_libarchive && old_value == value
            };
            if self.xattrs.iter().any(is_known) {
                return Ok(());
            }
            return self.add_xattr(gnu_decoded(name), value.to_vec(), limits);
        } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
            let value = BASE64.decode(value);
            let value = value.map_err(|_text| Error::BadPax("LIBARCHIVE.xattr"))?;
            let name = percent_encoding::percent_decode(name).collect();
            return self.add_xattr(name, value, limits);
        } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
            self.sparse.set(key, value, limits)?;
        }
        Ok(())
    }

    /// Writers store each attribute twice, in two forms. Of two values readers take either.
    fn add_xattr(&mut self, name: Vec<u8>, value: Vec<u8>, limits: Limits) -> Result<(), Error> {
        if name.is_empty() || name.contains(&0) {
            return Ok(());
        }
        match self.xattrs.iter().find(|(old, _)| *old == name) {
            Some((_, old)) if *old == value => return Ok(()),
            Some(_) => {
                let what = "two different values of one attribute";
                return Err(Error::Unsupported(what));
            }
            None => {}
        }
        if self.xattrs.len() >= limits.attributes {
            return Err(Error::TooLong {
                what: "list of attributes",
                limit: limits.attributes as u64,
            });
        }
        self.xattrs.push((name, value));
        Ok(())
    }
}

impl Sparse {
    fn set(&mut self, key: &[u8], value: &[u8], limits: Limits) -> Result<(), Error> {
        const BAD: &str = "GNU.sparse";
        match key {
            b"major" => self.major = Some(decimal(value, BAD)?),
            b"minor" => self.minor = Some(decimal(value, BAD)?),
            b"name" => self.name = text(value, BAD)?,
            b"realsize" | b"size" => self.size = Some(decimal(value, BAD)?),
            b"numblocks" => self.count = Some(decimal(value, BAD)?),
            b"offset" if self.offset.is_none() => self.offset = Some(decimal(value, BAD)?),
            b"numbytes" => {
                let offset = self.offset.take().ok_or(Error::BadPax(BAD))?;
                let length = decimal(value, BAD)?;
                self.push(Extent { offset, length }, limits)?;
            }
            b"map" => {
                self.map.clear();
                let mut numbers = value.split(|byte| *byte == b',');
                while let Some(offset) = numbers.next() {
                    let length = numbers.next().ok_or(Error::BadPax(BAD))?;
                    let extent = Extent {
                        offset: decimal(offset, BAD)?,
                        length: decimal(length, BAD)?,
                    };
                    self.push(extent, limits)?;
                }
            }
            _ => return Err(Error::BadPax(BAD)),
        }
        Ok(())
    }

    fn push(&mut self, extent: Extent, limits: Limits) -> Result<(), Error> {
        if self.map.len() >= limits.extents {
            return Err(Error::TooLong {
                what: "map of a sparse file",
                limit: limits.extents as u64,
            });
        }
        self.map.push(extent);
        Ok(())
    }

    /// Whether the map stands in front of the contents.
    pub(super) fn is_in_contents(&self) -> Result<bool, Error> {
        match (self.major, self.minor) {
            (None, None) | (Some(0), _) => Ok(false),
            (Some(1), Some(0)) => Ok(true),
            _ => Err(Error::Unsupported("a sparse file of an unknown version")),
        }
    }

    /// Whether the entry is a sparse file at all.
    pub(super) fn is_there(&self) -> bool {
        self.size.is_some()
            || self.major.is_some()
            || self.name.is_some()
            || self.count.is_some()
            || !self.map.is_empty()
    }
}

/// A name as GNU tar writes it: `=` as `%3D`, and `%` as `%25`.
pub(super) fn gnu_decoded(name: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, tail)) = rest.split_first() {
        let (byte, tail) = match rest {
            [b'%', b'3', b'D', tail @ ..] => (b'=', tail),
            [b'%', b'2', b'5', tail @ ..] => (b'%', tail),
            _ => (*first, tail),
        };
        decoded.push(byte);
        rest = tail;
    }
    decoded
}

/// Key, value, and what follows the record.
type Record<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// Splits the first record off.
fn record(bytes: &[u8]) -> Result<Record<'_>, Error> {
    let bad = Error::BadPax("length");
    let blank = bytes.iter().take(20).position(|byte| *byte == b' ');
    let digits = blank.and_then(|blank| bytes.get(..blank));
    let parsed = digits.and_then(|digits| decimal(digits, "length").ok());
    let length = parsed.and_then(|length| usize::try_from(length).ok());
    let (Some(length), Some(blank)) = (length, blank) else {
        return Err(bad);
    };
    let Some((record, rest)) = bytes.split_at_checked(length) else {
        return Err(bad);
    };
    let body = record
        .get(blank.saturating_add(1)..)
        .and_then(|body| body.strip_suffix(b"\n"))
        .ok_or(bad)?;
    let equals = body.iter().position(|byte| *byte == b'=');
    let split = equals.and_then(|equals| body.split_at_checked(equals));
    let Some((key, value)) = split else {
        return Err(Error::BadPax("without a value"));
    };
    if key.is_empty() {
        return Err(Error::BadPax("without a key"));
    }
    Ok((key, value.get(1..).unwrap_or(&[]), rest))
}

/// An empty value takes back what an earlier record said.
fn text(value: &[u8], key: &'static str) -> Result<Option<Vec<u8>>, Error> {
    match value {
        [] => Ok(None),
        value if value.contains(&0) => Err(Error::BadPax(key)),
        value => Ok(Some(value.to_vec())),
    }
}

fn optional(value: &[u8], key: &'static str) -> Result<Option<u64>, Error> {
    match value {
        [] => Ok(None),
        value => decimal(value, key).map(Some),
    }
}

pub(super) fn decimal(value: &[u8], key: &'static str) -> Result<u64, Error> {
    if value.is_empty() || value.len() > 20 || !value.iter().all(u8::is_ascii_digit) {
        return Err(Error::BadPax(key));
    }
    let text = std::str::from_utf8(value).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or(Error::BadPax(key))
}

/// Decimal seconds with a fraction, rounded down to the nanosecond.
fn time(value: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(value).ok()?;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty()
        || !whole
            .bytes()
            .chain(fraction.bytes())
            .all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let mut nanoseconds = 0u32;
    for index in 0..9 {
        let digit = fraction
            .as_bytes()
            .get(index)
            .map_or(0, |byte| byte.saturating_sub(b'0'));
        nanoseconds = nanoseconds.checked_mul(10)?.checked_add(u32::from(digit))?;
    }
    let finer = fraction.bytes().skip(9).any(|digit| digit != b'0');
    if !negative {
        return Some(Timestamp {
            seconds,
            nanoseconds,
        });
    }
    // -1.25 is a quarter before -1: -2 and 0.75.
    let nanoseconds = nanoseconds.checked_add(u32::from(finer))?;
    if nanoseconds == 0 {
        let seconds = seconds.checked_neg()?;
        return Some(Timestamp {
            seconds,
            nanoseconds,
        });
    }
    Some(Timestamp {
        seconds: seconds.checked_neg()?.checked_sub(1)?,
        nanoseconds: 1_000_000_000u32.checked_sub(nanoseconds)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::records::{Records, push_record};
    use super::*;

    #[test]
    fn times_before_1970_are_rounded_down() {
        for (text, seconds, nanoseconds) in [
            ("1.5", 1, 500_000_000),
            ("0", 0, 0),
            ("-1.25", -2, 750_000_000),
            ("-1", -1, 0),
            ("-0.000000001", -1, 999_999_999),
            ("12.1234567899", 12, 123_456_789),
        ] {
            let expected = Timestamp {
                seconds,
                nanoseconds,
            };
            assert_eq!(time(text.as_bytes()), Some(expected), "{text}");
        }
        for bad in ["", "-", ".5", "1.x", "1e5", "99999999999999999999"] {
            assert_eq!(time(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn records_that_lie_about_their_length_are_refused() {
        for bad in [
            &b"5 a=b\n"[..],
            b"99 a=b\n",
            b"6 a=b",
            b"a=b\n",
            b"5 =b\n",
            b"4 a\n",
            b"18446744073709551616 a=b\n",
        ] {
            assert!(
                Pax::default().add(bad, Limits::default()).is_err(),
                "{bad:?}"
            );
        }
        let mut pax = Pax::default();
        pax.add(b"10 path=x\n", Limits::default()).unwrap();
        assert_eq!(pax.path.as_deref(), Some(&b"x"[..]));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut records = Records::default();
        let times = [
            (1, 500),
            (-2, 750_000_000),
            (-1, 0),
            (-1, 999_999_999),
            (1 << 40, 0),
        ];
        for (seconds, nanoseconds) in times {
            let expected = Timestamp {
                seconds,
                nanoseconds,
            };
            records.time("mtime", expected);
            let mut pax = Pax::default();
            let bytes = std::mem::take(&mut records).finish();
            pax.add(&bytes, Limits::default()).unwrap();
            assert_eq!(pax.mtime, Some(expected));
        }
        for length in 0..1200 {
            records.xattr(b"user.a=%b", &vec![7; length]);
            records.xattr(b"user.b", &vec![b'\n'; length]);
            let mut pax = Pax::default();
            let bytes = std::mem::take(&mut records).finish();
            pax.add(&bytes, Limits::default()).unwrap();
            assert_eq!(pax.xattrs[0], (b"user.a=%b".to_vec(), vec![7; length]));
            assert_eq!(pax.xattrs[1], (b"user.b".to_vec(), vec![b'\n'; length]));
        }
    }

    #[test]
    fn an_attribute_has_one_value() {
        let mut pax = Pax::default();
        let mut text = Vec::new();
        push_record(&mut text, b"SCHILY.xattr.user.a", b"1");
        push_record(&mut text, b"LIBARCHIVE.xattr.user.a", b"MQ==");
        pax.add(&text, Limits::default()).unwrap();
        assert_eq!(pax.xattrs, [(b"user.a".to_vec(), b"1".to_vec())]);
        for other in [
            &b"LIBARCHIVE.xattr.a=?!?!"[..],
            b"LIBARCHIVE.xattr.user.a=Mg==",
            b"SCHILY.xattr.user.a=2",
        ] {
            let equals = other.iter().position(|byte| *byte == b'=').unwrap();
            let mut text = Vec::new();
            push_record(&mut text, &other[..equals], &other[equals + 1..]);
            let added = pax.add(&text, Limits::default());
            assert!(added.is_err(), "{}", other.escape_ascii());
        }
        // What is said of all entries gives way.
        let own = Pax::of_entry(b"25 SCHILY.xattr.user.a=2\n", &pax, Limits::default());
        assert_eq!(own.unwrap().xattrs, [(b"user.a".to_vec(), b"2".to_vec())]);
    }

    #[test]
    fn what_only_others_can_hold_is_told_or_refused() {
        let mut pax = Pax::default();
        let mut text = Vec::new();
        push_record(&mut text, b"SCHILY.acl.ace", b"owner@:rwx::allow");
        push_record(&mut text, b"RHT.security.selinux", b"u:r:t");
        push_record(&mut text, b"NOBODY.knows", b"x");
        pax.add(&text, Limits::default()).unwrap();
        assert!(pax.has_nfs4_acl);
        let label = (b"security.selinux".to_vec(), b"u:r:t\0".to_vec());
        assert_eq!(pax.xattrs, [label]);
        for key in [&b"SCHILY.realsize"[..], b"GNU.volume.filename"] {
            let mut text = Vec::new();
            push_record(&mut text, key, b"1");
            assert!(pax.add(&text, Limits::default()).is_err());
        }
    }
}
