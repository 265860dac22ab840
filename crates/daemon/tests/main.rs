//! The daemon on a private bus, with stand-ins for the workers.
//!
//! Everything stands under `cfg(test)`, which always holds here: it is how clippy knows that what
//! the harness unwraps is unwrapped in tests.

#![forbid(unsafe_code)]

#[cfg(test)]
mod access;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod control;
#[cfg(test)]
mod embedded;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod introspection;
#[cfg(test)]
mod lifetime;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod log_control;
#[cfg(test)]
mod oci;
#[cfg(test)]
mod polkit;
#[cfg(test)]
mod process;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod random_calls;
#[cfg(test)]
mod real_workers;
#[cfg(test)]
mod stress;
#[cfg(test)]
mod transfers;
#[cfg(test)]
mod varlink;
