//! The kernel command line as words, and the words that are meant for us.
//!
//! Words stand between blanks; `'` and `"` take blanks into a word and are removed, a backslash is
//! an ordinary character. An open quote ends with the line.

use crate::environment::Phase;

/// Prefix of the keys that hold in the initrd, and there only.
const INITRD_PREFIX: &[u8] = b"rd.";

/// One word, cut at its first `=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    key: Vec<u8>,
    /// What stands after the `=`; `None` without one.
    pub(crate) value: Option<Vec<u8>>,
}

impl Setting {
    /// The words of a line of the kernel that hold in this phase.
    pub(crate) fn from_line(line: &[u8], phase: Phase) -> Vec<Self> {
        let words = words(line).into_iter();
        words.filter_map(|word| Self::new(&word, phase)).collect()
    }

    /// The arguments of a container's first process that hold in this phase.
    pub(crate) fn from_arguments(arguments: &[u8], phase: Phase) -> Vec<Self> {
        let words = arguments.split(|byte| *byte == 0);
        words.filter_map(|word| Self::new(word, phase)).collect()
    }

    fn new(word: &[u8], phase: Phase) -> Option<Self> {
        let word = match (phase, word.strip_prefix(INITRD_PREFIX)) {
            (Phase::Initrd, Some(rest)) => rest,
            (Phase::Host, None) => word,
            (Phase::Initrd, None) | (Phase::Host, Some(_)) => return None,
        };
        let mut parts = word.splitn(2, |byte| *byte == b'=');
        Some(Self {
            key: parts.next()?.to_owned(),
            value: parts.next().map(<[u8]>::to_owned),
        })
    }

    /// Whether the word has this key; `-` and `_` are the same.
    pub(crate) fn is(&self, key: &str) -> bool {
        let same = |byte: u8| if byte == b'-' { b'_' } else { byte };
        let ours = self.key.iter().copied().map(same);
        ours.eq(key.bytes().map(same))
    }
}

fn words(line: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    for byte in line.iter().copied() {
        match (byte, quote) {
            (_, Some(open)) if byte == open => quote = None,
            (_, Some(_)) => word.get_or_insert_default().push(byte),
            (b' ' | b'\t' | b'\n' | b'\r', None) => words.extend(word.take()),
            (b'\'' | b'"', None) => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (_, None) => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<String> {
        let words = words(line.as_bytes()).into_iter();
        words.map(|word| String::from_utf8(word).unwrap()).collect()
    }

    #[test]
    fn quotes_take_blanks_in_and_backslashes_mean_nothing() {
        for (line, expected) in [
            ("", &[][..]),
            (" \t\r\n", &[]),
            ("a  b\tc\n", &["a", "b", "c"]),
            ("a\u{b}b", &["a\u{b}b"]),
            ("k=\"a b\"c 'd e'", &["k=a bc", "d e"]),
            ("'a\"b' \"c'd\"", &["a\"b", "c'd"]),
            ("a\\ b\\", &["a\\", "b\\"]),
            ("\"a\\\" b", &["a\\", "b"]),
            ("a '' b", &["a", "", "b"]),
            ("\"open b", &["open b"]),
        ] {
            assert_eq!(split(line), expected, "{line}");
        }
    }

    #[test]
    fn keys_hold_in_the_initrd_with_their_prefix_and_on_the_host_without() {
        let line = b"a.b-c=1 rd.a.b_c=2=3 A.b_c=4 a.b_c rd.rd.a.b_c=5";
        let values = |phase| {
            let settings = Setting::from_line(line, phase).into_iter();
            let ours = settings.filter(|setting| setting.is("a.b_c"));
            ours.map(|setting| setting.value).collect::<Vec<_>>()
        };
        assert_eq!(values(Phase::Host), [Some(b"1".to_vec()), None]);
        assert_eq!(values(Phase::Initrd), [Some(b"2=3".to_vec())]);
    }

    #[test]
    fn arguments_of_a_container_are_words_already() {
        let settings = Setting::from_arguments(b"init\0k=a 'b'\0", Phase::Host);
        let values = settings.iter().filter(|setting| setting.is("k"));
        let values: Vec<_> = values.map(|setting| setting.value.clone()).collect();
        assert_eq!(values, [Some(b"a 'b'".to_vec())]);
    }
}
