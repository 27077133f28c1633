//! `dw = aᵀ dy` over rows that are copied, or gathered, a block at a time.

use core::ops::Range;

use super::JOBS;
use crate::kernels::cpu::buffers::Recycled;
use crate::kernels::cpu::microkernel::{Product, Rows, Strided, product};
use crate::kernels::cpu::parallel::{Shared, parallel_for, part, with_scratch};
use crate::kernels::cpu::reduce::sum_shares;
use crate::kernels::cpu::simd::{ALIGN, padded};

/// Channels of one job of a weight gradient, in and out, and the rows it copies at a time.
const SLICE_IN: usize = 64;
const SLICE_OUT: usize = 128;
const ROWS: usize = 128;
/// Fewest rows for which a partial sum of its own pays.
const ROWS_PER_SHARE: usize = 1024;

/// Columns of the rows of `matrix`, packed with `stride` floats per row.
pub(super) fn copy_columns(matrix: &[f32], width: usize, columns: Range<usize>, block: &mut [f32], stride: usize) {
    for (target, source) in block.chunks_exact_mut(stride).zip(matrix.chunks_exact(width)) {
        target[..columns.len()].copy_from_slice(&source[columns.clone()]);
    }
}

/// `dw[depth][c_out] = aᵀ dy`, where `fill(rows, columns, block, stride)` writes a part of the `[rows][depth]` matrix `a`.
pub(crate) fn weight_gradient(
    rows: usize,
    depth: usize,
    c_out: usize,
    dy: &[f32],
    dw: &mut [f32],
    fill: impl Fn(Range<usize>, Range<usize>, &mut [f32], usize) + Sync + Send,
) {
    let (slices_in, slices_out) = (depth.div_ceil(SLICE_IN), c_out.div_ceil(SLICE_OUT));
    let slices = slices_in * slices_out;
    let shares = JOBS.div_ceil(slices.max(1)).min(rows / ROWS_PER_SHARE).max(1);
    let mut partial = Recycled::for_overwrite(if shares == 1 { 0 } else { shares * dw.len() });
    let len = dw.len();
    {
        let out = Shared::new(if shares == 1 { &mut *dw } else { &mut partial });
        parallel_for(slices * shares, |index| {
            let (slice, share) = (index % slices, index / slices);
            let job = WeightJob {
                rows: part(share, shares, rows),
                c_in: part(slice / slices_out, slices_in, depth),
                c_out: part(slice % slices_out, slices_out, c_out),
                dy,
                dy_columns: c_out,
            };
            // SAFETY: each job writes its own channels of its own share; the scratch has the length the job asks for.
            with_scratch(job.scratch_len(), |scratch| unsafe { job.run(scratch, &fill, out, share * len) });
        });
    }
    if shares > 1 {
        sum_shares(&partial, dw);
    }
}

/// A slice of input and output channels over a share of the rows.
struct WeightJob<'a> {
    rows: Range<usize>,
    c_in: Range<usize>,
    c_out: Range<usize>,
    dy: &'a [f32],
    dy_columns: usize,
}

impl WeightJob<'_> {
    /// Strides of the copies of `a` and `dy`: not a power of two, which would use few sets of the cache.
    fn strides(&self) -> (usize, usize) {
        (padded(self.c_in.len()) + ALIGN, padded(self.c_out.len()) + ALIGN)
    }

    fn scratch_len(&self) -> usize {
        let (a, b) = self.strides();
        ROWS * (a + b) + self.c_in.len() * padded(self.c_out.len())
    }

    /// # Safety
    /// `scratch` must hold `scratch_len` floats; no other job may touch this job's channels at `offset` of `out`.
    unsafe fn run<F: Fn(Range<usize>, Range<usize>, &mut [f32], usize)>(
        &self,
        scratch: *mut f32,
        fill: &F,
        out: Shared,
        offset: usize,
    ) {
        let (a_stride, b_stride) = self.strides();
        let width = padded(self.c_out.len());
        // SAFETY: the caller's promise.
        let scratch = unsafe { core::slice::from_raw_parts_mut(scratch, self.scratch_len()) };
        let (a, rest) = scratch.split_at_mut(ROWS * a_stride);
        let (b, sums) = rest.split_at_mut(ROWS * b_stride);
        sums.fill(0.0);
        for first in self.rows.clone().step_by(ROWS) {
            let rows = first..self.rows.end.min(first + ROWS);
            fill(rows.clone(), self.c_in.clone(), a, a_stride);
            let dy = &self.dy[rows.start * self.dy_columns..rows.end * self.dy_columns];
            copy_columns(dy, self.dy_columns, self.c_out.clone(), b, b_stride);
            // SAFETY: the copies hold the rows, `sums` the product.
            unsafe {
                product(&Product {
                    rows: self.c_in.len(),
                    depth: rows.len(),
                    width,
                    a: Strided { pointer: a.as_ptr(), row: 1, depth: a_stride },
                    b: Rows { pointer: b.as_ptr(), row: b_stride },
                    c: Rows { pointer: sums.as_mut_ptr(), row: width },
                    accumulate: true,
                });
            }
        }
        for (i, sums) in sums.chunks_exact(width.max(1)).enumerate() {
            let to = offset + (self.c_in.start + i) * self.dy_columns + self.c_out.start;
            // SAFETY: the job's own channels.
            unsafe { out.range(to..to + self.c_out.len()) }.copy_from_slice(&sums[..self.c_out.len()]);
        }
    }
}
