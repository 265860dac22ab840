//! Paths of archives: what may be unpacked.

/// Longest component, in bytes: the limit of a directory entry.
pub const COMPONENT_MAX: usize = 255;

/// Why a path must not be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A `..` in it, which would lead out.
    #[error("The path contains '..'")]
    Parent,
    /// A NUL byte in it.
    #[error("The path contains a NUL byte")]
    Nul,
    /// A component longer than [`COMPONENT_MAX`].
    #[error("A component of the path is longer than 255 bytes")]
    ComponentTooLong,
    /// More components than so many.
    #[error("The path has more than {0} components")]
    TooDeep(usize),
    /// Nothing in it.
    #[error("The path is empty")]
    Empty,
}

/// The components of a path, at most `depth_max`: leading slashes, empty ones and `.` vanish. None
/// for the top.
///
/// # Errors
/// [`PathError`] by the first rule that is broken.
pub fn components(path: &[u8], depth_max: usize) -> Result<Vec<Vec<u8>>, PathError> {
    if path.is_empty() {
        return Err(PathError::Empty);
    }
    if path.contains(&0) {
        return Err(PathError::Nul);
    }
    let mut found = Vec::new();
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return Err(PathError::Parent),
            long if long.len() > COMPONENT_MAX => return Err(PathError::ComponentTooLong),
            _ if found.len() >= depth_max => return Err(PathError::TooDeep(depth_max)),
            name => found.push(name.to_vec()),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_or_are_refused() {
        let parts = |path: &str| {
            components(path.as_bytes(), 127).map(|all| {
                all.iter()
                    .map(|part| String::from_utf8_lossy(part).into_owned())
                    .collect::<Vec<_>>()
                    .join("|")
            })
        };
        assert_eq!(parts("./a//b/./c/"), Ok("a|b|c".into()));
        assert_eq!(parts("/etc/passwd"), Ok("etc|passwd".into()));
        assert_eq!(parts("./"), Ok(String::new()));
        assert_eq!(parts("..a/b.."), Ok("..a|b..".into()));
        for bad in ["..", "a/../b", "/..", "a/.."] {
            assert_eq!(parts(bad), Err(PathError::Parent), "{bad}");
        }
        assert_eq!(parts(""), Err(PathError::Empty));
        assert_eq!(parts("a\0b"), Err(PathError::Nul));
        assert_eq!(parts(&"x".repeat(256)), Err(PathError::ComponentTooLong));
        assert_eq!(parts(&"d/".repeat(128)), Err(PathError::TooDeep(127)));
        assert!(parts(&"d/".repeat(127)).is_ok());
    }
}
