//! Where bytes go, still hidden.

pub mod raw;
pub mod tree;
