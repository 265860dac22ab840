//! JSON from strangers: read into values, with limits.
//!
//! A text of sixteen megabytes can stand for a hundred times as much memory when each of its bytes
//! is a value; and a name that stands twice in an object means different things to different
//! readers. Neither is taken.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// Most values (numbers, texts, lists, objects …) in a reply. Those of the services we know have
/// some dozens; a list with a field for each of a machine's images would fit many times.
pub const VALUES_MAX: usize = 1 << 16;

/// Most values in a call. Those of our methods have a dozen; who may call us can be anybody, and may
/// not keep us busy with reading.
pub const CALL_VALUES_MAX: usize = 1 << 10;

/// Objects with their fields.
pub type Object = Map<String, Value>;

/// Reads one value, and nothing behind it but blanks.
///
/// # Errors
/// For anything that is no JSON (RFC 8259), nested more than 127 deep, has a number beyond what a
/// double holds, a name twice in an object, or more than `values_max` values.
pub fn parse(text: &[u8], values_max: usize) -> Result<Value, serde_json::Error> {
    let left = Cell::new(values_max);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Seed { left: &left }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads one value; counts it.
#[derive(Clone, Copy)]
struct Seed<'a> {
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(Error::custom("too many values")),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        number
            .map(Value::Number)
            .ok_or_else(|| Error::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element_seed(self)? {
            list.push(value);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Object::new();
        while let Some(name) = fields.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(Error::custom("a name stands twice in an object"));
            }
            let value = fields.next_value_seed(self)?;
            object.insert(name, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
        super::parse(text, VALUES_MAX)
    }

    #[test]
    fn values_of_all_kinds_are_read() {
        let text = br#" {"a":[1,-2,0.5,true,null,"\u00fc\u0000"],"b":{"a":{}}} "#;
        let expected = json!({"a": [1, -2, 0.5, true, null, "ü\0"], "b": {"a": {}}});
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            &b""[..],
            b"{",
            b"{} {}",
            b"{a:1}",
            b"\"\xff\"",
            b"1e999",
            b"NaN",
            b"\0",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_name_may_stand_once_in_each_object() {
        assert!(parse(br#"[{"a":1},{"a":1}]"#).is_ok());
        assert!(parse(br#"{"a":1,"a":1}"#).is_err());
        assert!(parse(br#"{"b":[{"a":1,"\u0061":2}]}"#).is_err());
    }

    #[test]
    fn depth_and_number_of_values_have_limits() {
        let nested = |depth| [b"[".repeat(depth), b"]".repeat(depth)].concat();
        assert!(parse(&nested(127)).is_ok());
        assert!(parse(&nested(128)).is_err());
        let list = |count: usize| [b"[1".to_vec(), b",1".repeat(count - 1), b"]".to_vec()].concat();
        assert!(parse(&list(VALUES_MAX - 1)).is_ok());
        assert!(parse(&list(VALUES_MAX)).is_err());
    }
}
