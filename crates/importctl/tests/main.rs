//! importctl as a program: against a service played by these tests on a private bus, and alone
//! with workers played by shell scripts.

#[cfg(test)]
mod bus;
#[cfg(test)]
mod elsewhere;
#[cfg(test)]
mod export;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod machinectl;
#[cfg(test)]
mod oci;
#[cfg(test)]
mod pager;
#[cfg(test)]
mod program;
#[cfg(test)]
mod progress;
#[cfg(test)]
mod service;
#[cfg(test)]
mod standalone;
#[cfg(test)]
mod start;
#[cfg(test)]
mod terminal;
