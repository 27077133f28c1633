//! An allocator that keeps large blocks for the next step instead of handing them back to the system.
//!
//! A training step asks for the same large blocks every time. The system clears each page at its first touch, 0.4 ms a
//! megabyte, which is more than the convolution takes that fills it; glibc returns every block above 32 MiB when it is
//! freed. The addon for Node makes this the allocator of all Rust code; on wasm memory never goes back anyway.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Smaller blocks are the system allocator's.
const SMALLEST: usize = 1 << 18;
/// Alignment of kept blocks: a cache line.
const ALIGNMENT: usize = 64;
/// Four sizes an octave: at most a fifth of a block is unused.
const STEPS: usize = 4;
const CLASSES: usize = 20 * STEPS;
/// More than this many bytes are not kept.
const MOST_BYTES: usize = 6 << 30;

/// Addresses of the free blocks of each size.
static FREE: [Mutex<Vec<usize>>; CLASSES] = [const { Mutex::new(Vec::new()) }; CLASSES];
static KEPT_BYTES: AtomicUsize = AtomicUsize::new(0);

pub struct RecyclingAllocator;

/// The class of the smallest blocks that hold `size` bytes, for sizes that are kept.
fn class_of(layout: Layout) -> Option<usize> {
    if layout.size() < SMALLEST || layout.align() > ALIGNMENT {
        return None;
    }
    let octave = (layout.size() / SMALLEST).ilog2() as usize;
    let step = (SMALLEST << octave) / STEPS;
    let class = octave * STEPS + (layout.size() - (SMALLEST << octave)).div_ceil(step);
    (class < CLASSES).then_some(class)
}

/// The layout of a class's blocks.
fn block(class: usize) -> Layout {
    let size = (SMALLEST << (class / STEPS)) / STEPS * (STEPS + class % STEPS);
    // SAFETY: the alignment is a power of two, and the largest size is far below isize::MAX.
    unsafe { Layout::from_size_align_unchecked(size, ALIGNMENT) }
}

fn free_list(class: usize) -> MutexGuard<'static, Vec<usize>> {
    FREE[class].lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(class: usize) -> Option<*mut u8> {
    let address = free_list(class).pop()?;
    KEPT_BYTES.fetch_sub(block(class).size(), Ordering::Relaxed);
    Some(address as *mut u8)
}

/// Hands all kept blocks back to the system.
pub fn release_kept_memory() {
    for class in 0..CLASSES {
        while let Some(pointer) = take(class) {
            // SAFETY: the block came from `System` with this layout, and nobody else knows it any more.
            unsafe { System.dealloc(pointer, block(class)) };
        }
    }
}

/// What the system refuses it may grant once it has the kept blocks back.
fn or_after_release(allocate: impl Fn() -> *mut u8) -> *mut u8 {
    let pointer = allocate();
    if pointer.is_null() && KEPT_BYTES.load(Ordering::Relaxed) > 0 {
        release_kept_memory();
        return allocate();
    }
    pointer
}

// SAFETY: blocks come from `System`, with the layout of their class; a class depends on the caller's layout alone, so a
// block is freed as what it was allocated as, and a block on a free list belongs to nobody else.
unsafe impl GlobalAlloc for RecyclingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`.
        match class_of(layout) {
            Some(class) => take(class).unwrap_or_else(|| or_after_release(|| unsafe { System.alloc(block(class)) })),
            None => or_after_release(|| unsafe { System.alloc(layout) }),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc_zeroed`; a kept block is at least as large as the layout.
        match class_of(layout) {
            Some(class) => match take(class) {
                Some(pointer) => {
                    unsafe { pointer.write_bytes(0, layout.size()) };
                    pointer
                }
                None => or_after_release(|| unsafe { System.alloc_zeroed(block(class)) }),
            },
            None => or_after_release(|| unsafe { System.alloc_zeroed(layout) }),
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller gives back a block with the layout that it asked for.
        let Some(class) = class_of(layout) else { return unsafe { System.dealloc(pointer, layout) } };
        let size = block(class).size();
        if KEPT_BYTES.fetch_add(size, Ordering::Relaxed) + size > MOST_BYTES {
            KEPT_BYTES.fetch_sub(size, Ordering::Relaxed);
            return unsafe { System.dealloc(pointer, block(class)) };
        }
        free_list(class).push(pointer as usize);
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: `new_size` is not zero and fits with the alignment, by the contract of `realloc`.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        match (class_of(layout), class_of(new_layout)) {
            (None, None) => unsafe { System.realloc(pointer, layout, new_size) },
            (Some(old), Some(new)) if old == new => pointer,
            _ => {
                // SAFETY: both blocks hold the smaller of the sizes, and they are different ones.
                unsafe {
                    let moved = self.alloc(new_layout);
                    if !moved.is_null() {
                        moved.copy_from_nonoverlapping(pointer, layout.size().min(new_size));
                        self.dealloc(pointer, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 4).unwrap()
    }

    #[test]
    fn blocks_hold_what_was_asked_for_and_little_more() {
        for size in (SMALLEST..SMALLEST * 40).step_by(12_345) {
            let class = class_of(layout(size)).unwrap();
            let got = block(class).size();
            assert!(got >= size && got as f64 <= 1.26 * size as f64, "{size} bytes get {got}");
        }
        assert_eq!(class_of(layout(SMALLEST - 1)), None);
    }

    #[test]
    fn a_freed_block_comes_back_cleared_only_where_asked() {
        let layout = layout(9 << 20);
        // SAFETY: each block is used within its size and freed once with its layout.
        unsafe {
            let first = RecyclingAllocator.alloc(layout);
            first.write_bytes(7, layout.size());
            RecyclingAllocator.dealloc(first, layout);
            let second = RecyclingAllocator.alloc_zeroed(layout);
            assert_eq!(first, second);
            assert!((0..layout.size()).all(|index| *second.add(index) == 0));
            let grown = RecyclingAllocator.realloc(second, layout, 3 * layout.size());
            grown.add(3 * layout.size() - 1).write(1);
            RecyclingAllocator.dealloc(grown, Layout::from_size_align(3 * layout.size(), 4).unwrap());
        }
        release_kept_memory();
    }
}
