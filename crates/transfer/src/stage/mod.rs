//! Adapters between a source and a sink: each takes a `Read` (or `Write`) and is one. What is hashed or
//! read ahead travels in [`chunks`], which are counted, hashed and written without being copied.
//!
//! Overlap lives here and nowhere else: [`ahead`] reads on a thread of its own, [`behind`] writes on
//! one, [`digest`] hashes on one. Queues are bounded by [`QUEUE_DEPTH`] buffers of [`BUFFER_BYTES`], those
//! before a digest by [`batch::Queue`].

pub mod ahead;
pub mod batch;
pub mod behind;
pub mod chunks;
pub mod digest;
pub mod exact;
pub mod limit;
pub mod meter;
pub mod sniff;

/// Size of the buffers that travel between threads, in bytes.
pub const BUFFER_BYTES: usize = 1 << 20;

/// How many buffers wait between two threads. With a buffer on each side this bounds the memory of
/// a queue to 5 MiB, and is enough to ride out a writeback of a few milliseconds.
pub const QUEUE_DEPTH: usize = 3;

/// Bytes on their way.
pub type Source = Box<dyn std::io::Read + Send>;
