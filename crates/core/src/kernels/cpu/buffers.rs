//! Buffers that are recycled from step to step.
//!
//! The system hands out memory as pages it clears on first touch, which costs more than the convolution that fills them
//! (0.4 ms per MB against 0.1). A training step asks for the same sizes every time, so freed buffers wait here in
//! free lists by size class and the second step finds what the first one gave back.

use std::sync::Mutex;

/// Below this many floats the allocator is fast enough.
const SMALLEST: usize = 1 << 10;
/// Buffers beyond this many bytes in waiting are returned to the system.
const MOST_BYTES: usize = if cfg!(target_family = "wasm") { 1 << 30 } else { 4 << 30 };
/// Four classes per power of two: at most a fifth of a buffer is unused.
const STEPS: usize = 4;
const CLASSES: usize = 40 * STEPS;

struct Pool {
    free: [Vec<Vec<f32>>; CLASSES],
    bytes: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { free: [const { Vec::new() }; CLASSES], bytes: 0 });

/// The number of floats of a class: `2^e (1 + step / 4)`.
fn class_size(class: usize) -> usize {
    let (exponent, step) = (class / STEPS, class % STEPS);
    (SMALLEST / STEPS * (STEPS + step)) << exponent
}

/// The largest class of at most `len` floats, if there is one.
fn class_below(len: usize) -> Option<usize> {
    let exponent = (len / SMALLEST).checked_ilog2()? as usize;
    let step = (len >> exponent) / (SMALLEST / STEPS) - STEPS;
    Some(exponent * STEPS + step).filter(|&class| class < CLASSES)
}

/// The smallest class of at least `len` floats, if it is worth pooling.
fn class_above(len: usize) -> Option<usize> {
    let below = class_below(len)?;
    Some(if class_size(below) == len { below } else { below + 1 }).filter(|&class| class < CLASSES)
}

fn pool() -> std::sync::MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A buffer of `len` floats with any finite or non-finite contents, for a kernel that writes all of it.
pub fn take_for_overwrite(len: usize) -> Vec<f32> {
    let Some(class) = class_above(len) else { return vec![0.0; len] };
    let recycled = {
        let mut pool = pool();
        let recycled = pool.free[class].pop();
        pool.bytes -= recycled.as_ref().map_or(0, |buffer| buffer.capacity() * size_of::<f32>());
        recycled
    };
    // Fresh memory is cleared by the system, page by page as it is touched.
    let mut buffer = recycled.unwrap_or_else(|| vec![0.0; class_size(class)]);
    // Only grows within the capacity, when the last user's buffer was a little shorter.
    buffer.resize(len, 0.0);
    buffer
}

/// Returns a buffer, from [`take_for_overwrite`] or anywhere else, for later use.
pub fn give(buffer: Vec<f32>) {
    let Some(class) = class_below(buffer.capacity()) else { return };
    let bytes = buffer.capacity() * size_of::<f32>();
    let mut pool = pool();
    if pool.bytes + bytes <= MOST_BYTES {
        pool.bytes += bytes;
        pool.free[class].push(buffer);
    }
}

/// Returns every waiting buffer to the system.
pub fn clear() {
    let mut pool = pool();
    pool.free.iter_mut().for_each(|list| *list = Vec::new());
    pool.bytes = 0;
}

/// How many bytes wait to be used again.
#[cfg(test)]
pub fn waiting_bytes() -> usize {
    pool().bytes
}

/// A recycled buffer that returns by itself when dropped.
pub struct Recycled(Vec<f32>);

impl Recycled {
    /// `len` floats with any contents.
    pub fn for_overwrite(len: usize) -> Self {
        Recycled(take_for_overwrite(len))
    }
}

impl core::ops::Deref for Recycled {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl core::ops::DerefMut for Recycled {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl Drop for Recycled {
    fn drop(&mut self) {
        give(core::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_bracket_every_length() {
        for len in (SMALLEST..100_000).step_by(37).chain([1 << 20, (1 << 20) + 1, 12_345_678]) {
            let (below, above) = (class_below(len).unwrap_or(0), class_above(len).unwrap_or(0));
            assert!(class_size(below) <= len && len <= class_size(above), "{len}");
            assert!(class_size(above) * 4 <= len * 5 + 4, "{len} wastes more than a fifth");
        }
    }

    /// One test, because the pool is one: recycling and clearing.
    #[test]
    fn a_buffer_comes_back() {
        let len = 7_654_321;
        let mut first = take_for_overwrite(len);
        first.fill(3.0);
        let address = first.as_ptr();
        give(first);
        assert!(waiting_bytes() >= len * 4);
        let second = take_for_overwrite(len - 100);
        assert_eq!((second.as_ptr(), second.len()), (address, len - 100));
        give(second);
        let third = take_for_overwrite(len);
        assert_eq!(third.as_ptr(), address);
        drop(third);
        drop(Recycled::for_overwrite(len));
        assert!(waiting_bytes() >= len * 4);
        assert!(take_for_overwrite(5).len() == 5);
        clear();
        assert!(waiting_bytes() < len * 4);
    }
}
