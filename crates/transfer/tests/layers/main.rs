//! Images of layers come out as umoci unpacks them: under a mount of overlayfs, and as one tree.

#![forbid(unsafe_code)]

#[cfg(test)]
mod image;
#[cfg(test)]
mod mount;
#[cfg(test)]
mod random;
#[cfg(test)]
mod same;
