//! Parameters of a call, checked one by one.
//!
//! A parameter that may be missing may also be null; a number may stand in a text, for languages
//! whose numbers are all floating point. What is left over at the end is not known, and refused.

use crate::varlink::fault::Fault;
use importd_varlink::json::Object;
use serde_json::Value;

/// What of the parameters has not been looked at yet.
#[derive(Debug)]
pub struct Parameters(Object);

impl From<Object> for Parameters {
    fn from(object: Object) -> Self {
        Self(object)
    }
}

impl Parameters {
    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// A text that may be missing.
    ///
    /// # Errors
    /// [`Fault`] if it is no text.
    pub fn text_optional(&mut self, name: &'static str) -> Result<Option<String>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Fault::parameter(name)),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// [`Fault`] if it is missing or no text.
    pub fn text(&mut self, name: &'static str) -> Result<String, Fault> {
        self.text_optional(name)?
            .ok_or_else(|| Fault::parameter(name))
    }

    /// Whether something is wanted; not, if it is missing.
    ///
    /// # Errors
    /// [`Fault`] if it is neither true nor false.
    pub fn flag(&mut self, name: &'static str) -> Result<bool, Fault> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(is_set)) => Ok(is_set),
            Some(_) => Err(Fault::parameter(name)),
        }
    }

    /// A number that may be null, but not missing.
    ///
    /// # Errors
    /// [`Fault`] if it is missing, no whole number, or negative.
    pub fn number_or_null(&mut self, name: &'static str) -> Result<Option<u64>, Fault> {
        match self.0.remove(name) {
            Some(Value::Null) => Ok(None),
            Some(value) => whole(&value)
                .map(Some)
                .ok_or_else(|| Fault::parameter(name)),
            None => Err(Fault::parameter(name)),
        }
    }

    /// A number.
    ///
    /// # Errors
    /// [`Fault`] if it is missing, no whole number, or negative.
    pub fn number(&mut self, name: &'static str) -> Result<u64, Fault> {
        self.number_or_null(name)?
            .ok_or_else(|| Fault::parameter(name))
    }

    /// Says that there is nothing else.
    ///
    /// # Errors
    /// [`Fault`] if there is.
    pub fn finish(self) -> Result<(), Fault> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(Fault::parameter(name)),
        }
    }
}

/// A whole number, also as a text of digits or as `7.0`.
fn whole(value: &Value) -> Option<u64> {
    /// Up to here each whole number has a double of its own.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::String(digits) => digits.parse().ok(),
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64()?;
            let fits = float.fract() == 0.0 && (0.0..=EXACT_MAX).contains(&float);
            // The text of a whole double is its digits.
            fits.then(|| format!("{float:.0}").parse().ok()).flatten()
        }),
        _ => None,
    }
}

/// The parameters of a call in a test.
#[cfg(test)]
pub(super) fn parameters(value: Value) -> Parameters {
    match value {
        Value::Object(object) => object.into(),
        _ => panic!("no object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_may_be_missing_may_be_null() {
        let mut given = parameters(json!({"a": null, "b": null}));
        assert_eq!(given.text_optional("a"), Ok(None));
        assert_eq!(given.flag("b"), Ok(false));
        assert_eq!(given.text("c"), Err(Fault::parameter("c")));
        assert_eq!(given.finish(), Ok(()));
    }

    #[test]
    fn numbers_may_be_texts_of_digits() {
        for (value, expected) in [
            (json!(7), Some(7)),
            (json!("7"), Some(7)),
            (json!(7.0), Some(7)),
            (json!(u64::MAX), Some(u64::MAX)),
            (json!(-1), None),
            (json!(0.5), None),
            (json!("x"), None),
            (json!(true), None),
            (json!(1e300), None),
        ] {
            let mut given = parameters(json!({"n": value}));
            assert_eq!(given.number("n").ok(), expected, "{value}");
        }
        let mut given = parameters(json!({"n": null}));
        assert_eq!(given.number_or_null("n"), Ok(None));
        assert!(given.number_or_null("n").is_err());
    }

    #[test]
    fn wrong_kinds_and_what_is_not_known_are_refused_by_name() {
        let mut given = parameters(json!({"a": 1, "b": "yes", "z": 1}));
        assert_eq!(given.text("a"), Err(Fault::parameter("a")));
        assert_eq!(given.flag("b"), Err(Fault::parameter("b")));
        assert_eq!(given.finish(), Err(Fault::parameter("z")));
    }
}
