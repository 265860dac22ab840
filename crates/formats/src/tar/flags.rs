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

/// The bits of the names in a text; names of other flags mean nothing here.
#[must_use]
pub fn from_text(text: &[u8]) -> u32 {
    text.split(|byte| *byte == b',')
        .filter_map(|name| {
            let known = NAMES
                .iter()
                .find(|(known, _)| known.as_bytes() == name.trim_ascii());
            known.map(|(_, bit)| *bit)
        })
        .fold(0, |all, bit| all | bit)
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
        assert_eq!(from_text(b"nodump,schg,noatime"), 0xc0);
        assert_eq!(
            to_text(0xc0 | 0x10).as_deref(),
            Some(&b"nodump,noatime"[..])
        );
        assert_eq!(to_text(0x10), None);
    }
}
