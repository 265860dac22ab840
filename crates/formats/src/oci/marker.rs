//! Names in the archive of a layer that speak of the layers below.
//!
//! Whatever has such a name, a file, a folder, a link, with contents or without, is not part of the tree.
//!
//! # Source
//! OCI image specification, "Image Layer Filesystem Changeset", "Whiteouts"; what aufs, where the form
//! comes from, writes beside them.

/// How the name of every marker begins.
const PREFIX: &[u8] = b".wh.";
/// What it begins with twice where the rest is no name of the tree.
const OWN_PREFIX: &[u8] = b".wh..wh.";
/// The marker of a folder that shows nothing of the layers below.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What a name says of the layers below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker<'a> {
    /// What the folder has there under this name is removed.
    Hides(&'a [u8]),
    /// The folder has nothing of what is there.
    Opaque,
    /// Nothing: it belongs to the file system that the layer was made on.
    Leftover,
}

/// A marker of something that no folder has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("It marks as removed what can have no name")]
pub struct Invalid;

impl<'a> Marker<'a> {
    /// Reads one component of a path; `None` for the name of something in the tree.
    ///
    /// # Errors
    /// [`Invalid`] where what is marked would be the folder itself, the one above, or nothing.
    pub fn parse(name: &'a [u8]) -> Result<Option<Self>, Invalid> {
        let Some(hidden) = name.strip_prefix(PREFIX) else {
            return Ok(None);
        };
        match hidden {
            _ if name == OPAQUE => Ok(Some(Self::Opaque)),
            _ if name.starts_with(OWN_PREFIX) => Ok(Some(Self::Leftover)),
            b"" | b"." | b".." => Err(Invalid),
            _ if hidden.contains(&b'/') || hidden.contains(&0) => Err(Invalid),
            hidden => Ok(Some(Self::Hides(hidden))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_told_from_names() {
        for (name, expected) in [
            (&b"a"[..], Ok(None)),
            (b".wh", Ok(None)),
            (b"a.wh.b", Ok(None)),
            (b".wh.a", Ok(Some(Marker::Hides(b"a")))),
            (b".wh.\xff", Ok(Some(Marker::Hides(b"\xff")))),
            (b".wh.wh.a", Ok(Some(Marker::Hides(b"wh.a")))),
            (b".wh..a", Ok(Some(Marker::Hides(b".a")))),
            (b".wh....", Ok(Some(Marker::Hides(b"...")))),
            (b".wh..wh..opq", Ok(Some(Marker::Opaque))),
            (b".wh..wh..opqx", Ok(Some(Marker::Leftover))),
            (b".wh..wh.plnk", Ok(Some(Marker::Leftover))),
            (b".wh..wh.", Ok(Some(Marker::Leftover))),
            (b".wh.", Err(Invalid)),
            (b".wh..", Err(Invalid)),
            (b".wh...", Err(Invalid)),
            (b".wh.a/b", Err(Invalid)),
            (b".wh.a\0", Err(Invalid)),
        ] {
            assert_eq!(Marker::parse(name), expected, "{}", name.escape_ascii());
        }
    }
}
