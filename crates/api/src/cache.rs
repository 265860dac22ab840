//! Where workers keep what they have of unfinished downloads.

use crate::class::Scope;
use std::path::{Path, PathBuf};

/// The folder of the system scope; the unit asks for it with `CacheDirectory=`.
pub const DIRECTORY: &str = "/var/cache/importd";

/// Environment variable that names another folder, as an absolute path; for tests and build
/// systems. Workers and the daemon read it once at their start.
pub const DIRECTORY_VARIABLE: &str = "IMPORTD_CACHE_DIRECTORY";

/// The folder's name in a user's own folder of caches.
const USER_NAME: &str = "importd";

/// The folder of a scope: the one that was given, the system's, or the user's own below
/// `cache_home` (`$XDG_CACHE_HOME`, by default `~/.cache`). `None` if there is none, or a path is
/// not absolute: nothing is kept then.
#[must_use]
pub fn directory(
    scope: Scope,
    given: Option<PathBuf>,
    cache_home: Option<&Path>,
) -> Option<PathBuf> {
    let own = || match scope {
        Scope::System => Some(PathBuf::from(DIRECTORY)),
        Scope::User => cache_home.map(|home| home.join(USER_NAME)),
    };
    given.or_else(own).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scope_has_its_folder_unless_another_is_given() {
        let home = Some(Path::new("/home/u/.cache"));
        let given = |path: &str| Some(PathBuf::from(path));
        for (scope, is_given, cache_home, expected) in [
            (Scope::System, None, home, given("/var/cache/importd")),
            (Scope::User, None, home, given("/home/u/.cache/importd")),
            (Scope::User, None, None, None),
            (Scope::User, None, Some(Path::new("rel")), None),
            (Scope::System, given("/x"), home, given("/x")),
            (Scope::User, given("x"), home, None),
        ] {
            assert_eq!(directory(scope, is_given, cache_home), expected);
        }
    }
}
