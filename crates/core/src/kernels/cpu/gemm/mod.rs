//! Matrix products for linear layers and 1x1 convolutions: `y = x w`, `dx = dy wᵀ`, `dw = xᵀ dy`.

mod packed;
mod weight_gradient;

use core::ops::Range;

pub(crate) use packed::PackedMatrix;
pub(crate) use weight_gradient::weight_gradient;

use super::microkernel::{PANEL, Product, Rows, Strided, product};
use super::parallel::{Shared, parallel_for, part};
use super::simd::ALIGN;

/// Depth of a product whose panel of 64 columns stays in the first-level cache.
const DEPTH: usize = 128;
/// Rows of one job.
const BLOCK: usize = 96;
/// Jobs worth having, and multiplications that one should have at least.
pub(crate) const JOBS: usize = 8;
const JOB_WORK: usize = 1 << 19;

/// The extents of a linear layer `[rows][c_in] -> [rows][c_out]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearShape {
    pub rows: usize,
    pub c_in: usize,
    pub c_out: usize,
}

/// What an output starts from before the product is added.
#[derive(Clone, Copy)]
pub(crate) struct Start<'a> {
    pub bias: Option<&'a [f32]>,
    /// Same extents as the output.
    pub residual: Option<&'a [f32]>,
}

impl Start<'_> {
    /// Fills `row[..]` of output row `at`, columns `from..`, if there is anything to start from.
    fn fill(&self, row: &mut [f32], at: usize, columns: usize, from: usize) {
        let residual = self.residual.map(|residual| &residual[at * columns + from..][..row.len()]);
        match (self.bias.map(|bias| &bias[from..][..row.len()]), residual) {
            (Some(bias), Some(residual)) => {
                row.iter_mut().zip(bias).zip(residual).for_each(|((y, b), r)| *y = b + r);
            }
            (Some(start), None) | (None, Some(start)) => row.copy_from_slice(start),
            (None, None) => {}
        }
    }

    fn is_zero(&self) -> bool {
        self.bias.is_none() && self.residual.is_none()
    }
}

/// `c[rows][columns of the panels] = start + a b` for some rows and panels of `b`.
/// # Safety
/// `a` must be readable over `rows.len() x b.rows`; no other job may touch these rows and panels of `c`.
pub(crate) unsafe fn multiply_block(
    a: Strided,
    b: &PackedMatrix,
    panels: Range<usize>,
    rows: Range<usize>,
    start: Start,
    c: Shared,
) {
    let steps = if b.rows <= DEPTH * 3 / 2 { 1 } else { b.rows.div_ceil(DEPTH) };
    for panel in panels {
        let from = panel * PANEL;
        let width = PANEL.min(b.columns - from);
        for row in rows.clone() {
            // SAFETY: the job's own row and panel.
            start.fill(
                unsafe { c.range(row * b.columns + from..row * b.columns + from + width) },
                row,
                b.columns,
                from,
            );
        }
        for step in 0..steps {
            let depth = part(step, steps, b.rows);
            // SAFETY: depth and panel lie inside `a` and `b`; `c` covers the rows.
            unsafe {
                let job = Product {
                    rows: rows.len(),
                    depth: depth.len(),
                    width,
                    a: Strided { pointer: a.pointer.add(depth.start * a.depth), ..a },
                    b: b.at(panel, depth.start),
                    c: Rows { pointer: c.pointer().add(rows.start * b.columns + from), row: b.columns },
                    accumulate: step > 0 || !start.is_zero(),
                };
                multiply_any_width(job);
            }
        }
        if b.rows == 0 && start.is_zero() {
            // SAFETY: the job's own rows and panel.
            rows.clone().for_each(|r| unsafe { c.range(r * b.columns + from..r * b.columns + from + width).fill(0.0) });
        }
    }
}

/// A product whose width need not be whole vectors: the columns left over go by way of a block that has room for them.
/// # Safety
/// As for [`product`], except that `c` has just `width` columns; `b` has them padded.
unsafe fn multiply_any_width(job: Product) {
    let whole = job.width / ALIGN * ALIGN;
    let left = job.width - whole;
    // SAFETY: the first `whole` columns exist in `c`, the others in the block.
    unsafe {
        if whole > 0 {
            product(&Product { width: whole, ..job });
        }
        for first in (0..if left > 0 { job.rows } else { 0 }).step_by(BLOCK) {
            let mut block = [0.0; BLOCK * ALIGN];
            let rows = BLOCK.min(job.rows - first);
            let c = job.c.pointer.add(first * job.c.row + whole);
            product(&Product {
                rows,
                width: ALIGN,
                a: Strided { pointer: job.a.pointer.add(first * job.a.row), ..job.a },
                b: Rows { pointer: job.b.pointer.add(whole), ..job.b },
                c: Rows { pointer: block.as_mut_ptr(), row: ALIGN },
                accumulate: false,
                ..job
            });
            for (i, source) in block.chunks_exact(ALIGN).take(rows).enumerate() {
                let target = core::slice::from_raw_parts_mut(c.add(i * job.c.row), left);
                if job.accumulate {
                    target.iter_mut().zip(source).for_each(|(y, x)| *y += x);
                } else {
                    target.copy_from_slice(&source[..left]);
                }
            }
        }
    }
}

/// Splits `rows x panels` into jobs: (blocks of rows, shares of panels).
pub(crate) fn split(rows: usize, depth: usize, panels: usize) -> (usize, usize) {
    let worth = (rows * depth * panels * PANEL / JOB_WORK).max(1);
    let blocks = rows.div_ceil(BLOCK).min(worth);
    (blocks, (worth.min(JOBS) / blocks.max(1)).clamp(1, panels.max(1)))
}

/// `y = a b` for `a` `[rows][b.rows]`.
fn multiply(rows: usize, a: &[f32], b: &PackedMatrix, start: Start, y: &mut [f32]) {
    let (blocks, shares) = split(rows, b.rows, b.panel_count());
    let y = Shared::new(y);
    parallel_for(blocks * shares, |index| {
        let rows = part(index % blocks, blocks, rows);
        let panels = part(index / blocks, shares, b.panel_count());
        // SAFETY: each job has its own rows and panels; `a` holds the rows.
        unsafe {
            let a = Strided { pointer: a.as_ptr().add(rows.start * b.rows), row: b.rows, depth: 1 };
            multiply_block(a, b, panels, rows, start, y);
        }
    });
}

/// `y = x w + bias + residual`, with `w` `[c_in][c_out]`.
pub fn linear(
    shape: &LinearShape,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    residual: Option<&[f32]>,
    y: &mut [f32],
) {
    let LinearShape { rows, c_in, c_out } = *shape;
    assert_eq!((x.len(), w.len(), y.len()), (rows * c_in, c_in * c_out, rows * c_out), "linear layer");
    assert!(bias.is_none_or(|bias| bias.len() == c_out), "linear bias");
    assert!(residual.is_none_or(|residual| residual.len() == y.len()), "linear residual");
    multiply(rows, x, &PackedMatrix::new(w, c_in, c_out, rows), Start { bias, residual }, y);
}

/// `dx = dy wᵀ` of [`linear`].
pub fn linear_input_gradient(shape: &LinearShape, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    let LinearShape { rows, c_in, c_out } = *shape;
    assert_eq!((dx.len(), w.len(), dy.len()), (rows * c_in, c_in * c_out, rows * c_out), "linear input gradient");
    multiply(rows, dy, &PackedMatrix::transposed(w, c_out, c_in), Start { bias: None, residual: None }, dx);
}

/// `dw = xᵀ dy` of [`linear`].
pub fn linear_weight_gradient(shape: &LinearShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let LinearShape { rows, c_in, c_out } = *shape;
    assert_eq!((x.len(), dw.len(), dy.len()), (rows * c_in, c_in * c_out, rows * c_out), "linear weight gradient");
    let fill = |rows: Range<usize>, columns: Range<usize>, block: &mut [f32], stride: usize| {
        weight_gradient::copy_columns(&x[rows.start * c_in..rows.end * c_in], c_in, columns, block, stride);
    };
    weight_gradient(rows, c_in, c_out, dy, dw, fill);
}

#[cfg(test)]
mod tests;
