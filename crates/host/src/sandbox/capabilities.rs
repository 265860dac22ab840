//! Capabilities: all but the ones kept are dropped from every set.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};
use std::io;

/// Keeps these, of those the thread has.
pub(super) fn keep(wanted: CapabilitySet) -> io::Result<()> {
    for capability in CapabilitySet::all().difference(wanted).iter() {
        match remove_capability_from_bounding_set(capability) {
            // Not known to this kernel, or no right to: without new privileges the bounding set
            // only limits what can no longer be gained.
            Ok(()) | Err(Errno::INVAL | Errno::PERM) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    match clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    let kept = capabilities(None)?.permitted.intersection(wanted);
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, sets)?)
}
