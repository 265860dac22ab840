//! Access lists: the text of archives ⇄ the attribute of Linux.
//!
//! ```text
//! text       user::rwx,user:lisa:rw-:1000,group::r-x,mask::rwx,other::r-x   (or a line each)
//! attribute  version 4 (2) · entries of: tag 2 · permissions 2 · id 4, little-endian, by tag and id
//! ```
//!
//! Names mean nothing in an image of another system: an entry counts by its number, which is the
//! fourth field, or stands in the place of the name.
//!
//! # Source
//! acl(5); star's and libarchive's `SCHILY.acl.*`; the kernel's `posix_acl_xattr.h`.

use super::Error;

/// Version of the attribute.
const VERSION: u32 = 2;
/// Most entries of a list: what fits into the largest attribute of Linux, 64 KiB.
const ENTRIES_MAX: usize = (65_536 - 4) / 8;

const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
/// The number of entries that have none.
const NO_ID: u32 = u32::MAX;

/// A list as an attribute's value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    /// The value; empty if the list has no entries.
    pub bytes: Vec<u8>,
    /// Entries that were left out: a name, but no number.
    pub unresolved: Vec<Vec<u8>>,
}

/// Text of an archive to an attribute's value.
///
/// # Errors
/// [`Error::BadPax`] for what is no access list, [`Error::TooLong`] for one no file can have.
pub fn text_to_xattr(text: &[u8]) -> Result<Acl, Error> {
    let mut entries: Vec<(u16, u32, u16)> = Vec::new();
    let mut acl = Acl::default();
    for part in text.split(|byte| matches!(byte, b',' | b'\n')) {
        // What follows a '#' is a comment: the rights that are left under the mask.
        let part = part
            .split(|byte| *byte == b'#')
            .next()
            .unwrap_or(&[])
            .trim_ascii();
        if part.is_empty() {
            continue;
        }
        let Some(entry) = entry(part)? else {
            acl.unresolved.push(part.to_vec());
            continue;
        };
        if entries.len() >= ENTRIES_MAX {
            let limit = ENTRIES_MAX as u64;
            let what = "access list";
            return Err(Error::TooLong { what, limit });
        }
        entries.push(entry);
    }
    if entries.is_empty() {
        return Ok(acl);
    }
    entries.sort_unstable_by_key(|(tag, id, _)| (*tag, *id));
    let count = entries.len();
    entries.dedup_by_key(|(tag, id, _)| (*tag, *id));
    if entries.len() != count {
        return Err(Error::BadPax("of an access list: an entry is there twice"));
    }
    complete(&mut entries)?;
    acl.bytes.extend_from_slice(&VERSION.to_le_bytes());
    for (tag, id, rights) in entries {
        acl.bytes.extend_from_slice(&tag.to_le_bytes());
        acl.bytes.extend_from_slice(&rights.to_le_bytes());
        acl.bytes.extend_from_slice(&id.to_le_bytes());
    }
    Ok(acl)
}

/// The kernel wants owner, group and others in every list, and a mask where one is needed.
fn complete(entries: &mut Vec<(u16, u32, u16)>) -> Result<(), Error> {
    let has = |tag: u16| entries.iter().any(|(other, _, _)| *other == tag);
    if ![USER_OBJ, GROUP_OBJ, OTHER].into_iter().all(has) {
        return Err(Error::BadPax(
            "of an access list: owner, group or others are missing",
        ));
    }
    if (has(USER) || has(GROUP)) && !has(MASK) {
        let group = entries
            .iter()
            .filter(|(tag, _, _)| matches!(*tag, USER | GROUP | GROUP_OBJ))
            .fold(0, |all, (_, _, rights)| all | rights);
        entries.push((MASK, NO_ID, group));
        entries.sort_unstable_by_key(|(tag, id, _)| (*tag, *id));
    }
    Ok(())
}

/// One entry; `None` if it has a name but no number.
fn entry(part: &[u8]) -> Result<Option<(u16, u32, u16)>, Error> {
    let bad = || Error::BadPax("of an access list");
    let mut fields = part.split(|byte| *byte == b':').map(<[u8]>::trim_ascii);
    let tag = fields.next().unwrap_or(&[]);
    let mut name = fields.next().ok_or_else(bad)?;
    let rights = match fields.next() {
        Some(rights) => rights,
        // Solaris writes `mask:rwx` and `other:rwx`.
        None if matches!(tag, b"mask" | b"m" | b"other" | b"o") => std::mem::take(&mut name),
        None => return Err(bad()),
    };
    let number = fields.next();
    if fields.next().is_some() {
        return Err(bad());
    }
    let rights = permissions(rights).ok_or_else(bad)?;
    let named = match tag {
        b"user" | b"u" => (USER_OBJ, USER),
        b"group" | b"g" => (GROUP_OBJ, GROUP),
        b"mask" | b"m" if name.is_empty() => return Ok(Some((MASK, NO_ID, rights))),
        b"other" | b"o" if name.is_empty() => return Ok(Some((OTHER, NO_ID, rights))),
        _ => return Err(bad()),
    };
    if name.is_empty() && number.is_none_or(<[u8]>::is_empty) {
        return Ok(Some((named.0, NO_ID, rights)));
    }
    let digits = match number {
        Some(number) if !number.is_empty() => number,
        _ => name,
    };
    let id = std::str::from_utf8(digits)
        .ok()
        .and_then(|text| text.parse().ok());
    match id {
        Some(NO_ID) => Err(bad()),
        Some(id) => Ok(Some((named.1, id, rights))),
        None if number.is_some_and(|number| !number.is_empty()) => Err(bad()),
        None => Ok(None),
    }
}

fn permissions(text: &[u8]) -> Option<u16> {
    let mut rights = 0;
    for letter in text {
        rights |= match letter {
            b'r' => 4,
            b'w' => 2,
            b'x' => 1,
            b'-' => 0,
            _ => return None,
        };
    }
    (text.len() <= 3).then_some(rights)
}

/// An attribute's value to the text of an archive, with numbers for names.
///
/// # Errors
/// [`Error::BadPax`] for bytes that are no access list.
pub fn xattr_to_text(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let bad = || Error::BadPax("of an access list");
    let (version, entries) = bytes.split_first_chunk::<4>().ok_or_else(bad)?;
    if u32::from_le_bytes(*version) != VERSION || entries.len() % 8 != 0 {
        return Err(bad());
    }
    let mut parts = Vec::new();
    for entry in entries.as_chunks::<8>().0 {
        let [tag_low, tag_high, rights_low, rights_high, id @ ..] = *entry;
        let rights = u16::from_le_bytes([rights_low, rights_high]);
        let letters = format!(
            "{}{}{}",
            if rights & 4 == 0 { '-' } else { 'r' },
            if rights & 2 == 0 { '-' } else { 'w' },
            if rights & 1 == 0 { '-' } else { 'x' },
        );
        let id = u32::from_le_bytes(id);
        parts.push(match u16::from_le_bytes([tag_low, tag_high]) {
            USER_OBJ => format!("user::{letters}"),
            // The number in the place of the name, and where star looks for it.
            USER => format!("user:{id}:{letters}:{id}"),
            GROUP_OBJ => format!("group::{letters}"),
            GROUP => format!("group:{id}:{letters}:{id}"),
            MASK => format!("mask::{letters}"),
            OTHER => format!("other::{letters}"),
            _ => return Err(bad()),
        });
    }
    Ok(parts.join(",").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_every_writer_become_the_same_attribute() {
        let list = "user::rwx,user:1000:r--:1000,group::r-x,mask::r-x,other::r-x";
        let bytes = text_to_xattr(list.as_bytes()).unwrap().bytes;
        assert_eq!(bytes.len(), 4 + 5 * 8);
        for same in [
            // GNU tar
            "user::rwx\nuser:1000:r--\ngroup::r-x\nmask::r-x\nother::r-x\n",
            // star
            "other::r-x,mask::r-x,group::r-x,user:lisa:r--:1000,user::rwx",
            // Solaris
            "u::rwx,u:1000:r--,g::r-x,m:r-x,o:r-x",
            // getfacl
            "user::rwx\nuser:1000:r--\t#effective:r--\ngroup::r-x\nmask::r-x\nother::r-x",
            // without a mask, which is then the union of what it would limit
            "user::rwx,user:1000:r--:1000,group::r-x,other::r-x",
        ] {
            assert_eq!(
                text_to_xattr(same.as_bytes()).unwrap().bytes,
                bytes,
                "{same}"
            );
        }
        assert_eq!(xattr_to_text(&bytes).unwrap(), list.as_bytes());
    }

    #[test]
    fn an_entry_with_only_a_name_is_left_out_and_told() {
        let acl = text_to_xattr(b"user::rwx,user:games:r--,group::r-x,other::r-x").unwrap();
        assert_eq!(acl.unresolved, [b"user:games:r--".to_vec()]);
        assert_eq!(acl.bytes.len(), 4 + 3 * 8);
        assert_eq!(text_to_xattr(b"").unwrap(), Acl::default());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for bad in [
            "user",
            "user:rwx",
            "user::rwxx",
            "user::rwq",
            "user::rwx",
            "other:1:rwx",
            "user:a:rwx:b",
            "user:1:rwx:1:1",
            "user::rwx,user::rwx,group::r-x,other::r-x",
            "user:4294967295:rwx,user::rwx,group::r-x,other::r-x",
        ] {
            assert!(text_to_xattr(bad.as_bytes()).is_err(), "{bad}");
        }
        for bad in [
            &b""[..],
            b"\x02\0\0",
            b"\x01\0\0\0",
            b"\x02\0\0\0\x40\0\0\0\0\0\0\0",
        ] {
            assert!(xattr_to_text(bad).is_err(), "{bad:?}");
        }
    }
}
