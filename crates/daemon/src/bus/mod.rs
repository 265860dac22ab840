//! D-Bus: objects, methods, properties and signals of org.freedesktop.import1(5).
//!
//! | module | holds |
//! |---|---|
//! | [`interface`] | what an interface is made of, and its introspection |
//! | [`object`] | which objects there are |
//! | [`manager`] | the interface of the manager: methods decoded, lists encoded |
//! | [`transfer`] | the interface of a transfer |
//! | [`own`] | our own interfaces of manager and transfers |
//! | [`changes`] | changed properties of those, told not too often |
//! | [`log_control`] | the interface of the log |
//! | [`standard`] | Peer, Introspectable and Properties |
//! | [`details`] | what a caller wants, in words for polkit |
//! | [`fault`] | errors as they stand in a reply |
//! | [`lists`] | lists of images, made on another thread |
//! | [`reply`] | whether and how a call is answered |
//! | [`link`] | the way to the bus, also before there is one |
//! | [`service`] | the connection: a call in, an answer out |
//!
//! Objects are not registered anywhere: a call is looked up in the manager's table when it arrives,
//! so that what the bus shows cannot differ from what is running. Calls are taken one after the
//! other; none waits for another's authorization or list.

pub mod changes;
pub mod details;
pub mod fault;
pub mod interface;
pub mod link;
pub mod lists;
pub mod log_control;
pub mod manager;
pub mod object;
pub mod oci;
pub mod options;
pub mod own;
pub mod reply;
pub mod service;
pub mod standard;
pub mod transfer;
