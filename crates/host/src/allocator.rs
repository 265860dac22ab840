//! The allocator of workers: where large buffers begin.
//!
//! Large pieces of the system's allocator begin 16 bytes behind the start of a page. What the kernel copies into
//! them begins at the start of one: bytes of a file, bytes of a sender on this machine. Processors whose `rep movsb`
//! is fast for all but such targets copy four to seven times as slowly then (decision 21). So large
//! buffers begin elsewhere.
//!
//! This module holds `unsafe`: it is an allocator.

#![expect(unsafe_code, reason = "an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::mem::size_of;

/// Buffers from this size on are large, in bytes.
const LARGE_BYTES: usize = 32 << 10;
/// Where large buffers begin, in bytes: at a cache line. What asks for more is left alone.
const ALIGNMENT: usize = 64;
/// Bytes of a page.
const PAGE_BYTES: usize = 4096;
/// A large buffer begins no nearer than this to the start of a page, in bytes, on either side.
const APART: usize = 128;
/// The last place in a page where a large buffer begins, in bytes.
const LAST_PLACE: usize = PAGE_BYTES - APART;
/// Before each large buffer stands how far it lies behind what the system gave, in a number of this size.
const NOTE_BYTES: usize = size_of::<usize>();
/// What is asked for beside the buffer, in bytes.
const EXTRA_BYTES: usize = NOTE_BYTES + ALIGNMENT + 2 * APART;

/// The system's allocator, but large buffers begin apart from the starts of pages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Apart;

/// What the system is asked for in place of a large buffer; nothing for other pieces.
fn large(layout: Layout) -> Option<Layout> {
    if layout.size() < LARGE_BYTES || layout.align() > ALIGNMENT {
        return None;
    }
    let size = layout.size().checked_add(EXTRA_BYTES)?;
    // No more than the system gives anyhow: asked for more, it clears what is clear.
    Layout::from_size_align(size, NOTE_BYTES).ok()
}

/// How far behind `address` a large buffer begins, in bytes.
const fn way(address: usize) -> usize {
    let start = (address + NOTE_BYTES).next_multiple_of(ALIGNMENT);
    let place = start % PAGE_BYTES;
    let start = match place {
        APART..=LAST_PLACE => start,
        _ => start + 2 * APART,
    };
    start - address
}

/// The large buffer inside what the system gave.
///
/// # Safety
/// `base` is null or a piece of a layout that [`large`] gave.
unsafe fn buffer(base: *mut u8) -> *mut u8 {
    if base.is_null() {
        return base;
    }
    let way = way(base.addr());
    // SAFETY: the way is at most `EXTRA_BYTES`, which the piece has beside the buffer.
    let start = unsafe { base.add(way) };
    // SAFETY: the way is at least `NOTE_BYTES`.
    let note = unsafe { start.sub(NOTE_BYTES) };
    // SAFETY: the note lies inside the piece, before the buffer.
    unsafe { note.cast::<usize>().write_unaligned(way) };
    start
}

/// What the system gave for a large buffer.
///
/// # Safety
/// `start` comes from [`buffer`].
unsafe fn base(start: *mut u8) -> *mut u8 {
    // SAFETY: there is a note before each buffer.
    let note = unsafe { start.sub(NOTE_BYTES) };
    // SAFETY: `buffer` wrote it, and nobody else knows of it.
    let way = unsafe { note.cast::<usize>().read_unaligned() };
    // SAFETY: this is where the piece begins.
    unsafe { start.sub(way) }
}

// SAFETY: each method hands its duties on to the system's allocator. A large buffer lies inside a piece with
// room for it; which pieces hold one depends on the layout alone, so what is given back is what was given.
unsafe impl GlobalAlloc for Apart {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(whole) = large(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        };
        // SAFETY: the layout is not empty.
        let base = unsafe { System.alloc(whole) };
        // SAFETY: a piece of that layout, or null.
        unsafe { buffer(base) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(whole) = large(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc_zeroed(layout) };
        };
        // SAFETY: the layout is not empty.
        let base = unsafe { System.alloc_zeroed(whole) };
        // SAFETY: a piece of that layout, or null; the note is no part of the buffer.
        unsafe { buffer(base) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        let Some(whole) = large(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { System.dealloc(start, layout) };
        };
        // SAFETY: what has this layout comes from `buffer`.
        let base = unsafe { base(start) };
        // SAFETY: it was asked for by the same layout.
        unsafe { System.dealloc(base, whole) };
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size is fit for this alignment.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if large(layout).is_none() && large(new).is_none() {
            // SAFETY: the caller's promise.
            return unsafe { System.realloc(start, layout, size) };
        }
        // SAFETY: the new layout is not empty.
        let moved = unsafe { self.alloc(new) };
        if !moved.is_null() {
            // SAFETY: both hold that much, and the old one is still there.
            unsafe { moved.copy_from_nonoverlapping(start, layout.size().min(size)) };
            // SAFETY: the caller's promise; nothing points there any more.
            unsafe { self.dealloc(start, layout) };
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_begin_apart_from_the_starts_of_pages() {
        for address in (1 << 20..(1 << 20) + 2 * PAGE_BYTES).step_by(8) {
            let way = way(address);
            assert!((NOTE_BYTES..=EXTRA_BYTES).contains(&way), "{address:#x}");
            let start = address + way;
            assert_eq!(start % ALIGNMENT, 0, "{address:#x}");
            let place = start % PAGE_BYTES;
            assert!((APART..=LAST_PLACE).contains(&place), "{address:#x}");
        }
    }

    #[test]
    fn pieces_of_every_kind_keep_their_bytes_and_go_back() {
        let sizes = [
            1,
            LARGE_BYTES - 1,
            LARGE_BYTES,
            3 * LARGE_BYTES + 5,
            100,
            40 << 20,
        ];
        for align in [1, 8, ALIGNMENT, 2 * ALIGNMENT, PAGE_BYTES] {
            let mut size = 10;
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: the layout is not empty.
            let mut start = unsafe { Apart.alloc_zeroed(layout) };
            for next in sizes {
                let layout = Layout::from_size_align(size, align).unwrap();
                // SAFETY: a piece of that size is there.
                unsafe { std::slice::from_raw_parts_mut(start, size) }.fill(7);
                // SAFETY: the piece has that layout, and the new size is neither 0 nor too large.
                start = unsafe { Apart.realloc(start, layout, next) };
                assert!(!start.is_null() && start.addr().is_multiple_of(align));
                // SAFETY: as many bytes as the smaller of both were written.
                let kept = unsafe { std::slice::from_raw_parts(start, size.min(next)) };
                assert!(kept.iter().all(|byte| *byte == 7), "{size} to {next}");
                size = next;
            }
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: the piece has that layout and is not used again.
            unsafe { Apart.dealloc(start, layout) };
        }
    }

    #[test]
    fn clear_pieces_are_clear() {
        let layout = Layout::from_size_align(LARGE_BYTES, 1).unwrap();
        // SAFETY: the layout is not empty.
        let start = unsafe { Apart.alloc_zeroed(layout) };
        // SAFETY: a piece of that size is there.
        let bytes = unsafe { std::slice::from_raw_parts(start, LARGE_BYTES) };
        assert!(bytes.iter().all(|byte| *byte == 0));
        // SAFETY: the piece has that layout and is not used again.
        unsafe { Apart.dealloc(start, layout) };
    }
}
