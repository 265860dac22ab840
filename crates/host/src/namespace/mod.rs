//! A user namespace, in which somebody without privileges makes trees with owners.
//!
//! In it the caller is root, and the ids from 1 on are those that `/etc/subuid` and `/etc/subgid`
//! give the caller: the programs `newuidmap` and `newgidmap`, which have the privilege, map them. This
//! is what Podman does, and what `podman unshare` and `unshare --map-auto` enter again. Without ids or
//! programs the namespace has the caller alone, which is enough for trees that belong to root.
//!
//! Where a service maps a namespace and makes trees for it, those belong to [`foreign`] ids.
//!
//! A process enters a namespace before it starts a thread, since the kernel takes no other, and runs
//! no program of its own after that.
//!
//! # Source
//! user_namespaces(7), subuid(5), newuidmap(1), setns(2).

pub mod foreign;
mod map;
mod ranges;
mod seed;
mod user;

pub use map::{Ids, Lack};
pub use seed::Seed;

use rustix::thread::LinkNameSpaceType;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Why there is no namespace.
#[derive(Debug, thiserror::Error)]
#[error("The kernel gives this user no user namespace")]
pub struct Refused(#[source] pub io::Error);

/// Enters a new user namespace with as many ids as can be had, and says which.
///
/// # Errors
/// [`Refused`] where the kernel makes none for this user, or another thread runs already.
pub fn enter_own() -> Result<Ids, Refused> {
    let (seed, ids) = map::mapped().map_err(Refused)?;
    let namespace = seed.open().map_err(Refused)?;
    join(namespace.as_fd()).map_err(Refused)?;
    Ok(ids)
}

/// Enters a user namespace. Files are then reached as before: as the same user, who is called as the
/// namespace calls them, with all capabilities over what belongs to its ids.
///
/// # Errors
/// What setns(2) says; `InvalidInput` if another thread runs.
pub fn join(namespace: BorrowedFd<'_>) -> io::Result<()> {
    let kind = Some(LinkNameSpaceType::User);
    Ok(rustix::thread::move_into_link_name_space(namespace, kind)?)
}

#[cfg(test)]
mod tests;
