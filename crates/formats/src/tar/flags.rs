//! Inode flags as text: `SCHILY.fflags`.

/// The flags that are restored: names of star and libarchive, bits of ioctl_iflags(2).
const NAMES: [(&str, u32); 6] = [
    ("sync", 0x0000_0008),
    ("nodump", 0x0000_0040),
    ("noatime", 0x0000_0080),
    ("dirsync", 0x0001_0000),
    ("nocow", 0x0080_0000),
    ("projinherit", 0x2000_0000),
];

/// The bits of the names in a text. Names of other flags mean nothing here: immutable and
/// append-only files could be neither moved, replaced nor removed with the image.
#[must_use]
pub fn from_text(text: &[u8]) -> u32 {
    names(text).filter_map(bit).fold(0, |all, bit| all | bit)
}

/// Whether a text has names that [`from_text`] leaves out.
#[must_use]
pub fn has_unknown(text: &[u8]) -> bool {
    names(text).any(|name| bit(name).is_none())
}

fn names(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let names = text.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    names.filter(|name| !name.is_empty())
}

fn bit(name: &[u8]) -> Option<u32> {
    let known = NAMES.iter().find(|(known, _)| known.as_bytes() == name);
    known.map(|(_, bit)| *bit)
}

/// The names of bits, `None` if there is none to name.
#[must_use]
pub fn to_text(bits: u32) -> Option<Vec<u8>> {
    let names: Vec<&str> = NAMES
        .iter()
        .filter(|(_, bit)| bits & bit != 0)
        .map(|(name, _)| *name)
        .collect();
    (!names.is_empty()).then(|| names.join(",").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_round_trip_and_others_are_dropped() {
        assert_eq!(from_text(b"nodump,schg, noatime"), 0xc0);
        assert!(has_unknown(b"nodump,schg") && !has_unknown(b"nodump, noatime,"));
        assert_eq!(
            to_text(0xc0 | 0x10).as_deref(),
            Some(&b"nodump,noatime"[..])
        );
        assert_eq!(to_text(0x10), None);
    }
}
