//! Whose files a worker can make: everybody's, or those that a user namespace has.
//!
//! Somebody without privileges can only give files away within a user namespace. A worker that makes,
//! reads or removes a tree for such a caller enters one first, before it opens anything and before
//! its first thread. On the disk the caller's own files are root's of the image, and the others
//! belong to the caller's subordinate ids; docs/user-scope.md tells operators of it.

use crate::error::{Error, Result};
use crate::report::Report;
use importd_api::class::Scope;
use importd_api::failure::Kind;
use importd_host::namespace::{self, Ids, Refused};
use rustix::thread::CapabilitySet;
use std::io;
use std::sync::Arc;

/// Which owners files can be given.
#[derive(Clone, Debug)]
pub enum Owners {
    /// Any: we have the privilege.
    All,
    /// Those of a user namespace, and no devices. The text says which, as part of a sentence.
    Mapped(Arc<str>),
}

/// What a verb does with trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It makes one: without owners there is no image.
    Make,
    /// It reads or removes one, which may belong to the caller as it is.
    Visit,
    /// Nothing.
    None,
}

impl Owners {
    /// Enters a user namespace, if the caller needs one for that.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] if a tree is to be made and the kernel gives us no namespace.
    pub fn enter(scope: Scope, need: Need, report: &Report) -> Result<Self> {
        if scope == Scope::System || need == Need::None || is_privileged() {
            return Ok(Self::All);
        }
        match namespace::enter_own() {
            Ok(Ids::Range { users, groups }) => {
                report.debug(format!(
                    "The worker is in a user namespace of {users} users and {groups} groups."
                ));
                Ok(Self::Mapped(
                    format!(
                        "/etc/subuid gives users up to {users} and /etc/subgid groups up to {groups}"
                    )
                    .into(),
                ))
            }
            Ok(Ids::Own(lack)) => {
                report.debug(format!("Only user and group 0 are mapped: {lack}."));
                Ok(Self::Mapped(
                    format!("only user and group 0 are mapped here: {lack}").into(),
                ))
            }
            Err(error) if need == Need::Visit => {
                let cause = crate::error::chain(&error);
                report.debug(format!("The tree is taken as it is: {cause}."));
                Ok(Self::All)
            }
            Err(error) => Err(refused(error)),
        }
    }

    /// Whether they are those of a namespace.
    #[must_use]
    pub const fn are_mapped(&self) -> bool {
        matches!(self, Self::Mapped(_))
    }

    /// What to add to a sentence about an owner that could not be given; nothing if the error has
    /// another cause.
    #[must_use]
    pub fn explain(&self, error: &io::Error) -> String {
        match self {
            Self::Mapped(which) if error.kind() == io::ErrorKind::InvalidInput => {
                format!(", an owner beyond those of this user: {which}")
            }
            Self::All | Self::Mapped(_) => String::new(),
        }
    }
}

/// Root, in a container too, and who was given the right to give files away.
fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
        || rustix::thread::capabilities(None)
            .is_ok_and(|sets| sets.effective.contains(CapabilitySet::CHOWN))
}

fn refused(error: Refused) -> Error {
    let text = "A tree has owners, which somebody without privileges can only give in a user namespace; \
                see the settings user.max_user_namespaces and kernel.unprivileged_userns_clone, and \
                the security modules of this system";
    Error::caused(Kind::Unsupported, text, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_owner_that_is_not_mapped_is_explained() {
        let mapped = Owners::Mapped("only 0".into());
        let invalid = io::Error::from_raw_os_error(22);
        assert!(mapped.explain(&invalid).ends_with(": only 0"));
        assert_eq!(mapped.explain(&io::Error::from_raw_os_error(1)), "");
        assert_eq!(Owners::All.explain(&invalid), "");
    }
}
