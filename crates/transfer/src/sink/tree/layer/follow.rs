//! Paths of a layer through links of the same layer.
//!
//! Layers are unpacked by others into one tree, where a path through a link leads on: an archive may have
//! `lib` → `usr/lib`, then `lib/x`. A tree of its own has no such paths.

use super::super::places::{Components, Missing, Places, shown};
use crate::error::{Error, Result};
use crate::oci::merged;
use importd_api::failure::Kind;
use rustix::io::Errno;

/// The path with the links followed that the tree has on the way to the last component, never outside.
///
/// # Errors
/// [`Kind::Archive`] for a circle of links, a way through what is no folder, and for a place that is
/// deeper than `depth_max`.
pub(in super::super) fn follow(
    places: &mut Places,
    path: Components,
    depth_max: usize,
) -> Result<Components> {
    let Some((name, parents)) = path.split_last() else {
        return Ok(path);
    };
    match places.folder(parents, Missing::Fail) {
        Err(error) if is_in_the_way(&error) => {}
        // There, or made when something is put into it.
        _ => return Ok(path),
    }
    let mut found = merged::resolve(&[&*places.top()], parents)?;
    if found.len() >= depth_max {
        let text = format!("Refusing entry '{}': its links lead too deep", shown(&path));
        return Err(Error::new(Kind::Archive, text));
    }
    found.push(name.clone());
    Ok(found)
}

fn is_in_the_way(error: &Error) -> bool {
    let errno = error.errno();
    [Errno::NOTDIR, Errno::LOOP]
        .iter()
        .any(|one| one.raw_os_error() == errno)
}
