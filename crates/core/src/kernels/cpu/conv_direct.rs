//! Convolution with any kernel, stride and padding as a matrix product over gathered pixels (im2col), a block of rows at a time.
//!
//! The plain algorithm: exact sums, for the strided, 1x1 and three-channel convolutions, and to check Winograd with.

use core::ops::Range;

use super::buffers::Recycled;
use super::epilogue::Epilogue;
use super::gemm::{self, PackedMatrix, Start, multiply_block};
use super::microkernel::{PANEL, Strided};
use super::parallel::{Shared, parallel_for, part, with_scratch};
use super::simd::ALIGN;

/// The extents of a convolution. What is padded below and to the right follows from the size of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dShape {
    pub batch: usize,
    /// Height and width of the input.
    pub input: (usize, usize),
    /// Height and width of the output.
    pub output: (usize, usize),
    pub c_in: usize,
    pub c_out: usize,
    pub kernel: (usize, usize),
    pub stride: usize,
    /// Rows of zeros above the image and columns to its left.
    pub padding: (usize, usize),
}

impl Conv2dShape {
    fn assert(&self, x: &[f32], w: &[f32], y: &[f32]) {
        let (taps, batch) = (self.kernel.0 * self.kernel.1, self.batch);
        assert!(self.stride > 0, "convolution stride");
        assert_eq!(x.len(), batch * self.input.0 * self.input.1 * self.c_in, "convolution input");
        assert_eq!(w.len(), taps * self.c_in * self.c_out, "convolution weight");
        assert_eq!(y.len(), batch * self.output.0 * self.output.1 * self.c_out, "convolution output");
    }

    /// The pixels of `x` that each output pixel sums.
    fn receptive_fields<'a>(&self, x: &'a [f32]) -> Gather<'a> {
        let taps = (0..self.kernel.0 as isize).flat_map(|h| (0..self.kernel.1 as isize).map(move |w| (h, w)));
        Gather {
            source: x,
            size: self.input,
            channels: self.c_in,
            grid: self.output,
            origin: (-(self.padding.0 as isize), -(self.padding.1 as isize)),
            step: self.stride as isize,
            taps: taps.collect(),
        }
    }
}

/// A matrix whose rows are pixels of a grid and whose columns are the channels of some pixels of a source image near each:
/// tap `t` of grid pixel `(i, j)` is source pixel `origin + step (i, j) + taps[t]`, zero outside the image.
struct Gather<'a> {
    source: &'a [f32],
    size: (usize, usize),
    channels: usize,
    grid: (usize, usize),
    origin: (isize, isize),
    step: isize,
    taps: Vec<(isize, isize)>,
}

impl Gather<'_> {
    fn columns(&self) -> usize {
        self.taps.len() * self.channels
    }

    /// Image, row and column of a pixel of the grid.
    fn at(&self, pixel: usize) -> (usize, usize, usize) {
        let rest = pixel % (self.grid.0 * self.grid.1);
        (pixel / (self.grid.0 * self.grid.1), rest / self.grid.1, rest % self.grid.1)
    }

    /// Writes `columns` of `rows` to `block`, `stride` floats per row.
    fn fill(&self, rows: Range<usize>, columns: Range<usize>, block: &mut [f32], stride: usize) {
        for (row, target) in rows.zip(block.chunks_exact_mut(stride)) {
            let (image, i, j) = self.at(row);
            let corner = (self.origin.0 + self.step * i as isize, self.origin.1 + self.step * j as isize);
            let mut from = columns.start;
            while from < columns.end {
                let (tap, channel) = (from / self.channels, from % self.channels);
                let to = columns.end.min((tap + 1) * self.channels);
                let target = &mut target[from - columns.start..to - columns.start];
                match self.pixel(image, (corner.0 + self.taps[tap].0, corner.1 + self.taps[tap].1)) {
                    Some(pixel) => target.copy_from_slice(&pixel[channel..channel + target.len()]),
                    None => target.fill(0.0),
                }
                from = to;
            }
        }
    }

    /// The channels of a source pixel, if it lies inside the image.
    fn pixel(&self, image: usize, (h, w): (isize, isize)) -> Option<&[f32]> {
        let (h, w) = (usize::try_from(h).ok()?, usize::try_from(w).ok()?);
        let inside = h < self.size.0 && w < self.size.1;
        let pixel = ((image * self.size.0 + h) * self.size.1 + w) * self.channels;
        inside.then(|| &self.source[pixel..pixel + self.channels])
    }

    /// How a product with `rows` of these rows is cut into jobs: blocks of rows that stay in the second-level cache, and, for few
    /// rows, shares of the panels.
    fn split(&self, rows: usize, matrix: &PackedMatrix) -> (usize, usize) {
        const BYTES: usize = 256 << 10;
        let most = (BYTES / 4 / (self.columns() + ALIGN)).clamp(6, 96);
        let (blocks, shares) = gemm::split(rows, matrix.rows, matrix.panel_count());
        let blocks = blocks.max(rows.div_ceil(most));
        (blocks, if blocks >= gemm::JOBS { 1 } else { shares })
    }
}

/// `y = conv2d(x, w)`, then the epilogue.
pub fn forward(shape: &Conv2dShape, x: &[f32], w: &[f32], epilogue: Epilogue, y: &mut [f32]) {
    shape.assert(x, w, y);
    epilogue.assert_lengths(shape.batch, shape.c_out, y.len());
    let fields = shape.receptive_fields(x);
    let pixels = shape.output.0 * shape.output.1;
    let total = shape.batch * pixels;
    let packed = PackedMatrix::new(w, fields.columns(), shape.c_out, total);
    let (blocks, shares) = fields.split(total, &packed);
    let y = Shared::new(y);
    parallel_for(blocks * shares, |index| {
        let rows = part(index % blocks, blocks, total);
        let panels = part(index / blocks, shares, packed.panel_count());
        let columns = panels.start * PANEL..shape.c_out.min(panels.end * PANEL);
        // SAFETY: each job has its own rows and panels.
        unsafe {
            multiply_gathered(&fields, &packed, rows.clone(), panels, (rows.start, y));
            epilogue.apply(rows, columns, pixels, shape.c_out, y);
        }
    });
}

/// Panels of `out = gathered rows x packed`; the first row goes to row `first` of `out`.
/// # Safety
/// No other job may touch these rows and panels of `out`.
unsafe fn multiply_gathered(
    gather: &Gather,
    packed: &PackedMatrix,
    rows: Range<usize>,
    panels: Range<usize>,
    (first, out): (usize, Shared),
) {
    // Not a power of two, so that the rows of a tile fall on different sets of the cache.
    let stride = gather.columns() + ALIGN;
    with_scratch(rows.len() * stride, |scratch| {
        // SAFETY: the scratch holds the rows.
        let block = unsafe { core::slice::from_raw_parts_mut(scratch, rows.len() * stride) };
        gather.fill(rows.clone(), 0..gather.columns(), block, stride);
        let a = Strided { pointer: block.as_ptr(), row: stride, depth: 1 };
        let start = Start { bias: None, residual: None };
        // SAFETY: `block` holds the rows; `out` is the caller's promise.
        unsafe { multiply_block(a, packed, panels, first..first + rows.len(), start, out) };
    });
}

/// `dx` of [`forward`]. Input pixels with the same remainder by the stride are reached by the same taps:
/// for each remainder it is a small stride-1 convolution of `dy`.
pub fn input_gradient(shape: &Conv2dShape, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    shape.assert(dx, w, dy);
    let dx = Shared::new(dx);
    for (h, w_remainder) in (0..shape.stride).flat_map(|h| (0..shape.stride).map(move |w| (h, w))) {
        let class = (Remainder::new(shape, 0, h), Remainder::new(shape, 1, w_remainder));
        class_gradient(shape, class, dy, w, dx);
    }
}

/// Along one axis: the input positions `p` with `(p + padding) mod stride = remainder`, and the taps that reach them.
#[derive(Clone, Copy)]
struct Remainder {
    /// First position, and how many there are, `stride` apart.
    first: usize,
    count: usize,
    /// Output position of the first one by the first tap.
    origin: isize,
    /// The taps are `remainder, remainder + stride, …`.
    remainder: usize,
    taps: usize,
}

impl Remainder {
    fn new(shape: &Conv2dShape, axis: usize, remainder: usize) -> Self {
        let pick = |(h, w): (usize, usize)| if axis == 0 { h } else { w };
        let (padding, stride) = (pick(shape.padding), shape.stride);
        let first = (remainder + padding * stride - padding) % stride;
        Remainder {
            first,
            count: pick(shape.input).saturating_sub(first).div_ceil(stride),
            origin: (first + padding - remainder) as isize / stride as isize,
            remainder,
            taps: pick(shape.kernel).saturating_sub(remainder).div_ceil(stride),
        }
    }
}

/// `dx` at the positions of one class.
fn class_gradient(shape: &Conv2dShape, (h, w): (Remainder, Remainder), dy: &[f32], weight: &[f32], dx: Shared) {
    let taps: Vec<(usize, usize)> = (0..h.taps).flat_map(|i| (0..w.taps).map(move |j| (i, j))).collect();
    let fields = Gather {
        source: dy,
        size: shape.output,
        channels: shape.c_out,
        grid: (h.count, w.count),
        origin: (h.origin, w.origin),
        step: 1,
        taps: taps.iter().map(|&(i, j)| (-(i as isize), -(j as isize))).collect(),
    };
    let plane = shape.c_in * shape.c_out;
    // The class's taps side by side: [c_in] rows of [tap][c_out].
    let mut weights = Recycled::for_overwrite(taps.len() * plane);
    for (t, &(i, j)) in taps.iter().enumerate() {
        let tap = (h.remainder + i * shape.stride) * shape.kernel.1 + w.remainder + j * shape.stride;
        for (c, source) in weight[tap * plane..(tap + 1) * plane].chunks_exact(shape.c_out).enumerate() {
            weights[(c * taps.len() + t) * shape.c_out..][..shape.c_out].copy_from_slice(source);
        }
    }
    let packed = PackedMatrix::transposed(&weights, fields.columns(), shape.c_in);
    let total = shape.batch * h.count * w.count;
    let (blocks, shares) = fields.split(total, &packed);
    parallel_for(blocks * shares, |index| {
        let rows = part(index % blocks, blocks, total);
        let panels = part(index / blocks, shares, packed.panel_count());
        let columns = panels.start * PANEL..shape.c_in.min(panels.end * PANEL);
        let mut product = Recycled::for_overwrite(rows.len() * shape.c_in);
        // SAFETY: the product is this job's.
        unsafe { multiply_gathered(&fields, &packed, rows.clone(), panels, (0, Shared::new(&mut product))) };
        for (row, product) in rows.zip(product.chunks_exact(shape.c_in)) {
            let (image, i, j) = fields.at(row);
            let (i, j) = (h.first + i * shape.stride, w.first + j * shape.stride);
            let to = ((image * shape.input.0 + i) * shape.input.1 + j) * shape.c_in;
            // SAFETY: each input pixel belongs to one row of one class, each column to one job.
            unsafe { dx.range(to + columns.start..to + columns.end) }.copy_from_slice(&product[columns.clone()]);
        }
    });
}

/// `dw` (HWIO) of [`forward`].
pub fn weight_gradient(shape: &Conv2dShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    shape.assert(x, dw, dy);
    let fields = shape.receptive_fields(x);
    let rows = shape.batch * shape.output.0 * shape.output.1;
    let fill = |rows: Range<usize>, columns: Range<usize>, block: &mut [f32], stride: usize| {
        fields.fill(rows, columns, block, stride);
    };
    gemm::weight_gradient(rows, fields.columns(), shape.c_out, dy, dw, fill);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::Isa;
    use crate::kernels::cpu::reference::{Conv, Noise, assert_close, with_threads};

    fn conv(shape: &Conv2dShape) -> Conv {
        let Conv2dShape { batch, input, output, c_in, c_out, kernel, stride, padding } = *shape;
        Conv { batch, input, output, c_in, c_out, kernel, stride, padding }
    }

    fn check(shape: &Conv2dShape, isa: Isa) {
        let what = format!("{shape:?} {isa:?}");
        let (mut noise, conv) = (Noise::new(21), conv(shape));
        let x = noise.vec(shape.batch * shape.input.0 * shape.input.1 * shape.c_in);
        let w = noise.vec(shape.kernel.0 * shape.kernel.1 * shape.c_in * shape.c_out);
        let pixels = shape.output.0 * shape.output.1;
        let outputs = shape.batch * pixels * shape.c_out;
        let (dy, residual, bias) = (noise.vec(outputs), noise.vec(outputs), noise.vec(shape.c_out));
        let sample_bias = noise.vec(shape.batch * shape.c_out);
        let mut expected = conv.forward(&x, &w);
        for (i, y) in expected.iter_mut().enumerate() {
            let (image, k) = (i / (pixels * shape.c_out), i % shape.c_out);
            *y = (*y + (bias[k] + sample_bias[image * shape.c_out + k] + residual[i]) as f64) * 0.5;
        }
        let epilogue =
            Epilogue { bias: Some(&bias), sample_bias: Some(&sample_bias), residual: Some(&residual), scale: 0.5 };
        let mut y = vec![f32::NAN; outputs];
        forward(shape, &x, &w, epilogue, &mut y);
        assert_close(&y, &expected, 1e-5, &format!("forward {what}"));
        let mut dx = vec![f32::NAN; x.len()];
        input_gradient(shape, &dy, &w, &mut dx);
        assert_close(&dx, &conv.input_gradient(&dy, &w), 1e-5, &format!("input gradient {what}"));
        let mut dw = vec![f32::NAN; w.len()];
        weight_gradient(shape, &x, &dy, &mut dw);
        assert_close(&dw, &conv.weight_gradient(&x, &dy), 1e-5, &format!("weight gradient {what}"));
    }

    #[test]
    fn kernels_strides_and_paddings() {
        let three = Conv2dShape {
            batch: 2,
            input: (8, 8),
            output: (4, 4),
            c_in: 20,
            c_out: 33,
            kernel: (3, 3),
            stride: 2,
            padding: (1, 1),
        };
        let shapes = [
            three,
            Conv2dShape { padding: (0, 0), ..three },
            Conv2dShape { input: (7, 9), output: (4, 5), c_in: 3, ..three },
            Conv2dShape { input: (9, 7), output: (4, 3), padding: (0, 0), c_out: 3, ..three },
            Conv2dShape { output: (8, 8), stride: 1, batch: 1, ..three },
            Conv2dShape { output: (8, 8), stride: 1, kernel: (1, 1), padding: (0, 0), ..three },
            Conv2dShape { kernel: (1, 1), padding: (0, 0), ..three },
            Conv2dShape { input: (11, 10), output: (4, 3), kernel: (5, 4), stride: 3, padding: (2, 1), ..three },
            Conv2dShape { input: (1, 1), output: (1, 1), c_in: 1, c_out: 1, ..three },
            Conv2dShape { input: (32, 32), output: (32, 32), stride: 1, c_in: 3, c_out: 64, ..three },
            Conv2dShape { input: (2, 3), output: (1, 2), c_in: 130, c_out: 96, batch: 3, ..three },
        ];
        Isa::for_each(|isa| shapes.iter().for_each(|shape| check(shape, isa)));
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let shape = Conv2dShape {
            batch: 3,
            input: (32, 32),
            output: (32, 32),
            c_in: 3,
            c_out: 20,
            kernel: (3, 3),
            stride: 1,
            padding: (1, 1),
        };
        let mut noise = Noise::new(6);
        let (x, w, dy) = (noise.vec(3 * 1024 * 3), noise.vec(27 * 20), noise.vec(3 * 1024 * 20));
        let run = || {
            let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
            forward(&shape, &x, &w, Epilogue::default(), &mut y);
            input_gradient(&shape, &dy, &w, &mut dx);
            weight_gradient(&shape, &x, &dy, &mut dw);
            (y, dx, dw)
        };
        Isa::for_each(|_| assert!(with_threads(1, run) == with_threads(3, run)));
    }
}
