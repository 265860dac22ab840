//! A registry of ours that does what a test says, and what is made of it.

mod access;
mod blobs;
mod documents;
mod pushes;
mod real;
mod server;

pub(super) use server::context;
