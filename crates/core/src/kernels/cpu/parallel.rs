//! Jobs over threads, and what they share.
//!
//! A kernel cuts its work into jobs by shape alone, never by the number of threads, and each output is computed by one job in one
//! order: results are the same bits on any number of threads.

use core::cell::RefCell;
use core::marker::PhantomData;
use core::ops::Range;

/// Runs `job(0)`, …, `job(jobs - 1)`, on the threads of the current rayon pool where there are threads.
#[cfg(not(target_family = "wasm"))]
pub fn parallel_for(jobs: usize, job: impl Fn(usize) + Sync + Send) {
    use rayon::prelude::*;
    match jobs {
        0 => {}
        1 => job(0),
        _ => (0..jobs).into_par_iter().with_max_len(1).for_each(job),
    }
}

/// Runs `job(0)`, …, `job(jobs - 1)`, on the threads that have joined the module.
#[cfg(target_family = "wasm")]
pub fn parallel_for(jobs: usize, job: impl Fn(usize) + Sync) {
    super::threads::THREADS.run(jobs, &job);
}

/// Part `index` of `0..total` cut into `parts` nearly equal ranges.
#[inline(always)]
pub(crate) fn part(index: usize, parts: usize, total: usize) -> Range<usize> {
    index * total / parts..(index + 1) * total / parts
}

/// A mutable slice that the jobs of one kernel write at once, each its own elements.
pub(crate) struct Shared<'a, T = f32> {
    pointer: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

impl<T> Clone for Shared<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<'_, T> {}

// SAFETY: access goes through `pointer` and `range`, whose callers promise that no two jobs touch the same element.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Shared { pointer: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// The first element. Writing through it is the kernel's promise to stay within its own part.
    #[inline(always)]
    pub(crate) fn pointer(self) -> *mut T {
        self.pointer
    }

    /// # Safety
    /// No job may write `range` while the result lives.
    pub(crate) unsafe fn read(self, range: Range<usize>) -> &'a [T] {
        assert!(range.start <= range.end && range.end <= self.len, "a job's range lies outside the slice");
        // SAFETY: inside the slice by the assertion, not written by the caller's promise.
        unsafe { core::slice::from_raw_parts(self.pointer.add(range.start), range.end - range.start) }
    }

    /// # Safety
    /// No other job may touch `range` while the result lives.
    pub(crate) unsafe fn range(self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "a job's range lies outside the slice");
        // SAFETY: inside the slice by the assertion, unaliased by the caller's promise.
        unsafe { core::slice::from_raw_parts_mut(self.pointer.add(range.start), range.end - range.start) }
    }
}

/// Lends `len` floats, aligned to a cache line and with any contents, that stay with the thread: no page is touched
/// for the first time after the first step. Jobs do not start jobs, so the loan is never asked for twice.
pub(crate) fn with_scratch<R>(len: usize, body: impl FnOnce(*mut f32) -> R) -> R {
    const LINE: usize = 16;
    thread_local! {
        static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    }
    SCRATCH.with(|scratch| {
        let mut scratch = scratch.borrow_mut();
        if scratch.len() < len + LINE {
            *scratch = vec![0.0; len + LINE];
        }
        let skip = scratch.as_ptr().align_offset(64).min(LINE);
        body(scratch[skip..].as_mut_ptr())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_whole_in_order() {
        for (parts, total) in [(1, 5), (3, 10), (7, 7), (4, 2)] {
            let ranges: Vec<_> = (0..parts).map(|i| part(i, parts, total)).collect();
            assert_eq!(ranges[0].start, 0);
            assert!(ranges.windows(2).all(|w| w[0].end == w[1].start));
            assert_eq!(ranges[parts - 1].end, total);
        }
    }

    #[test]
    fn every_job_runs_once() {
        let mut out = vec![0.0; 100];
        let shared = Shared::new(&mut out);
        // SAFETY: each job has its own element.
        parallel_for(100, |i| unsafe { shared.range(i..i + 1)[0] += i as f32 });
        assert!(out.iter().enumerate().all(|(i, &x)| x == i as f32));
    }

    #[test]
    fn scratch_is_aligned() {
        with_scratch(100, |p| assert_eq!(p as usize % 64, 0));
    }
}
