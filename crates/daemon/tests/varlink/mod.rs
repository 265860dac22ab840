//! The daemon's Varlink socket.
//!
//! | module | holds |
//! |---|---|
//! | `socket` | a client that sends and reads any bytes |
//! | `calls` | what is answered, and how: interfaces, errors, order |
//! | `pull` | `io.systemd.Import` |
//! | `own` | `io.importd.Import` |
//! | `idl` | the descriptions |
//! | `allowed` | callers without privileges |
//! | `life` | passed sockets, no bus yet, the end |
//! | `hostile` | many clients at once that mean no good |

mod allowed;
mod calls;
mod hostile;
mod idl;
mod life;
mod own;
mod pull;
mod socket;
