//! How many descriptors the daemon may have.
//!
//! Calls bring descriptors along, and the connection to the bus ends when one of them cannot be
//! taken. Service managers set the soft limit to 1024 for the sake of programs that use select(2)
//! (systemd.exec(5), `LimitNOFILE=`); this one does not, but workers may run some that do.

use rustix::process::{Resource, Rlimit};
use std::io;

/// Raises the soft limit to the hard one. Returns what it was before, which workers get; `None` if
/// it had no limit.
///
/// # Errors
/// What setrlimit(2) says.
pub fn raise() -> io::Result<Option<u64>> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    rustix::process::setrlimit(Resource::Nofile, raised)?;
    Ok(limit.current)
}

/// How many descriptors this process may have now; `None` if there is no bound.
#[must_use]
pub fn most() -> Option<u64> {
    rustix::process::getrlimit(Resource::Nofile).current
}
