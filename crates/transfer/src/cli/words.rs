//! Positional arguments.

use crate::context::Target;
use crate::destination::Destination;
use crate::error::{Error, Result};
use importd_api::failure::Kind;
use importd_api::name::{ImageName, NAME_MAX};
use std::ffi::OsStr;
use std::path::{Component, Path};

/// Longest path with its final zero, in bytes (limits.h).
const PATH_MAX: usize = 4096;

/// The name of an import that has neither a name nor a path to derive one from.
const UNNAMED: &str = "imported";

/// An argument that may be absent, empty or `-`, all of which mean "none".
pub(super) fn optional(argument: Option<&OsStr>) -> Option<&OsStr> {
    argument.filter(|text| !text.is_empty() && *text != "-")
}

/// A name given on the command line.
pub(super) fn given_name(text: &OsStr) -> Result<ImageName> {
    let shown = text.to_string_lossy().into_owned();
    let invalid = format!("Local image name '{}' is not valid", shown.escape_debug());
    match text.to_str() {
        None => Err(Error::new(
            Kind::InvalidArgument,
            format!("{invalid}: it is not UTF-8"),
        )),
        Some(text) => ImageName::parse(text)
            .map_err(|error| Error::caused(Kind::InvalidArgument, invalid, error)),
    }
}

/// The name of an imported image: as given, else derived from the source's path. An empty name and
/// `-` are given, and ask for [`UNNAMED`].
pub(super) fn image_name(
    given: Option<&OsStr>,
    source: Option<&Path>,
    derive: impl FnOnce(&str) -> &str,
) -> Result<ImageName> {
    match (given, source) {
        (None, Some(path)) => given_name(OsStr::new(derive(file_name(path)?))),
        (given, _) => given_name(optional(given).unwrap_or(OsStr::new(UNNAMED))),
    }
}

/// Where an import goes: to the image root under a name, or with `--direct` to the path that stands
/// in the name's place; relative ones begin in the image root.
pub(super) fn destination(
    given: Option<&OsStr>,
    source: Option<&Path>,
    target: &Target,
    derive: impl FnOnce(&str) -> &str,
) -> Result<Destination> {
    if !target.direct {
        return image_name(given, source, derive).map(Destination::Image);
    }
    let given = match (given, source) {
        (None, Some(path)) => Some(OsStr::new(derive(file_name(path)?))),
        (given, _) => optional(given),
    };
    let given = given.ok_or_else(|| {
        let text = "No local path specified; --direct needs one as second argument";
        Error::new(Kind::InvalidArgument, text)
    })?;
    let path = Path::new(given);
    let is_valid = given.len() < PATH_MAX
        && path.components().all(|component| match component {
            Component::Normal(name) => name.len() <= NAME_MAX,
            _ => true,
        });
    if !is_valid {
        let text = format!(
            "Local path name '{}' is not valid",
            given.to_string_lossy().escape_debug()
        );
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    Ok(Destination::Path(target.places.root.join(path)))
}

fn file_name(path: &Path) -> Result<&str> {
    path.file_name().and_then(OsStr::to_str).ok_or_else(|| {
        let text = format!(
            "Failed to derive an image name from '{}'; give one as second argument",
            path.display()
        );
        Error::new(Kind::InvalidArgument, text)
    })
}
