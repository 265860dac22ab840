//! The options of our own methods, `a{sv}`: each by its name, none twice, none that is not known.

use crate::echo::echo;
use crate::refusal::Refusal;
use importd_api::flags::Flags;
use importd_api::job::Shape;
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
}

impl Given {
    /// Reads the options.
    ///
    /// # Errors
    /// [`Refusal::Option`] for the first one that is not known or has another type;
    /// [`Refusal::Architecture`].
    pub fn read(options: &Options) -> Result<Self, Refusal> {
        let mut given = Self::default();
        for (name, value) in options {
            match (name.as_str(), &**value) {
                ("force", Variant::Bool(set)) => given.flags.force = *set,
                ("readOnly", Variant::Bool(set)) => given.flags.read_only = *set,
                ("flat", Variant::Bool(set)) => given.shape.flat = *set,
                ("reset", Variant::Bool(set)) => given.shape.reset = *set,
                ("architecture", Variant::Str(text)) => {
                    given.shape.architecture = Some(text.as_str().parse()?);
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
        Given::read(&owned.collect()).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn options_are_read_by_name_and_type() {
        let all = read(&[
            ("force", true.into()),
            ("readOnly", true.into()),
            ("flat", true.into()),
            ("reset", true.into()),
            ("architecture", "arm/v7".into()),
        ])
        .unwrap();
        assert!(all.flags.force && all.flags.read_only && all.shape.flat && all.shape.reset);
        assert_eq!(all.shape.architecture.unwrap().as_str(), "arm/v7");
        assert_eq!(read(&[]), Ok(Given::default()));
        let unknown = "Option 'x' is not known, or has the wrong type".to_owned();
        assert_eq!(read(&[("x", true.into())]), Err(unknown));
        let wrong = "Option 'force' is not known, or has the wrong type".to_owned();
        assert_eq!(read(&[("force", "yes".into())]), Err(wrong));
        assert!(read(&[("architecture", "--help".into())]).is_err());
    }
}
