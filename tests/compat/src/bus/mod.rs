//! The service on a private bus, with its real workers.
//!
//! | module | holds |
//! |---|---|
//! | [`service`] | starts a bus and the service on it; a client that hears its signals |
//! | [`transfers`] | every method that starts a transfer, to its end |
//! | [`refusals`] | what the service refuses, and what fails later |
//! | [`varlink`] | its Varlink socket |
//! | [`images`] | the list of images |
//! | [`clients`] | stock machinectl and busctl, and importctl |

mod clients;
mod images;
mod oci_files;
mod refusals;
pub(crate) mod service;
mod transfers;
pub(crate) mod varlink;
