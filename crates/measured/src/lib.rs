//! Counts what a test allocates. For tests only.
//!
//! A test binary that measures says so once:
//!
//! ```
//! #[global_allocator]
//! static MEMORY: naru_measured::Measured = naru_measured::Measured;
//! ```
//!
//! Here is the only `unsafe` of the project: an allocator cannot be had without. It hands every call on to the
//! system's as it came.

#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicIsize, AtomicU64, Ordering},
};

/// The system's allocator, counted.
#[derive(Debug)]
pub struct Measured;

/// Blocks asked for or resized, by any thread.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// Bytes that all threads have allocated and not freed.
static HELD_BY_ALL: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    /// Bytes this thread has allocated and not freed; negative if it frees what others allocated.
    static HELD: Cell<isize> = const { Cell::new(0) };
    /// The most that `HELD` was.
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// How often this process has asked for memory, growing a block included.
pub fn allocations() -> u64 {
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// Bytes that this process holds, by whatever thread.
pub fn held_bytes() -> usize {
    usize::try_from(HELD_BY_ALL.load(Ordering::Relaxed)).unwrap_or(0)
}

/// The most bytes that `work` held at once of what it allocated on this thread itself.
pub fn peak_bytes<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let result = work();
    (result, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

fn count(bytes: isize) {
    HELD_BY_ALL.fetch_add(bytes, Ordering::Relaxed);
    // A thread that ends may free after its counters have gone.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).expect("a layout is at most isize::MAX bytes")
}

// SAFETY: every method hands its arguments to the same method of `System` and returns what that returned. Counting
// neither allocates nor panics: its thread-locals need no initialisation and no destructor, and sizes fit `isize`.
unsafe impl GlobalAlloc for Measured {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        count(signed(layout.size()));
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        count(signed(layout.size()));
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        count(signed(size) - signed(layout.size()));
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-signed(layout.size()));
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static MEMORY: Measured = Measured;

    #[test]
    fn what_is_held_at_once_is_told_from_what_is_taken_in_all() {
        let before = allocations();
        let ((), peak) = peak_bytes(|| (0..10).for_each(|_| drop(std::hint::black_box(vec![0u8; 1000]))));
        assert_eq!(peak, 1000);
        assert!(allocations() >= before + 10);
        let (held, kept) = (held_bytes(), std::hint::black_box(vec![0u8; 1 << 20]));
        assert!(held_bytes() >= held + (1 << 19));
        drop(kept);
        let (kept, peak) = peak_bytes(|| [vec![0u8; 1000], vec![0u8; 1000]]);
        assert_eq!((kept.len(), peak), (2, 2000));
    }
}
