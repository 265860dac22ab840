//! btrfs subvolumes: made, marked, copied as snapshots and removed, those within them included.

mod destroy;
mod ioctls;
mod nested;
mod snapshot;

pub use destroy::destroy_whole;
pub use ioctls::{
    Identity, create, identity, is_btrfs, is_on_read_only_file_system, is_read_only, is_subvolume,
    set_read_only,
};
pub use snapshot::{Plan, seal};
