//! The formats against the programs that make and read them elsewhere.
//!
//! Everything stands under `cfg(test)`, which always holds here: it is how clippy knows that what
//! the harness unwraps is unwrapped in tests.

#![forbid(unsafe_code)]

#[cfg(test)]
mod archives;
#[cfg(test)]
mod clear_signed;
#[cfg(test)]
mod damaged;
#[cfg(test)]
mod disk_flips;
#[cfg(test)]
mod disk_formats;
#[cfg(test)]
mod disk_hostile;
#[cfg(test)]
mod disk_hostile_formats;
#[cfg(test)]
mod disk_hostile_vmdk;
#[cfg(test)]
mod disk_image;
#[cfg(test)]
mod disk_patch;
#[cfg(test)]
mod disk_qcow2;
#[cfg(test)]
mod disk_writer;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod flips;
#[cfg(test)]
mod gpg;
#[cfg(test)]
mod keyrings;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod minisign;
#[cfg(test)]
mod pgp;
#[cfg(test)]
mod program;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod symbols;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod tree;
