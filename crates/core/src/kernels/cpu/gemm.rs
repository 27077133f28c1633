//! Matrix products for linear layers and 1x1 convolutions: `y = x w`, `dx = dy wᵀ`, `dw = xᵀ dy`.

use core::ops::Range;

use super::buffers::Recycled;
use super::microkernel::{PANEL, Product, Rows, Strided, product};
use super::parallel::{Shared, parallel_for, part, with_scratch};
use super::reduce::sum_shares;
use super::simd::{ALIGN, padded};

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

/// The right-hand matrix of a product, cut into panels of 64 columns.
pub(crate) struct PackedMatrix<'a> {
    panels: Panels<'a>,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

enum Panels<'a> {
    /// `[panel][row][64]`, zeros beyond the last column.
    Packed(Recycled),
    /// The matrix as it is, its columns whole vectors.
    InPlace(&'a [f32]),
}

impl<'a> PackedMatrix<'a> {
    /// Packs `matrix` `[rows][columns]` for a product of `uses` rows; for few it is not worth the copy.
    pub(crate) fn new(matrix: &'a [f32], rows: usize, columns: usize, uses: usize) -> Self {
        const FEW: usize = 48;
        if uses <= FEW && columns.is_multiple_of(ALIGN) {
            return PackedMatrix { panels: Panels::InPlace(matrix), rows, columns };
        }
        Self::pack(rows, columns, |panel, from| {
            let width = PANEL.min(columns - from);
            for (target, source) in panel.chunks_exact_mut(PANEL).zip(matrix.chunks_exact(columns)) {
                target[..width].copy_from_slice(&source[from..from + width]);
                target[width..].fill(0.0);
            }
        })
    }

    /// Packs the transpose of `matrix` `[columns][rows]`.
    pub(crate) fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Self {
        /// Rows turned at a time, so that the rows written stay in the first-level cache.
        const TURN: usize = 16;
        Self::pack(rows, columns, |panel, from| {
            let width = PANEL.min(columns - from);
            for (block, target) in panel.chunks_mut(TURN * PANEL).enumerate() {
                if width < PANEL {
                    target.fill(0.0);
                }
                let rows_here = target.len() / PANEL;
                for column in 0..width {
                    let source = &matrix[(from + column) * rows + block * TURN..][..rows_here];
                    for (row, &x) in source.iter().enumerate() {
                        target[row * PANEL + column] = x;
                    }
                }
            }
        })
    }

    fn pack(rows: usize, columns: usize, fill: impl Fn(&mut [f32], usize) + Sync + Send) -> Self {
        let len = rows * PANEL;
        let mut panels = Recycled::for_overwrite(columns.div_ceil(PANEL) * len);
        let shared = Shared::new(&mut panels);
        // SAFETY: each job has its own panel.
        parallel_for(columns.div_ceil(PANEL), |i| unsafe { fill(shared.range(i * len..(i + 1) * len), i * PANEL) });
        PackedMatrix { panels: Panels::Packed(panels), rows, columns }
    }

    pub(crate) fn panel_count(&self) -> usize {
        self.columns.div_ceil(PANEL)
    }

    /// Row `row` of a panel, and the distance to the next row.
    fn at(&self, panel: usize, row: usize) -> Rows<*const f32> {
        match &self.panels {
            Panels::Packed(panels) => {
                Rows { pointer: panels[(panel * self.rows + row) * PANEL..].as_ptr(), row: PANEL }
            }
            Panels::InPlace(matrix) => {
                Rows { pointer: matrix[row * self.columns + panel * PANEL..].as_ptr(), row: self.columns }
            }
        }
    }
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

/// Channels of one job of a weight gradient, in and out, and the rows it copies at a time.
const SLICE_IN: usize = 64;
const SLICE_OUT: usize = 128;
const ROWS: usize = 128;
/// Fewest rows for which a partial sum of its own pays.
const ROWS_PER_SHARE: usize = 1024;

/// `dw = xᵀ dy` of [`linear`].
pub fn linear_weight_gradient(shape: &LinearShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let LinearShape { rows, c_in, c_out } = *shape;
    assert_eq!((x.len(), dw.len(), dy.len()), (rows * c_in, c_in * c_out, rows * c_out), "linear weight gradient");
    let fill = |rows: Range<usize>, columns: Range<usize>, block: &mut [f32], stride: usize| {
        copy_columns(&x[rows.start * c_in..rows.end * c_in], c_in, columns, block, stride);
    };
    weight_gradient(rows, c_in, c_out, dy, dw, fill);
}

/// Columns of the rows of `matrix`, packed with `stride` floats per row.
pub(crate) fn copy_columns(matrix: &[f32], width: usize, columns: Range<usize>, block: &mut [f32], stride: usize) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::Isa;
    use crate::kernels::cpu::reference::{Conv, Noise, assert_close};

    #[test]
    fn linear_and_gradients() {
        let shapes = [
            (1, 1, 1),
            (2, 3, 5),
            (7, 64, 64),
            (100, 20, 130),
            (97, 200, 17),
            (300, 130, 65),
            (3000, 8, 3),
            (16, 64, 256),
        ];
        Isa::for_each(|isa| {
            for (rows, c_in, c_out) in shapes {
                let shape = LinearShape { rows, c_in, c_out };
                let what = format!("{shape:?} {isa:?}");
                let conv = Conv {
                    batch: rows,
                    input: (1, 1),
                    output: (1, 1),
                    c_in,
                    c_out,
                    kernel: (1, 1),
                    stride: 1,
                    padding: (0, 0),
                };
                let mut noise = Noise::new(1);
                let (x, w, bias) = (noise.vec(rows * c_in), noise.vec(c_in * c_out), noise.vec(c_out));
                let (dy, residual) = (noise.vec(rows * c_out), noise.vec(rows * c_out));
                let mut expected = conv.forward(&x, &w);
                let mut y = vec![f32::NAN; rows * c_out];
                linear(&shape, &x, &w, None, None, &mut y);
                assert_close(&y, &expected, 1e-5, &what);
                expected.iter_mut().enumerate().for_each(|(i, y)| *y += (bias[i % c_out] + residual[i]) as f64);
                linear(&shape, &x, &w, Some(&bias), Some(&residual), &mut y);
                assert_close(&y, &expected, 1e-5, &what);
                let mut dx = vec![f32::NAN; x.len()];
                linear_input_gradient(&shape, &dy, &w, &mut dx);
                assert_close(&dx, &conv.input_gradient(&dy, &w), 1e-5, &what);
                let mut dw = vec![f32::NAN; w.len()];
                linear_weight_gradient(&shape, &x, &dy, &mut dw);
                assert_close(&dw, &conv.weight_gradient(&x, &dy), 1e-5, &what);
            }
        });
    }
}
