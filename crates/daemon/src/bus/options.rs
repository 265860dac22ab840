//! The options of our own methods, `a{sv}`: each by its name, none twice, none that is not known.

use crate::echo::echo;
use crate::refusal::Refusal;
use importd_api::flags::Flags;
use importd_api::format::Format;
use importd_api::job::{Packing, Shape};
use std::collections::BTreeMap;
use zbus::{OwnedVariant, Variant};

/// Options as they come.
pub type Options = BTreeMap<String, OwnedVariant>;

/// What the options of a method say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// `force`, `readOnly`.
    pub flags: Flags,
    /// `architecture`, `flat`, `reset`.
    pub shape: Shape,
    /// `architecture`, `format`, `tag`.
    pub packing: Packing,
}

impl Given {
    /// Reads the options of a method that knows these.
    ///
    /// # Errors
    /// [`Refusal::Option`] for the first one that is not known or has another type;
    /// [`Refusal::Architecture`], [`Refusal::Format`], [`Refusal::Tag`].
    pub fn read(options: &Options, known: &[&str]) -> Result<Self, Refusal> {
        let mut given = Self::default();
        for (name, value) in options {
            if !known.contains(&name.as_str()) {
                return Err(Refusal::Option(echo(name).to_owned()));
            }
            match (name.as_str(), &**value) {
                ("force", Variant::Bool(set)) => given.flags.force = *set,
                ("readOnly", Variant::Bool(set)) => given.flags.read_only = *set,
                ("flat", Variant::Bool(set)) => given.shape.flat = *set,
                ("reset", Variant::Bool(set)) => given.shape.reset = *set,
                ("architecture", Variant::Str(text)) => {
                    given.shape.architecture = Some(text.as_str().parse()?);
                    given.packing.architecture = given.shape.architecture.clone();
                }
                ("format", Variant::Str(text)) => {
                    given.packing.format = Some(Format::parse(echo(text.as_str()))?);
                }
                ("tag", Variant::Str(text)) => {
                    given.packing.tag = Some(text.as_str().parse()?);
                }
                (name, _) => return Err(Refusal::Option(echo(name).to_owned())),
            }
        }
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, Variant<'static>)]) -> Result<Given, String> {
        let owned = options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.try_to_owned().unwrap()));
        let known = [
            "force",
            "readOnly",
            "flat",
            "reset",
            "architecture",
            "format",
            "tag",
        ];
        Given::read(&owned.collect(), &known).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn options_are_read_by_name_and_type() {
        let all = read(&[
            ("force", true.into()),
            ("readOnly", true.into()),
            ("flat", true.into()),
            ("reset", true.into()),
            ("architecture", "arm/v7".into()),
            ("format", "zstd".into()),
            ("tag", "a:1".into()),
        ])
        .unwrap();
        assert!(all.flags.force && all.flags.read_only && all.shape.flat && all.shape.reset);
        assert_eq!(all.shape.architecture, all.packing.architecture);
        assert_eq!(all.shape.architecture.unwrap().as_str(), "arm/v7");
        assert_eq!(all.packing.format, Some(Format::Zstd));
        assert_eq!(all.packing.tag.unwrap().as_str(), "a:1");
        assert_eq!(read(&[]), Ok(Given::default()));
        let unknown = "Option 'x' is not known, or has the wrong type".to_owned();
        assert_eq!(read(&[("x", true.into())]), Err(unknown));
        let wrong = "Option 'force' is not known, or has the wrong type".to_owned();
        assert_eq!(read(&[("force", "yes".into())]), Err(wrong));
        for name in ["architecture", "format", "tag"] {
            assert!(read(&[(name, "--help".into())]).is_err(), "{name}");
        }
        let none = Given::read(&Options::new(), &[]).unwrap();
        assert_eq!(none, Given::default());
    }
}
