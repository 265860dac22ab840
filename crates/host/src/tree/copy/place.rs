//! Where a folder is, below the top.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

/// A folder's name and its parent's place. Paths are only put together where one is shown: those of
/// a deep tree would need memory by the square of its depth.
#[derive(Debug, Default)]
pub(super) struct Place {
    name: OsString,
    parent: Option<Arc<Place>>,
}

impl Place {
    pub(super) fn below(parent: &Arc<Self>, name: &OsStr) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            parent: Some(Arc::clone(parent)),
        })
    }

    /// The names that lead here from the top, which has none.
    pub(super) fn names(&self) -> Vec<&OsStr> {
        let mut names = Vec::new();
        let mut place = self;
        while let Some(parent) = &place.parent {
            names.push(place.name.as_os_str());
            place = parent;
        }
        names.reverse();
        names
    }

    /// The path of something in this folder; of the folder itself for an empty name.
    pub(super) fn path_of(&self, name: &OsStr) -> PathBuf {
        let mut path: PathBuf = self.names().into_iter().collect();
        if !name.is_empty() {
            path.push(name);
        }
        if path.as_os_str().is_empty() {
            path.push(".");
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_below_the_top() {
        let top = Arc::new(Place::default());
        let folder = Place::below(&Place::below(&top, "a".as_ref()), "b".as_ref());
        assert_eq!(top.path_of("".as_ref()), PathBuf::from("."));
        assert_eq!(top.path_of("x".as_ref()), PathBuf::from("x"));
        assert_eq!(folder.path_of("".as_ref()), PathBuf::from("a/b"));
        assert_eq!(folder.path_of("x".as_ref()), PathBuf::from("a/b/x"));
        assert_eq!(folder.names(), ["a", "b"]);
    }
}
