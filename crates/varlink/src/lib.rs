//! Varlink: messages, framing, and a blocking client.
//!
//! | module | holds |
//! |---|---|
//! | [`frame`] | a stream of bytes cut into messages; opens nothing |
//! | [`inbox`] | the same with the descriptors that came along |
//! | [`json`] | JSON with limits: no name twice, not too many values |
//! | [`message`] | calls and replies, read and written |
//! | [`socket`] | bytes and descriptors through a socket, once |
//! | [`client`] | calls a service and waits for the answer |
//!
//! A service is not in here: it decides who may do what, which a library cannot.
//!
//! This crate promises to hold no unsafe code, to know none of our other crates, and to read nothing
//! without a limit.
//!
//! # Source
//! <https://varlink.org/Method-Call>, sd-varlink(3).

#![forbid(unsafe_code)]

pub mod client;
pub mod frame;
pub mod inbox;
pub mod json;
pub mod message;
pub mod socket;
