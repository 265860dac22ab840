//! Images of OCI as files, with the programs of others on the other side: skopeo and umoci.
//!
//! What cannot be tested, because such a program is not there or nothing may be mounted, is said.

#![forbid(unsafe_code)]

#[cfg(test)]
mod export;
#[cfg(test)]
mod import;
#[cfg(test)]
mod place;
#[cfg(test)]
mod push;
#[cfg(test)]
mod stack;
