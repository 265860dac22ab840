//! Names of images as importctl derives and checks them.

use crate::report::Failure;
use importd_api::job::Local;
use importd_api::name::{Form, ImageName};
use importd_api::oci::Reference;
use importd_api::url::{InvalidUrl, Url};
use std::ffi::OsStr;

/// What an import reads, as far as names are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file, whose suffixes are not part of the name.
    File(Form),
    /// A folder.
    Folder,
}

/// Whether an argument stands for "none": it is empty or `-`.
pub(crate) fn is_none(argument: &OsStr) -> bool {
    argument.is_empty() || argument == "-"
}

fn unsuitable(name: &OsStr) -> anyhow::Error {
    let name = name.to_string_lossy();
    Failure::usage(format!("Local name {name} is not a suitable image name."))
}

/// Cuts the suffixes of a form and checks what is left.
fn checked(name: &OsStr, form: Option<Form>) -> anyhow::Result<ImageName> {
    let text = name.to_str().ok_or_else(|| unsuitable(name))?;
    let rest = form.map_or(text, |form| form.strip_suffixes(text));
    ImageName::parse(rest).map_err(|_why| unsuitable(OsStr::new(rest)))
}

/// The address of a pull.
///
/// # Errors
/// A usage failure unless it may be pulled from.
pub(crate) fn url(argument: &OsStr) -> anyhow::Result<Url> {
    Url::parse(&argument.to_string_lossy()).map_err(|InvalidUrl { text, why }| {
        let text = text.escape_debug();
        Failure::usage(format!("URL '{text}' is not valid: {why}."))
    })
}

/// The name under which a download is installed: the one given, else the one in the address.
/// `-` means none: the pristine copy only. The reference sends an empty name for it, whereupon the
/// worker derives one after all; importctl(1) documents what we do.
///
/// # Errors
/// A usage failure if there is no name or it is unsuitable.
pub(crate) fn pulled(url: &Url, given: Option<&OsStr>, form: Form) -> anyhow::Result<Local> {
    match given {
        Some(name) if name == "-" => Ok(Local::Pristine),
        Some(name) if name.is_empty() => Ok(Local::Derived),
        Some(name) => Ok(Local::Named(checked(name, Some(form))?)),
        None => {
            let last = url.last_component().ok_or_else(|| {
                Failure::usage(
                    "Failed to get final component of URL: Cannot assign requested address",
                )
            })?;
            Ok(Local::Named(checked(OsStr::new(last), Some(form))?))
        }
    }
}

/// The name of an import: the one given, else the one of the file.
///
/// # Errors
/// A usage failure if neither is there or it is unsuitable.
pub(crate) fn imported(
    path: Option<&OsStr>,
    given: Option<&OsStr>,
    source: Source,
) -> anyhow::Result<ImageName> {
    let form = match source {
        Source::File(form) => Some(form),
        Source::Folder => None,
    };
    if let Some(name) = given {
        if is_none(name) {
            return Err(Failure::usage("Need either path or local name."));
        }
        return checked(name, form);
    }
    let path = path.ok_or_else(|| Failure::usage("Need either path or local name."))?;
    let (last, is_folder) = last_component(path)?;
    if is_folder && source != Source::Folder {
        let path = path.to_string_lossy();
        return Err(Failure::usage(format!(
            "Path '{path}' refers to directory, but we need a regular file."
        )));
    }
    checked(last, form)
}

/// The last component of a path, and whether the path can only be a folder's.
fn last_component(path: &OsStr) -> anyhow::Result<(&OsStr, bool)> {
    use std::os::unix::ffi::OsStrExt;
    let fail = |reason: &str| {
        Failure::usage(format!(
            "Cannot extract container name from filename: {reason}"
        ))
    };
    let mut rest = path.as_bytes();
    loop {
        rest = match rest {
            [start @ .., b'/'] => start,
            [start @ .., b'/', b'.'] => start,
            _ => break,
        };
    }
    let start = rest.iter().rposition(|byte| *byte == b'/');
    let last = rest
        .get(start.map_or(0, |slash| slash + 1)..)
        .unwrap_or_default();
    match last {
        b"" | b"." => Err(fail("Cannot assign requested address")),
        b".." => Err(fail("Invalid argument")),
        _ => Ok((OsStr::from_bytes(last), rest.len() < path.len())),
    }
}

/// The name of an image to export, taken as it is.
///
/// # Errors
/// A usage failure if it is no image name.
pub(crate) fn exported(name: &OsStr) -> anyhow::Result<ImageName> {
    let checked = name.to_str().and_then(|text| ImageName::parse(text).ok());
    checked.ok_or_else(|| {
        let name = name.to_string_lossy();
        Failure::usage(format!("Image name {name} is not valid."))
    })
}

/// Checks an OCI reference.
///
/// # Errors
/// A usage failure for everything else.
pub(crate) fn reference(argument: &OsStr) -> anyhow::Result<Reference> {
    let parsed = argument.to_str().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| {
        let text = argument.to_string_lossy();
        Failure::usage(format!("Ref '{text}' is not valid."))
    })
}

/// The name under which an OCI image is installed: no suffix is cut. An empty one leaves it to the
/// worker. The original sends an empty one for `-` too, which stands for a pristine copy elsewhere.
///
/// # Errors
/// A usage failure if it is unsuitable.
pub(crate) fn pulled_oci(
    reference: &Reference,
    given: Option<&OsStr>,
) -> anyhow::Result<Option<ImageName>> {
    match given {
        Some(name) if name == "-" => Err(Failure::usage(
            "An OCI image has no pristine copy: leave out the name, or give one.",
        )),
        Some(name) if name.is_empty() => Ok(None),
        Some(name) => checked(name, None).map(Some),
        None => checked(OsStr::new(reference.last()), None).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<T>(found: anyhow::Result<T>, show: impl Fn(&T) -> String) -> String {
        match found {
            Ok(value) => show(&value),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn names_of_pulls_come_from_the_address_or_the_command_line() {
        for (address, given, name) in [
            ("http://h/d/a.tar.xz?x", None, "a"),
            ("http://h/d/", None, "d"),
            ("http://h/a.tar", Some("frm.tar.gz"), "frm"),
            ("http://h/a.tar", Some("-"), "-"),
            ("http://h/a.tar", Some(""), ""),
            (
                "http://h",
                None,
                "Failed to get final component of URL: Cannot assign requested address",
            ),
            (
                "http://h/.tar",
                None,
                "Local name  is not a suitable image name.",
            ),
            (
                "http://h/a",
                Some("..a/b"),
                "Local name ..a/b is not a suitable image name.",
            ),
            (
                "http://h/a",
                Some("--x"),
                "Local name --x is not a suitable image name.",
            ),
        ] {
            let url = Url::parse(address).unwrap();
            let local = pulled(&url, given.map(OsStr::new), Form::Tar);
            assert_eq!(
                text(local, |local| local.as_str().to_owned()),
                name,
                "{address}"
            );
        }
        assert_eq!(
            text(url(OsStr::new("xx")), |_| String::new()),
            "URL 'xx' is not valid: it must begin with http://, https:// or file:/."
        );
    }

    #[test]
    fn names_of_imports_come_from_the_path_or_the_command_line() {
        let tar = Source::File(Form::Tar);
        let raw = Source::File(Form::Raw);
        let cannot = "Cannot extract container name from filename: ";
        for (source, path, given, name) in [
            (tar, Some("/d/a.tar.gz"), None, "a"),
            (raw, Some("a.raw.img.bin"), None, "a"),
            (raw, Some("x"), Some("n.raw"), "n"),
            (tar, None, Some("n"), "n"),
            (tar, None, None, "Need either path or local name."),
            (tar, Some("x"), Some("-"), "Need either path or local name."),
            (
                raw,
                Some("/tmp/"),
                None,
                "Path '/tmp/' refers to directory, but we need a regular file.",
            ),
            (Source::Folder, Some("d/"), None, "d"),
            (Source::Folder, Some("/c/d//./"), None, "d"),
            (Source::Folder, Some("d.raw"), None, "d.raw"),
            (
                Source::Folder,
                Some("/"),
                None,
                &format!("{cannot}Cannot assign requested address"),
            ),
            (
                Source::Folder,
                Some("."),
                None,
                &format!("{cannot}Cannot assign requested address"),
            ),
            (
                Source::Folder,
                Some("/etc/.."),
                None,
                &format!("{cannot}Invalid argument"),
            ),
        ] {
            let found = imported(path.map(OsStr::new), given.map(OsStr::new), source);
            assert_eq!(text(found, ToString::to_string), name, "{path:?} {given:?}");
        }
    }

    #[test]
    fn names_of_exports_are_taken_as_they_are() {
        for (given, found) in [
            ("a.raw", "a.raw"),
            (".host", ".host"),
            ("..", "Image name .. is not valid."),
            ("", "Image name  is not valid."),
            ("-x", "Image name -x is not valid."),
        ] {
            assert_eq!(
                text(exported(OsStr::new(given)), ToString::to_string),
                found
            );
        }
    }

    #[test]
    fn references_are_checked_as_the_service_does() {
        for (given, last) in [
            ("foo", "foo"),
            ("a/b:c", "b"),
            ("localhost:5000/foo", "foo"),
            ("registry.example.com/a/b_c-d+e.f:V1.0", "b_c-d+e.f"),
        ] {
            let reference = reference(OsStr::new(given)).unwrap();
            assert_eq!(reference.last(), last);
            let name = pulled_oci(&reference, None).unwrap();
            assert_eq!(name.unwrap().as_str(), last);
            let name = pulled_oci(&reference, Some(OsStr::new("a.tar"))).unwrap();
            assert_eq!(name.unwrap().as_str(), "a.tar");
            assert_eq!(pulled_oci(&reference, Some(OsStr::new(""))).unwrap(), None);
            for bad in ["-", "-x", "a/b"] {
                assert!(
                    pulled_oci(&reference, Some(OsStr::new(bad))).is_err(),
                    "{bad}"
                );
            }
        }
        for bad in [
            "AA",
            "",
            "a@sha256:00",
            "a:b:c",
            "http://x/y",
            "a//b",
            "a/",
            "a:x/b",
            "a:",
        ] {
            let error = reference(OsStr::new(bad)).unwrap_err();
            assert_eq!(error.to_string(), format!("Ref '{bad}' is not valid."));
        }
    }
}
