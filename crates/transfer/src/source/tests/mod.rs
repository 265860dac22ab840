//! Fetching from servers that fail in the middle.

mod bodies;
mod places;
mod server;
