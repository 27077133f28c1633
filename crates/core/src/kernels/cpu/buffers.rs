//! Buffers that are recycled from step to step.
//!
//! The system hands out memory as pages it clears on first touch, which costs more than the convolution that fills them
//! (0.4 ms per MB against 0.1). Buffers are therefore cut from slabs that stay. One that is given back joins its free neighbours, so that
//! the same memory serves buffers of all sizes one after the other, and a process takes little more than its buffers ever
//! did at once.

use crate::memory::expect_room;
use core::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Below this many floats the allocator is fast enough.
const SMALLEST: usize = 1 << 10;
/// Floats of a cache line, at which buffers begin.
const LINE: usize = 16;
/// Floats of a slab, if no buffer needs a larger one. Pages that are never touched cost nothing, except in a page's module.
const SLAB: usize = if cfg!(target_family = "wasm") { 1 << 20 } else { 1 << 25 };
/// With more free floats than this, slabs without a buffer are returned to the system.
const MOST_FREE: usize = if cfg!(target_family = "wasm") { 1 << 28 } else { 1 << 30 };

static ARENA: Mutex<Arena> = Mutex::new(Arena { slabs: Vec::new() });

fn arena() -> MutexGuard<'static, Arena> {
    ARENA.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Arena {
    slabs: Vec<Slab>,
}

impl Arena {
    /// The smallest free stretch that is long enough: its slab, and where it begins there.
    fn stretch(&self, len: usize) -> Option<(usize, usize)> {
        let stretches = self.slabs.iter().enumerate().flat_map(|(slab, each)| each.stretches(slab, len));
        stretches.min().map(|(_, slab, offset)| (slab, offset))
    }

    /// A free stretch, cut to length.
    fn take(&mut self, len: usize) -> NonNull<f32> {
        let (slab, offset) = match self.stretch(len) {
            Some(place) => place,
            None => {
                let slab = Slab::new(len.max(SLAB));
                let offset = slab.first;
                self.slabs.push(slab);
                (self.slabs.len() - 1, offset)
            }
        };
        self.slabs[slab].take(offset, len)
    }

    fn give(&mut self, pointer: NonNull<f32>, len: usize) {
        // Every buffer lies in a slab: none is dropped before its buffers are back.
        let place = |(slab, each): (usize, &Slab)| Some((slab, each.offset_of(pointer)?));
        let Some((slab, offset)) = self.slabs.iter().enumerate().find_map(place) else { return };
        self.slabs[slab].give(offset, len);
        if self.slabs[slab].is_free() && self.free() > MOST_FREE {
            self.slabs.swap_remove(slab);
        }
    }

    fn free(&self) -> usize {
        self.slabs.iter().flat_map(|slab| &slab.free).map(|&(_, len)| len).sum()
    }
}

/// A stretch of memory that buffers are cut from.
struct Slab {
    memory: NonNull<[f32]>,
    /// Where the first cache line begins.
    first: usize,
    /// Offsets and lengths of the free stretches, in order; no two touch.
    free: Vec<(usize, usize)>,
}

// SAFETY: a slab owns its memory; what was cut from it is in no free stretch.
unsafe impl Send for Slab {}

impl Slab {
    /// A slab with room for `len` floats.
    fn new(len: usize) -> Self {
        let memory = NonNull::from(Box::leak(vec![0.0; len + LINE].into_boxed_slice()));
        let first = memory.cast::<f32>().as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        Slab { memory, first, free: vec![(first, len)] }
    }

    /// Length, number of the slab and offset of the free stretches with at least `len` floats.
    fn stretches(&self, slab: usize, len: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        self.free.iter().filter(move |stretch| stretch.1 >= len).map(move |&(offset, free)| (free, slab, offset))
    }

    fn take(&mut self, offset: usize, len: usize) -> NonNull<f32> {
        let place = self.place(offset);
        let (start, free) = self.free[place];
        assert!(start == offset && free >= len, "a stretch that is not free");
        if free > len {
            self.free[place] = (offset + len, free - len);
        } else {
            self.free.remove(place);
        }
        // SAFETY: the stretch lies in the slab.
        unsafe { self.memory.cast::<f32>().add(offset) }
    }

    /// Where a buffer begins, if it lies in this slab.
    fn offset_of(&self, pointer: NonNull<f32>) -> Option<usize> {
        let bytes = pointer.addr().get().checked_sub(self.memory.cast::<f32>().addr().get())?;
        Some(bytes / size_of::<f32>()).filter(|&offset| offset < self.memory.len())
    }

    fn give(&mut self, offset: usize, len: usize) {
        let place = self.place(offset);
        self.free.insert(place, (offset, len));
        // The one behind first: joining it leaves the places before it as they are.
        self.join(place);
        if let Some(before) = place.checked_sub(1) {
            self.join(before);
        }
    }

    /// The number of free stretches before an offset.
    fn place(&self, offset: usize) -> usize {
        self.free.partition_point(|stretch| stretch.0 < offset)
    }

    /// Makes one of a free stretch and the next, if they touch.
    fn join(&mut self, place: usize) {
        if let Some(&(next, more)) = self.free.get(place + 1)
            && self.free[place].0 + self.free[place].1 == next
        {
            self.free[place].1 += more;
            self.free.remove(place + 1);
        }
    }

    fn is_free(&self) -> bool {
        self.free == [(self.first, self.memory.len() - LINE)]
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        // SAFETY: leaked in `new`, and no buffer is left in it: slabs are dropped only when they are free.
        drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
    }
}

/// Returns all memory without a buffer to the system.
pub fn clear() {
    arena().slabs.retain(|slab| !slab.is_free());
}

/// A buffer that returns by itself when dropped.
pub struct Recycled(Memory);

enum Memory {
    Small(Vec<f32>),
    /// Cut from a slab: its length in whole cache lines is `len` rounded up.
    Cut {
        pointer: NonNull<f32>,
        len: usize,
    },
}

// SAFETY: a buffer is the only owner of its floats.
unsafe impl Send for Recycled {}
// SAFETY: as above.
unsafe impl Sync for Recycled {}

impl Recycled {
    /// `len` floats with any contents, for a kernel that writes all of them.
    pub fn for_overwrite(len: usize) -> Self {
        if len < SMALLEST {
            return Recycled(Memory::Small(vec![0.0; len]));
        }
        let whole = len.next_multiple_of(LINE);
        let is_there = arena().stretch(whole).is_some();
        if !is_there && let Err(error) = expect_room("a step of the calculation", &[whole, size_of::<f32>()]) {
            // What computes here cannot fail; the error comes out where the work was asked for.
            std::panic::resume_unwind(Box::new(error));
        }
        Recycled(Memory::Cut { pointer: arena().take(whole), len })
    }
}

impl core::ops::Deref for Recycled {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        match &self.0 {
            Memory::Small(floats) => floats,
            // SAFETY: the stretch is this buffer's alone, and its floats were initialised when the slab was made.
            Memory::Cut { pointer, len } => unsafe { core::slice::from_raw_parts(pointer.as_ptr(), *len) },
        }
    }
}

impl core::ops::DerefMut for Recycled {
    fn deref_mut(&mut self) -> &mut [f32] {
        match &mut self.0 {
            Memory::Small(floats) => floats,
            // SAFETY: as above.
            Memory::Cut { pointer, len } => unsafe { core::slice::from_raw_parts_mut(pointer.as_ptr(), *len) },
        }
    }
}

impl Drop for Recycled {
    fn drop(&mut self) {
        if let Memory::Cut { pointer, len } = self.0 {
            arena().give(pointer, len.next_multiple_of(LINE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Generator;

    /// Buffers of many sizes, given back in another order than they were taken: none touches another, and in the end the slab is whole.
    #[test]
    fn buffers_are_apart_and_join_again() {
        let mut arena = Arena { slabs: Vec::new() };
        let mut draws = Generator::new(5);
        let mut taken: Vec<(NonNull<f32>, usize)> = Vec::new();
        for _ in 0..4000 {
            let [size, which] = [0, 1].map(|_| draws.rand(1)[0]);
            if taken.len() < 40 && size < 0.6 {
                let len = LINE * (1 + (size * 40_000.0) as usize);
                taken.push((arena.take(len), len));
            } else if !taken.is_empty() {
                let (pointer, len) = taken.swap_remove((which * taken.len() as f32) as usize % taken.len());
                arena.give(pointer, len);
            }
            let mut spans: Vec<_> =
                taken.iter().map(|&(p, len)| (p.addr().get(), p.addr().get() + len * size_of::<f32>())).collect();
            spans.sort();
            assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "two buffers overlap");
            assert!(spans.iter().all(|(start, _)| start % 64 == 0));
        }
        assert_eq!(arena.slabs.len(), 1, "forty buffers of a few megabytes fit one slab");
        taken.into_iter().for_each(|(pointer, len)| arena.give(pointer, len));
        assert!(arena.slabs.iter().all(Slab::is_free));
    }

    #[test]
    fn a_buffer_larger_than_a_slab_gets_its_own() {
        let mut arena = Arena { slabs: Vec::new() };
        let small = arena.take(LINE);
        let large = arena.take(SLAB + LINE);
        assert_eq!(arena.slabs.len(), 2);
        arena.give(large, SLAB + LINE);
        // Memory that was touched before serves smaller ones.
        let again = arena.take(SLAB);
        assert_eq!((again, arena.slabs.len()), (large, 2));
        arena.give(again, SLAB);
        arena.give(small, LINE);
        assert!(arena.slabs.iter().all(Slab::is_free));
    }

    #[test]
    fn a_buffer_holds_what_was_written() {
        for len in [0, 5, SMALLEST, 7_654_321] {
            let mut buffer = Recycled::for_overwrite(len);
            assert_eq!(buffer.len(), len);
            buffer.fill(3.0);
            let other = Recycled::for_overwrite(len);
            assert!(len == 0 || other.as_ptr() != buffer.as_ptr());
            drop(other);
            clear();
            assert!(buffer.iter().all(|&x| x == 3.0));
        }
    }
}
