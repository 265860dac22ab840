//! Landlock: files and connections outside the profile do not exist for the worker.
//!
//! Abstract sockets stay reachable, since the daemon's notify socket is one.

use super::Profile;
use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope,
};
use std::io;
use std::os::fd::AsFd;

/// The newest version whose rights are asked for; older kernels enforce those they know.
const VERSION: ABI = ABI::V6;

/// Confines the thread. `false` if the kernel has no Landlock.
pub(super) fn restrict(profile: &Profile) -> io::Result<bool> {
    let status = build(profile).map_err(io::Error::other)?;
    Ok(status != RulesetStatus::NotEnforced)
}

fn build(profile: &Profile) -> Result<RulesetStatus, RulesetError> {
    let connections = if profile.network {
        AccessNet::BindTcp.into()
    } else {
        AccessNet::BindTcp | AccessNet::ConnectTcp
    };
    let read = AccessFs::from_read(VERSION) & !AccessFs::Execute;
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(VERSION))?
        .handle_access(connections)?
        .scope(Scope::Signal)?
        .create()?;
    for file in &profile.read {
        rules = rules.add_rule(PathBeneath::new(file.as_fd(), read))?;
    }
    let write = AccessFs::from_all(VERSION) & !AccessFs::Execute;
    for folder in &profile.write {
        rules = rules.add_rule(PathBeneath::new(folder.as_fd(), write))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}
