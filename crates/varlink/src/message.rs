//! Calls and replies, as they stand in a message.
//!
//! ```text
//! {"method":"a.b.C","parameters":{…},"more":true}       a call, and
//! {"parameters":{…},"continues":true}                   one of several replies
//! {"error":"a.b.E","parameters":{…}}                    or an error
//! ```

use crate::json::{self, CALL_VALUES_MAX, Object, VALUES_MAX};
use serde::Serialize;
use serde_json::Value;

/// A message that is none.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// It is no JSON, or breaks a limit.
    #[error("A message cannot be read: {0}")]
    Json(#[source] serde_json::Error),
    /// It is no object.
    #[error("A message is no object")]
    NoObject,
    /// A field has a value of another kind than it must have.
    #[error("A message has the wrong kind of value in {0:?}")]
    Field(&'static str),
    /// It has a field that is not known.
    #[error("A message has a field that is not known")]
    Unknown,
    /// It asks for several replies and for none.
    #[error("A message asks for several replies and for none")]
    MoreAndOneway,
}

/// How many replies a caller wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// One.
    #[default]
    One,
    /// As many as there are (`more`).
    More,
    /// None (`oneway`).
    Nothing,
}

/// A call of a method.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Interface and name of the method, with a dot between.
    pub method: String,
    /// The parameters; none at all if there is nothing in it.
    pub parameters: Object,
    /// How many replies are wanted.
    pub wanted: Wanted,
}

/// A call as it is written.
#[derive(Serialize)]
struct WrittenCall<'a> {
    method: &'a str,
    #[serde(skip_serializing_if = "Object::is_empty")]
    parameters: &'a Object,
    #[serde(skip_serializing_if = "is_unset")]
    more: bool,
    #[serde(skip_serializing_if = "is_unset")]
    oneway: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
const fn is_unset(flag: &bool) -> bool {
    !*flag
}

impl Call {
    /// A call without parameters that wants one reply.
    #[must_use]
    pub fn new(method: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            parameters: Object::new(),
            wanted: Wanted::One,
        }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.parameters.insert(name.to_owned(), value.into());
        self
    }

    /// Says how many replies are wanted.
    #[must_use]
    pub const fn wanting(mut self, wanted: Wanted) -> Self {
        self.wanted = wanted;
        self
    }

    /// Reads a message, as strictly as the reference: a field that is not known may change what the
    /// call means. `parameters` may be null, which is as if they were not there; whether the
    /// connection is to be used for something else afterwards (`upgrade`) is ignored.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(message: &[u8]) -> Result<Self, Malformed> {
        let mut fields = fields(message, CALL_VALUES_MAX)?;
        let more = strict_flag(&mut fields, "more")?;
        let oneway = strict_flag(&mut fields, "oneway")?;
        strict_flag(&mut fields, "upgrade")?;
        let wanted = match (more, oneway) {
            (true, true) => return Err(Malformed::MoreAndOneway),
            (true, false) => Wanted::More,
            (false, true) => Wanted::Nothing,
            (false, false) => Wanted::One,
        };
        let parameters = object(&mut fields, "parameters")?;
        let method = fields.remove("method");
        if !fields.is_empty() {
            return Err(Malformed::Unknown);
        }
        match method {
            Some(Value::String(method)) => Ok(Self {
                method,
                parameters,
                wanted,
            }),
            _ => Err(Malformed::Field("method")),
        }
    }

    /// Writes the message, its end included.
    ///
    /// # Errors
    /// When the JSON cannot be written.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        encode(&WrittenCall {
            method: &self.method,
            parameters: &self.parameters,
            more: self.wanted == Wanted::More,
            oneway: self.wanted == Wanted::Nothing,
        })
    }
}

/// A reply as a client reads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// Name of the error, if it is one.
    pub error: Option<String>,
    /// The parameters.
    pub parameters: Object,
    /// Whether more replies come.
    pub continues: bool,
}

impl Reply {
    /// Reads a message. Fields that are not known are ignored.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(message: &[u8]) -> Result<Self, Malformed> {
        let mut fields = fields(message, VALUES_MAX)?;
        let error = match fields.remove("error") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => return Err(Malformed::Field("error")),
        };
        Ok(Self {
            error,
            parameters: object(&mut fields, "parameters")?,
            continues: flag(&mut fields, "continues")?,
        })
    }
}

/// A reply as a service writes it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Answer<'a, P> {
    /// Name of the error, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    /// The parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<P>,
    /// Whether more replies come.
    #[serde(skip_serializing_if = "is_unset")]
    pub continues: bool,
}

impl<P: Serialize> Answer<'_, P> {
    /// Writes the message, its end included.
    ///
    /// # Errors
    /// When the JSON cannot be written.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        encode(self)
    }
}

/// JSON never has a byte 0: what is in a text is escaped.
fn encode(message: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec(message)?;
    bytes.push(0);
    Ok(bytes)
}

fn fields(message: &[u8], values_max: usize) -> Result<Object, Malformed> {
    match json::parse(message, values_max).map_err(Malformed::Json)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(Malformed::NoObject),
    }
}

/// The same of a call, where null is no flag.
fn strict_flag(fields: &mut Object, name: &'static str) -> Result<bool, Malformed> {
    match fields.get(name) {
        Some(Value::Null) => Err(Malformed::Field(name)),
        _ => flag(fields, name),
    }
}

fn flag(fields: &mut Object, name: &'static str) -> Result<bool, Malformed> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(set)) => Ok(set),
        Some(_) => Err(Malformed::Field(name)),
    }
}

fn object(fields: &mut Object, name: &'static str) -> Result<Object, Malformed> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(Object::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(Malformed::Field(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn calls_are_written_and_read_to_the_same() {
        for (call, text) in [
            (Call::new("a.B"), "{\"method\":\"a.B\"}\0"),
            (
                Call::new("a.B").with("c", 1).wanting(Wanted::More),
                "{\"method\":\"a.B\",\"parameters\":{\"c\":1},\"more\":true}\0",
            ),
            (
                Call::new("a.B").with("\0", "\0").wanting(Wanted::Nothing),
                "{\"method\":\"a.B\",\"parameters\":{\"\\u0000\":\"\\u0000\"},\"oneway\":true}\0",
            ),
        ] {
            let written = call.encode().unwrap();
            assert_eq!(String::from_utf8(written.clone()).unwrap(), text);
            let (_end, message) = written.split_last().unwrap();
            assert_eq!(Call::parse(message).unwrap(), call);
        }
    }

    #[test]
    fn null_parameters_and_upgrades_of_a_call_mean_nothing() {
        let text = br#"{"method":"a.B","parameters":null,"upgrade":true,"oneway":false}"#;
        assert_eq!(Call::parse(text).unwrap(), Call::new("a.B"));
    }

    #[test]
    fn calls_that_are_none_are_refused() {
        for (text, reason) in [
            ("[]", "A message is no object"),
            ("{}", "A message has the wrong kind of value in \"method\""),
            (
                r#"{"method":1}"#,
                "A message has the wrong kind of value in \"method\"",
            ),
            (
                r#"{"method":"a.B","parameters":[]}"#,
                "A message has the wrong kind of value in \"parameters\"",
            ),
            (
                r#"{"method":"a.B","more":1}"#,
                "A message has the wrong kind of value in \"more\"",
            ),
            (
                r#"{"method":"a.B","oneway":null}"#,
                "A message has the wrong kind of value in \"oneway\"",
            ),
            (
                r#"{"method":"a.B","x":1}"#,
                "A message has a field that is not known",
            ),
            (
                r#"{"method":"a.B","more":true,"oneway":true}"#,
                "A message asks for several replies and for none",
            ),
        ] {
            let refused = Call::parse(text.as_bytes()).unwrap_err();
            assert_eq!(refused.to_string(), reason);
        }
        assert!(matches!(Call::parse(b"x"), Err(Malformed::Json(_))));
    }

    #[test]
    fn replies_are_written_in_the_order_of_the_reference() {
        let done = Answer::<Value> {
            error: None,
            parameters: None,
            continues: false,
        };
        assert_eq!(done.encode().unwrap(), b"{}\0");
        let part = Answer {
            error: None,
            parameters: Some(json!({"id": 3})),
            continues: true,
        };
        let text = b"{\"parameters\":{\"id\":3},\"continues\":true}\0";
        assert_eq!(part.encode().unwrap(), text);
        let failed = Answer {
            error: Some("a.E"),
            parameters: Some(json!({})),
            continues: false,
        };
        let text = b"{\"error\":\"a.E\",\"parameters\":{}}\0";
        assert_eq!(failed.encode().unwrap(), text);
    }

    #[test]
    fn replies_are_read() {
        let text = br#"{"error":"a.E","parameters":{"b":1}}"#;
        let reply = Reply::parse(text).unwrap();
        assert_eq!(reply.error.as_deref(), Some("a.E"));
        assert_eq!(Value::from(reply.parameters), json!({"b": 1}));
        assert!(!reply.continues);
        assert!(Reply::parse(br#"{"continues":true}"#).unwrap().continues);
        assert_eq!(Reply::parse(b"{}").unwrap(), Reply::default());
        for text in [r#"{"error":1}"#, r#"{"continues":"yes"}"#, "3"] {
            assert!(Reply::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
