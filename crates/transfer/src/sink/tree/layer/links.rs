//! Hard links whose target had not come when they did.

use super::needs::{Joined, split};
use crate::error::{Doing, Error, Result};
use crate::sink::tree::inode;
use crate::sink::tree::places::{Missing, Places, shown};
use importd_api::failure::Kind;
use importd_host::dir::Dir;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Makes the links whose target has come by now; the others are left, each with the last target that
/// is no such link itself.
pub(super) fn make_known(
    mut links: BTreeMap<Joined, Joined>,
    places: &mut Places,
) -> Result<BTreeMap<Joined, Joined>> {
    shorten(&mut links)?;
    let mut left = BTreeMap::new();
    for (path, target) in links {
        let failed = || {
            let (path, target) = (shown(&split(&path)), shown(&split(&target)));
            format!("Failed to create hard link '{path}' to '{target}'")
        };
        let Some((folder, name)) = find(&target, places).doing(failed)? else {
            left.insert(path, target);
            continue;
        };
        let components = split(&path);
        if let Some((own_name, parents)) = components.split_last() {
            let parent = places.folder(parents, Missing::Create)?;
            let old = (folder.as_ref(), OsStr::from_bytes(&name));
            inode::hard_link(old, (&parent, OsStr::from_bytes(own_name))).doing(failed)?;
        }
    }
    Ok(left)
}

/// Makes every link name what is at the end of its chain of links.
fn shorten(links: &mut BTreeMap<Joined, Joined>) -> Result<()> {
    let starts: Vec<Joined> = links.keys().cloned().collect();
    for start in starts {
        let mut chain = vec![start];
        while let Some(next) = chain.last().and_then(|last| links.get(last)).cloned() {
            if chain.len() > links.len() {
                let path = shown(&split(&chain[0]));
                let text = format!("Refusing hard link '{path}': it leads back to itself");
                return Err(Error::new(Kind::Archive, text));
            }
            chain.push(next);
        }
        let Some(end) = chain.pop() else { continue };
        for link in chain {
            links.insert(link, end.clone());
        }
    }
    Ok(())
}

/// Where the tree has a path, if it has anything there that can be linked to.
fn find(path: &[u8], places: &mut Places) -> io::Result<Option<(Arc<Dir>, Vec<u8>)>> {
    let components = split(path);
    let Some((name, parents)) = components.split_last() else {
        return Ok(None);
    };
    // A parent that is missing, or no folder, may be one below.
    let Ok(folder) = places.folder(parents, Missing::Fail) else {
        return Ok(None);
    };
    match folder.stat(OsStr::from_bytes(name)) {
        Ok(_) => Ok(Some((folder, name.clone()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(pairs: &[(&str, &str)]) -> BTreeMap<Joined, Joined> {
        let joined = |text: &str| text.as_bytes().into();
        pairs
            .iter()
            .map(|(path, target)| (joined(path), joined(target)))
            .collect()
    }

    #[test]
    fn chains_are_followed_to_their_end_and_circles_are_refused() {
        let mut chain = links(&[("a", "b"), ("b", "c"), ("d", "a"), ("x", "y")]);
        shorten(&mut chain).unwrap();
        assert_eq!(
            chain,
            links(&[("a", "c"), ("b", "c"), ("d", "c"), ("x", "y")])
        );
        for circle in [&[("a", "a")][..], &[("a", "b"), ("b", "a")]] {
            let error = shorten(&mut links(circle)).unwrap_err();
            assert_eq!(error.kind, Kind::Archive);
        }
    }

    #[test]
    fn a_long_chain_backwards_does_not_take_for_ever() {
        let name = |i: u32| format!("{i:06}");
        let mut chain: BTreeMap<Joined, Joined> = (0..50_000)
            .map(|i| (name(i).into_bytes().into(), name(i + 1).into_bytes().into()))
            .collect();
        shorten(&mut chain).unwrap();
        assert!(chain.values().all(|end| **end == *name(50_000).as_bytes()));
    }
}
