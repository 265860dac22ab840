//! Layers that no stack has any more, and what the reference left when it was killed.
//!
//! A layer is used while a link of a stack in the same image root names it, whole or still hidden, or
//! while somebody has it open to make a stack of it: a pull holds a lock on each of its layers until its
//! stack is there. Links of stacks elsewhere are not looked for: stacks that are made name layers beside
//! them.

use crate::install::Root;
use importd_host::staging;
use rustix::fs::FileType;
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime};

/// How the name of a layer folder goes on after [`super::layer::PREFIX`].
const ALGORITHMS: [(&[u8], usize); 2] = [(b"sha256:", 64), (b"sha512:", 128)];
/// How the reference's hidden layers and stacks begin.
const REFERENCE_PREFIX: &[u8] = b".#oci";
/// Random digits at their end.
const REFERENCE_DIGITS: usize = 16;
/// The reference holds no locks: what it has not touched for so long nobody is at.
const REFERENCE_AGE: Duration = Duration::from_secs(24 * 3600);
/// What the names of stacks end in, and those of hidden ones have in them.
const STACK: &[u8] = b".mstack";

/// The names of layers that nobody uses now.
///
/// # Errors
/// What reading the image root says.
pub fn layers(root: &Root) -> io::Result<Vec<OsString>> {
    let used = used(root)?;
    let mut names = root.folder.entries()?;
    names.retain(|name| {
        is_layer(name)
            && !used.contains(name)
            && staging::is_used(&root.folder, name).is_ok_and(|is_used| !is_used)
    });
    Ok(names)
}

/// The names of what a killed process of the reference left of an OCI image.
///
/// # Errors
/// As [`layers`].
pub fn leftovers(root: &Root) -> io::Result<Vec<OsString>> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap_or_default();
    let mut names = root.folder.entries()?;
    names.retain(|name| {
        is_of_reference(name)
            && root.folder.stat(name).is_ok_and(|stat| {
                let touched = u64::try_from(stat.st_ctime).unwrap_or(u64::MAX);
                Duration::from_secs(touched).saturating_add(REFERENCE_AGE) < now
            })
    });
    Ok(names)
}

/// Removes a layer, unless somebody has begun to use it. Whether it was removed.
///
/// # Errors
/// What the system says of the removal.
pub fn remove(root: &Root, name: &OsStr) -> io::Result<bool> {
    staging::discard_unused(&root.folder, name, || Ok(!used(root)?.contains(name)))
}

/// Whether a name is that of a layer folder.
#[must_use]
pub fn is_layer(name: &OsStr) -> bool {
    let rest = name
        .as_bytes()
        .strip_prefix(super::layer::PREFIX.as_bytes());
    rest.is_some_and(|rest| {
        ALGORITHMS.iter().any(|(algorithm, length)| {
            rest.strip_prefix(*algorithm)
                .is_some_and(|digits| digits.len() == *length && are_digits(digits))
        })
    })
}

fn is_of_reference(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.starts_with(REFERENCE_PREFIX)
        && name.len() >= REFERENCE_PREFIX.len() + REFERENCE_DIGITS
        && are_digits(&name[name.len() - REFERENCE_DIGITS..])
}

fn are_digits(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

/// What the links in stacks name, by the last component.
fn used(root: &Root) -> io::Result<HashSet<OsString>> {
    let mut used = HashSet::new();
    for name in root.folder.entries()? {
        let is_stack = name
            .as_bytes()
            .windows(STACK.len())
            .any(|part| part == STACK);
        if !is_stack {
            continue;
        }
        let stack = match root.folder.open_dir(&name) {
            Ok(stack) => stack,
            // No folder; or gone, and then its links are too.
            Err(error) if is_no_folder(&error) => continue,
            Err(error) => return Err(error),
        };
        for entry in stack.entries()? {
            let is_link = stack
                .stat(&entry)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
            if is_link && let Ok(target) = rustix::fs::readlinkat(&stack, &entry, Vec::new()) {
                let target = target.into_bytes();
                let last = target
                    .rsplit(|byte| *byte == b'/')
                    .find(|part| !part.is_empty());
                used.extend(last.map(|last| OsStr::from_bytes(last).to_owned()));
            }
        }
    }
    Ok(used)
}

fn is_no_folder(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use importd_host::dir::Dir;
    use std::os::unix::fs::symlink;

    fn layer(digit: &str) -> String {
        format!(".oci-sha256:{}", digit.repeat(64))
    }

    fn root() -> (tempfile::TempDir, Root) {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let root = Root {
            folder: Dir::open(place.path()).unwrap(),
            path: place.path().to_owned(),
        };
        (place, root)
    }

    #[test]
    fn only_layers_that_no_stack_and_nobody_has_are_unused() {
        let (place, root) = root();
        let make = |path: String| std::fs::create_dir_all(place.path().join(path)).unwrap();
        for digit in ["0", "1", "2", "3", "4"] {
            make(layer(digit));
        }
        make(".oci-other".into());
        make(format!(".oci-sha256:{}", "A".repeat(64)));
        std::fs::File::create(place.path().join(layer("5"))).unwrap();
        let hidden = format!(".#importd.y.mstack.{}", "0".repeat(16));
        for (stack, target) in [
            ("x.mstack", format!("../{}", layer("0"))),
            (&hidden, format!("../{}/", layer("1"))),
            (
                "z.mstack",
                format!("{}/{}", place.path().display(), layer("2")),
            ),
        ] {
            make(stack.to_owned());
            symlink(target, place.path().join(stack).join("layer@0")).unwrap();
        }
        symlink("elsewhere", place.path().join("link.mstack")).unwrap();
        let held = staging::open_used(&root.folder, layer("3").as_ref()).unwrap();
        assert!(held.is_some());
        assert_eq!(layers(&root).unwrap(), [layer("4").as_str()]);
        for (digit, is_removed) in [("0", false), ("3", false), ("4", true), ("4", false)] {
            assert_eq!(
                remove(&root, layer(digit).as_ref()).unwrap(),
                is_removed,
                "{digit}"
            );
        }
        drop(held);
        assert_eq!(layers(&root).unwrap(), [layer("3").as_str()]);
    }

    #[test]
    fn what_the_reference_left_is_known_by_its_name_and_its_age() {
        for (name, expected) in [
            (".#oci0123456789abcdef", true),
            (".#ociname.mstack0123456789abcdef", true),
            (".#oci0123456789abcde", false),
            (".#ociname", false),
            (".#importd.x.0123456789abcdef", false),
        ] {
            assert_eq!(is_of_reference(name.as_ref()), expected, "{name}");
        }
        let (place, root) = root();
        std::fs::create_dir_all(place.path().join(".#oci0123456789abcdef")).unwrap();
        assert!(leftovers(&root).unwrap().is_empty(), "it is fresh");
    }
}
