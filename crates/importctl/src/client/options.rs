//! The options of our own methods, `a{sv}`: those that are not as usual.

use importd_api::flags::Flags;
use importd_api::format::Format;
use importd_api::job::{Packing, Shape};
use importd_api::oci::Tag;
use std::collections::BTreeMap;
use zbus::Variant;

/// What can be said of an image of OCI.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Options<'a> {
    /// What one becomes, and which of several it is.
    Shape(Flags, &'a Shape, Option<&'a Tag>),
    /// How one is made.
    Packing(&'a Packing),
}

impl<'a> Options<'a> {
    /// The options by name.
    pub(super) fn dictionary(self) -> BTreeMap<&'static str, Variant<'a>> {
        let (switches, texts) = match self {
            Options::Shape(flags, shape, tag) => (
                [
                    ("force", flags.force),
                    ("readOnly", flags.read_only),
                    ("flat", shape.flat),
                    ("reset", shape.reset),
                ],
                [
                    (
                        "architecture",
                        shape.architecture.as_ref().map(|it| it.as_str()),
                    ),
                    ("tag", tag.map(Tag::as_str)),
                    ("format", None),
                ],
            ),
            Options::Packing(packing) => (
                [("", false); 4],
                [
                    (
                        "architecture",
                        packing.architecture.as_ref().map(|it| it.as_str()),
                    ),
                    ("tag", packing.tag.as_ref().map(Tag::as_str)),
                    ("format", packing.format.map(Format::as_str)),
                ],
            ),
        };
        let switches = switches.into_iter().filter(|(_, is_set)| *is_set);
        let switches = switches.map(|(name, is_set)| (name, Variant::from(is_set)));
        let texts = texts.into_iter();
        let texts = texts.filter_map(|(name, text)| Some((name, Variant::from(text?))));
        switches.chain(texts).collect()
    }
}
