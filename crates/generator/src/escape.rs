//! How values are written into names and texts of units: systemd.unit(5), systemd.syntax(7).

/// A path as part of a unit's name, as `systemd-escape --path` writes it.
pub(crate) fn path(path: &str) -> String {
    let trimmed = path.trim_matches('/');
    if trimmed.is_empty() {
        return "-".to_owned();
    }
    let mut escaped = String::with_capacity(trimmed.len());
    for (position, byte) in trimmed.bytes().enumerate() {
        match byte {
            b'/' => escaped.push('-'),
            b'.' if position == 0 => escaped.push_str("\\x2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.extend(hexadecimal(byte)),
        }
    }
    escaped
}

fn hexadecimal(byte: u8) -> [char; 4] {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    ['\\', 'x', digit(byte >> 4), digit(byte & 15)]
}

/// A text as a string of JSON.
pub(crate) fn json(text: &str) -> String {
    let mut string = String::with_capacity(text.len() + 2);
    string.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => string.extend(['\\', character]),
            '\0'..='\x1f' => {
                string += &format!("\\u{:04x}", u32::from(character));
            }
            _ => string.push(character),
        }
    }
    string.push('"');
    string
}

/// A text as one word of a command line in a unit: quoted, and nothing in it is expanded.
pub(crate) fn word(text: &str) -> String {
    let mut word = String::with_capacity(text.len() + 2);
    word.push('\'');
    for character in text.chars() {
        match character {
            '\'' | '\\' => word.extend(['\\', character]),
            '%' => word.push_str("%%"),
            _ => word.push(character),
        }
    }
    word.push('\'');
    word
}

/// An address in a unit's description: nothing in it is expanded, and no backslash at its end
/// makes the next line a part of it.
pub(crate) fn description(address: &str) -> String {
    address.replace('%', "%%").replace('\\', "%%5C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_names_as_systemd_escape_makes_them() {
        for (text, escaped) in [
            ("/", "-"),
            ("/var/lib/machines/x.raw", "var-lib-machines-x.raw"),
            ("/run/a-b@c d", "run-a\\x2db\\x40c\\x20d"),
            ("/.x/.y", "\\x2ex-.y"),
            ("/ü:_%\\'", "\\xc3\\xbc:_\\x25\\x5c\\x27"),
        ] {
            assert_eq!(path(text), escaped, "{text}");
        }
    }

    #[test]
    fn strings_and_words_cannot_be_left_from_inside() {
        assert_eq!(json("a\"b\\c/ü\n"), "\"a\\\"b\\\\c/ü\\u000a\"");
        assert_eq!(word("a'b\\c%d\"e"), "'a\\'b\\\\c%%d\"e'");
        assert_eq!(description("h/%C3\\"), "h/%%C3%%5C");
    }
}
