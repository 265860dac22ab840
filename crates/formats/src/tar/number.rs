//! Numbers of header fields: octal digits, or base-256.

use super::Error;

/// A field that cannot be negative.
pub(super) fn unsigned(field: &[u8], what: &'static str) -> Result<u64, Error> {
    let value = signed(field, what)?;
    u64::try_from(value).map_err(|_negative| Error::BadNumber(what))
}

/// A field that may be negative in base-256 (GNU), as times before 1970 are.
pub(super) fn signed(field: &[u8], what: &'static str) -> Result<i128, Error> {
    let bad = Error::BadNumber(what);
    match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => base256(*first, rest).ok_or(bad),
        _ => octal(field).ok_or(bad),
    }
}

/// Octal digits between blanks; an empty field is zero.
fn octal(field: &[u8]) -> Option<i128> {
    let end = field.iter().position(|byte| *byte == 0);
    let text = field.get(..end.unwrap_or(field.len()))?.trim_ascii();
    let mut value = 0i128;
    for digit in text {
        let digit = char::from(*digit).to_digit(8)?;
        value = value.checked_mul(8)?.checked_add(i128::from(digit))?;
    }
    Some(value)
}

/// Two's complement, the highest bit only says that it is base-256.
fn base256(first: u8, rest: &[u8]) -> Option<i128> {
    let negative = first & 0x40 != 0;
    let mut value = i128::from(first & 0x3f);
    if negative {
        value = value.checked_sub(0x40)?;
    }
    for byte in rest {
        value = value.checked_mul(256)?.checked_add(i128::from(*byte))?;
    }
    i64::try_from(value).ok().map(i128::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_dialect_are_read() {
        for (field, value) in [
            (&b"0000644\0"[..], 0o644),
            (b"   644 \0", 0o644),
            (b"", 0),
            (b"\0junk", 0),
            (b"777777777777", 0o777_777_777_777),
            (b"\x80\0\0\0\0\0\0\x01\0\0\0\0", 1 << 32),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", -2),
        ] {
            assert_eq!(signed(field, "x").unwrap(), value, "{field:?}");
        }
        for field in [
            &b"12x"[..],
            b"9",
            b"-1",
            b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(signed(field, "x").is_err(), "{field:?}");
        }
        assert!(unsigned(b"\xff\xff\xff\xff", "x").is_err());
    }
}
