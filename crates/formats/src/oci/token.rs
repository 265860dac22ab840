//! What who gives out tokens answers.

use super::Error;
use super::object::Object;
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

/// Largest answer, in bytes: tokens have some KiB.
pub const TOKEN_MAX: u64 = 256 << 10;
/// Longest time that a token is said to be good, in seconds: a day.
const LIFE_MAX: u64 = 24 * 60 * 60;
/// Longest token, in bytes: servers take headers of 8 to 16 KiB.
const LENGTH_MAX: usize = 64 << 10;

/// A token. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The token itself: visible characters only.
    pub text: String,
    /// How long it is good, if that is said.
    pub life: Option<Duration>,
}

#[derive(Deserialize)]
struct Written {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<serde_json::Number>,
}

impl Token {
    /// Reads an answer, of at most [`TOKEN_MAX`] bytes.
    ///
    /// # Errors
    /// [`Error::Json`]; [`Error::Invalid`] without a token that can be sent.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let Object(written): Object<Written> = serde_json::from_slice(bytes)?;
        let text = written.token.filter(|text| !text.is_empty());
        let text = text.or(written.access_token);
        let is_token = |text: &String| {
            let is_visible = |byte: u8| (0x21..0x7f).contains(&byte);
            !text.is_empty() && text.len() <= LENGTH_MAX && text.bytes().all(is_visible)
        };
        let text = text.filter(is_token);
        let text = text.ok_or_else(|| Error::Invalid("there is no token in it".into()))?;
        let seconds = written.expires_in.and_then(|number| number.as_u64());
        let seconds = seconds.filter(|seconds| *seconds > 0);
        Ok(Self {
            text,
            life: seconds.map(|seconds| Duration::from_secs(seconds.min(LIFE_MAX))),
        })
    }
}

impl fmt::Debug for Token {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_two_names_and_a_life() {
        for (answer, text, life) in [
            (r#"{"token":"a.b"}"#, "a.b", None),
            (r#"{"access_token":"a","expires_in":300}"#, "a", Some(300)),
            (r#"{"token":"a","access_token":"b"}"#, "a", None),
            (r#"{"token":"","access_token":"b"}"#, "b", None),
            (r#"{"token":"a","expires_in":-1}"#, "a", None),
            (r#"{"token":"a","expires_in":0}"#, "a", None),
            (r#"{"token":"a","expires_in":null}"#, "a", None),
            (r#"{"token":"a","expires_in":9e99}"#, "a", None),
            (
                r#"{"token":"a","expires_in":999999999}"#,
                "a",
                Some(LIFE_MAX),
            ),
        ] {
            let token = Token::parse(answer.as_bytes()).unwrap();
            assert_eq!(token.text, text);
            assert_eq!(token.life.map(|life| life.as_secs()), life, "{answer}");
        }
        let secret = Token::parse(br#"{"token":"secret"}"#).unwrap();
        assert!(!format!("{secret:?}").contains("secret"));
    }

    #[test]
    fn what_cannot_be_sent_is_no_token() {
        for bad in [
            "",
            "{}",
            "[\"a\"]",
            r#"{"token":1}"#,
            r#"{"token":"a b"}"#,
            r#"{"token":"a\nb"}"#,
            r#"{"token":"ä"}"#,
            r#"{"token":"a","token":"b"}"#,
        ] {
            Token::parse(bad.as_bytes()).unwrap_err();
        }
    }
}
