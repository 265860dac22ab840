//! The formats, by name and by their first bytes.

/// How a disk stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The bytes of the disk as they are.
    Raw,
    /// QEMU's.
    Qcow2,
    /// VMware's.
    Vmdk,
    /// Virtual PC's and Azure's.
    Vhd,
    /// Hyper-V's.
    Vhdx,
    /// VirtualBox's.
    Vdi,
}

/// How many bytes of the start of a file [`sniff`] wants to see. Fewer are taken as all there are.
pub const SNIFF_BYTES: usize = 512;

impl Format {
    /// Every format.
    pub const ALL: [Format; 6] = [
        Format::Raw,
        Format::Qcow2,
        Format::Vmdk,
        Format::Vhd,
        Format::Vhdx,
        Format::Vdi,
    ];

    /// The name people type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
            Format::Vmdk => "vmdk",
            Format::Vhd => "vhd",
            Format::Vhdx => "vhdx",
            Format::Vdi => "vdi",
        }
    }

    /// The format of a name. `vpc`, which is what qemu-img calls vhd, is taken too.
    #[must_use]
    pub fn parse(name: &str) -> Option<Format> {
        match name {
            "vpc" => Some(Format::Vhd),
            name => Format::ALL.into_iter().find(|format| format.name() == name),
        }
    }
}

/// The format of a file that begins with these bytes; [`Format::Raw`] for anything that is none.
///
/// A file of a known family is never called raw because we do not read its kind: [`super::open`]
/// says what is missing. A fixed vhd has its mark at the end only, and its bytes are those of a raw
/// disk: it has to be asked for by name.
#[must_use]
pub fn sniff(start: &[u8]) -> Format {
    // A text of VMware's: the description of a disk that stands in other files.
    const DESCRIPTOR: &[u8] = b"# disk descriptorfile";
    let has = |at: usize, mark: &[u8]| start.get(at..).is_some_and(|rest| rest.starts_with(mark));
    let is_text = start
        .trim_ascii_start()
        .get(..DESCRIPTOR.len())
        .is_some_and(|line| line.eq_ignore_ascii_case(DESCRIPTOR));
    if has(0, b"QFI\xfb") {
        Format::Qcow2
    } else if has(0, b"KDMV") || has(0, b"COWD") || is_text {
        Format::Vmdk
    } else if has(0, b"vhdxfile") {
        Format::Vhdx
    } else if has(0, b"conectix") {
        Format::Vhd
    } else if has(0x40, &[0x7f, 0x10, 0xda, 0xbe]) {
        Format::Vdi
    } else {
        Format::Raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_formats_are_one_to_one() {
        for format in Format::ALL {
            assert_eq!(Format::parse(format.name()), Some(format));
        }
        assert_eq!(Format::parse("vpc"), Some(Format::Vhd));
        for wrong in ["", "RAW", "qcow", "vhd "] {
            assert_eq!(Format::parse(wrong), None);
        }
    }

    #[test]
    fn first_bytes_tell_the_format() {
        let mut vdi = vec![0; 0x44];
        vdi[0x40..].copy_from_slice(&0xbeda_107fu32.to_le_bytes());
        for (start, format) in [
            (&b""[..], Format::Raw),
            (b"QFI", Format::Raw),
            (b"QFI\xfb", Format::Qcow2),
            (b"QFI\xfb\0\0\0\x03", Format::Qcow2),
            (b"KDMV\x01\0\0\0", Format::Vmdk),
            (b"COWD", Format::Vmdk),
            (b"\n# Disk DescriptorFile\nversion=1", Format::Vmdk),
            (b"# Disk Descriptor", Format::Raw),
            (b"conectix", Format::Vhd),
            (b"vhdxfile", Format::Vhdx),
            (&vdi, Format::Vdi),
            (&vdi[..0x43], Format::Raw),
        ] {
            assert_eq!(sniff(start), format, "{start:?}");
        }
    }
}
