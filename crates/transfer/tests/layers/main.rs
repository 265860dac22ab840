//! Images of layers come out as umoci unpacks them, under a mount of overlayfs and as one tree; settings
//! arrive as systemd-nspawn reads them.

#![forbid(unsafe_code)]

#[cfg(test)]
mod image;
#[cfg(test)]
mod mount;
#[cfg(test)]
mod nspawn;
#[cfg(test)]
mod random;
#[cfg(test)]
mod same;
#[cfg(test)]
mod user;
