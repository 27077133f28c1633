//! How much memory an input took, at its highest.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What a reader may take for itself, whatever the input: windows of decompression, tables, first pieces of vectors.
const FIXED: usize = 1 << 20;

/// Counts the bytes that are in use.
pub struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static HIGHEST: AtomicUsize = AtomicUsize::new(0);

fn count(bytes: usize) {
    HIGHEST.fetch_max(IN_USE.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: every call goes to the system's allocator unchanged; what is counted beside it allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // While it is copied, both are there.
        count(size);
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Panics where `read` takes more than `allowance` bytes beside a fixed amount.
pub fn check(target: &str, allowance: usize, read: impl FnOnce()) {
    let before = IN_USE.load(Relaxed);
    HIGHEST.store(before, Relaxed);
    read();
    let taken = HIGHEST.load(Relaxed).saturating_sub(before);
    assert!(taken <= allowance + FIXED, "{target}: took {taken} bytes at once, {allowance} beside {FIXED} are allowed");
}
