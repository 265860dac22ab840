//! The memory of this process: what was freed is kept or given back, and how much there is.
//!
//! This module holds `unsafe`: the allocator's own functions have no safe wrapper.
//!
//! # Source
//! malloc_trim(3), mallinfo(3), mallopt(3).

#![expect(
    unsafe_code,
    reason = "malloc_trim, mallinfo2 and mallopt have no safe wrapper"
)]

/// Pieces from this size on come from the kernel one by one and go back at once, in bytes: where the
/// allocator stops raising the border by itself.
#[cfg(target_env = "gnu")]
const OWN_MAP_BYTES: i32 = 32 << 20;
/// Free memory at the end of a heap that is kept, in bytes: twice that, as the allocator has it.
#[cfg(target_env = "gnu")]
const KEPT_BYTES: i32 = 2 * OWN_MAP_BYTES;

/// What the allocator holds, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Got from the kernel, maps for large pieces included.
    pub held: usize,
    /// Given to the program.
    pub used: usize,
}

/// Keeps memory that was freed for the next use, for a process that moves bytes and then ends. Left alone the
/// allocator gives buffers of some hundred KiB back to the kernel each time, which clears them for the
/// next use. Best effort.
pub fn keep() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: locks what it changes; takes plain numbers.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_MAP_BYTES) };
        // SAFETY: likewise.
        unsafe { libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES) };
    }
}

/// Gives memory that was freed back to the kernel. Says whether there was any.
#[must_use]
pub fn trim() -> bool {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: locks what it touches; 0 keeps no room at the top.
        unsafe { libc::malloc_trim(0) == 1 }
    }
    #[cfg(not(target_env = "gnu"))]
    {
        false
    }
}

/// What the allocator holds; nothing where it does not say.
#[must_use]
pub fn usage() -> Usage {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: locks what it looks at, and returns a plain structure.
        let info = unsafe { libc::mallinfo2() };
        Usage {
            held: info.arena.saturating_add(info.hblkhd),
            used: info.uordblks.saturating_add(info.hblkhd),
        }
    }
    #[cfg(not(target_env = "gnu"))]
    {
        Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_env = "gnu")]
    fn what_is_allocated_shows_and_can_be_given_back() {
        let pieces: Vec<Vec<u8>> = (0..1000).map(|_| vec![1; 10_000]).collect();
        let full = usage();
        assert!(
            full.used >= 10_000_000 && full.held >= full.used,
            "{full:?}"
        );
        drop(pieces);
        let _had_some = trim();
        assert!(usage().used < full.used);
    }
}
