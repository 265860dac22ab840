//! Where the machine was booted from: an EFI variable.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | attributes |
//! | rest | the address, UTF-16 in little endian, usually with a NUL at its end |

use crate::input;
use anyhow::{Context, bail};
use importd_api::url::{URL_MAX, Url};
use std::path::Path;

/// Length of the attributes before a variable's value, in bytes.
const ATTRIBUTES_LENGTH: usize = 4;

/// Largest variable, in bytes: attributes, the longest address, and its NUL.
const VARIABLE_MAX: usize = ATTRIBUTES_LENGTH + 2 * (URL_MAX + 1);

/// Reads the address that the machine was booted from; `None` if it came from elsewhere.
///
/// # Errors
/// If the variable cannot be read, is cut off, or holds no address.
pub(crate) fn read_optional(path: &Path) -> anyhow::Result<Option<Url>> {
    let bytes = input::read_optional(path, VARIABLE_MAX)
        .context("Failed to read the EFI variable StubDeviceURL")?;
    bytes.map(|bytes| parse(&bytes)).transpose()
}

fn parse(variable: &[u8]) -> anyhow::Result<Url> {
    let Some((_, value)) = variable.split_at_checked(ATTRIBUTES_LENGTH) else {
        bail!(
            "The EFI variable StubDeviceURL has only {} bytes",
            variable.len()
        );
    };
    let units = value.chunks_exact(2).map(|pair| {
        let bytes = pair.iter().rev();
        bytes.fold(0_u16, |unit, byte| (unit << 8) | u16::from(*byte))
    });
    let text = char::decode_utf16(units.take_while(|unit| *unit != 0));
    let text: String = text
        .collect::<Result<_, _>>()
        .context("The EFI variable StubDeviceURL is no UTF-16 text")?;
    // The cause would repeat the text, and with it a password that may stand there.
    let url = Url::parse(&text).ok();
    url.context("The EFI variable StubDeviceURL holds no http or https address")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(text: &str, tail: &[u8]) -> Vec<u8> {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        let bytes = [6, 0, 0, 0].into_iter().chain(units);
        bytes.chain(tail.iter().copied()).collect()
    }

    #[test]
    fn the_address_ends_at_a_nul_or_with_the_variable() {
        for tail in [&[][..], &[0, 0], b"x", b"\0\0x\0"] {
            let url = parse(&variable("http://h/x.efi", tail)).unwrap();
            assert_eq!(url.as_str(), "http://h/x.efi", "{tail:?}");
        }
    }

    #[test]
    fn what_is_cut_off_or_no_address_is_refused() {
        for bytes in [
            vec![],
            vec![6, 0, 0],
            variable("", &[0, 0]),
            variable("http://h/", &[0, 0xd8, 0, 0]),
            variable("http://h/ü", &[0, 0]),
            variable("ftp://h/x", &[]),
        ] {
            assert!(parse(&bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_machine_booted_from_elsewhere_has_no_variable() {
        let found = read_optional(Path::new("/nonexistent")).unwrap();
        assert_eq!(found, None);
    }
}
