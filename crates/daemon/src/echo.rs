//! What answers repeat of a caller's text.

use importd_api::name::NAME_MAX;

/// Most of a caller's text that an answer repeats, in characters: four times what the name of an
/// image may have. A message holds up to 128 MiB; a caller must not make us send that back, or
/// write it to the log.
pub const ECHO_MAX: usize = 4 * NAME_MAX;

/// The part of a caller's text that an answer may repeat: all of it, if it is no longer than
/// anything that makes sense.
#[must_use]
pub fn echo(text: &str) -> &str {
    let end = text.char_indices().nth(ECHO_MAX).map(|(end, _)| end);
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "ü".repeat(ECHO_MAX + 1);
        assert_eq!(echo(&long).chars().count(), ECHO_MAX);
        let whole = "ü".repeat(ECHO_MAX);
        assert_eq!(echo(&whole), whole);
        assert_eq!(echo(""), "");
    }
}
