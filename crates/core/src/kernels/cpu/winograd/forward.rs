//! Forward pass and data gradient: the same convolution with differently packed weights.

use super::transform::{self, Ahead, Block, Pixels};
use super::weights::{Direction, GATHERED, PackedWeights, ROWS, RawWeights, Target};
use super::{ConvShape, Tile, Tiling};
use crate::kernels::cpu::epilogue::Epilogue;
use crate::kernels::cpu::microkernel::{PANEL, Product, Rows, Strided, product};
use crate::kernels::cpu::parallel::{Shared, parallel_for, part, with_scratch};
use crate::kernels::cpu::simd::{ALIGN, Simd, isa_entry, padded};

/// Bytes a block of tiles may fill: a third of the second-level cache, the weights of a panel passing through the rest.
const BLOCK_BYTES: usize = 320 << 10;
/// Depth of a product whose panel of 64 columns stays in the first-level cache.
const DEPTH: usize = 128;
/// Jobs worth having: enough for several threads to share evenly.
const JOBS: usize = 8;

/// `y = conv3x3(x, weights)`, then the epilogue. `weights` must be packed with [`Direction::Forward`](super::Direction).
pub fn forward(shape: &ConvShape, x: &[f32], weights: &PackedWeights, epilogue: Epilogue, y: &mut [f32]) {
    shape.assert_input(x);
    assert_eq!(y.len(), shape.output_len(), "convolution output");
    assert_eq!((weights.c_in, weights.c_out), (shape.c_in, shape.c_out), "packed weights");
    epilogue.assert_lengths(shape.batch, shape.c_out, y.len());
    convolve(shape, shape.upsample, x, Weights::Packed(weights), epilogue, false, y);
}

/// `dx` of [`forward`] from `dy`. `weights` must be packed with [`Direction::InputGradient`](super::Direction).
pub fn input_gradient(shape: &ConvShape, dy: &[f32], weights: &PackedWeights, dx: &mut [f32]) {
    shape.assert_input(dx);
    assert_eq!(dy.len(), shape.output_len(), "convolution output gradient");
    assert_eq!((weights.c_in, weights.c_out), (shape.c_out, shape.c_in), "packed weights");
    convolve(shape, false, dy, Weights::Packed(weights), Epilogue::default(), shape.upsample, dx);
}

/// [`forward`] with HWIO weights as they are: for few tiles they are transformed piece by piece where they are used, which saves
/// writing and reading four times their size.
pub fn forward_unpacked(shape: &ConvShape, x: &[f32], w: &[f32], tile: Tile, epilogue: Epilogue, y: &mut [f32]) {
    if !shape.favours_unpacked(tile, shape.c_in) {
        let weights = PackedWeights::new(w, shape.c_in, shape.c_out, tile, Direction::Forward);
        return forward(shape, x, &weights, epilogue, y);
    }
    shape.assert_input(x);
    assert_eq!((w.len(), y.len()), (shape.weight_len(), shape.output_len()), "convolution weight and output");
    epilogue.assert_lengths(shape.batch, shape.c_out, y.len());
    let weights = RawWeights { values: w, c_in: shape.c_in, c_out: shape.c_out, direction: Direction::Forward };
    convolve(shape, shape.upsample, x, Weights::Raw(weights, tile), epilogue, false, y);
}

/// [`input_gradient`] with HWIO weights as they are, like [`forward_unpacked`].
pub fn input_gradient_unpacked(shape: &ConvShape, dy: &[f32], w: &[f32], tile: Tile, dx: &mut [f32]) {
    if !shape.favours_unpacked(tile, shape.c_out) {
        let weights = PackedWeights::new(w, shape.c_in, shape.c_out, tile, Direction::InputGradient);
        return input_gradient(shape, dy, &weights, dx);
    }
    shape.assert_input(dx);
    assert_eq!((w.len(), dy.len()), (shape.weight_len(), shape.output_len()), "convolution weight and output");
    let weights = RawWeights { values: w, c_in: shape.c_in, c_out: shape.c_out, direction: Direction::InputGradient };
    convolve(shape, false, dy, Weights::Raw(weights, tile), Epilogue::default(), shape.upsample, dx);
}

/// Weights, transformed or not.
#[derive(Clone, Copy)]
enum Weights<'a> {
    Packed(&'a PackedWeights),
    Raw(RawWeights<'a>, Tile),
}

impl Weights<'_> {
    fn tile(&self) -> Tile {
        match self {
            Weights::Packed(weights) => weights.tile,
            Weights::Raw(_, tile) => *tile,
        }
    }

    /// Channels in and out.
    fn channels(&self) -> (usize, usize) {
        match self {
            Weights::Packed(weights) => (weights.c_in, weights.c_out),
            Weights::Raw(weights, _) => weights.channels(),
        }
    }
}

/// One convolution: the input is up-sampled, or each 2x2 square of the output summed.
fn convolve(
    shape: &ConvShape,
    upsample: bool,
    x: &[f32],
    weights: Weights,
    epilogue: Epilogue,
    pool: bool,
    y: &mut [f32],
) {
    let tile = weights.tile();
    let (c_in, c_out) = weights.channels();
    let tiling = Tiling::new(shape, tile);
    let panels = c_out.div_ceil(PANEL);
    let most = (BLOCK_BYTES / (4 * tile.points() * (padded(c_in) + PANEL))).max(6);
    let blocks = match weights {
        Weights::Packed(_) => tiling.count.div_ceil(most).next_multiple_of(2).min(tiling.count),
        // Every block transforms the weights again: only as many as make some jobs.
        Weights::Raw(..) => (JOBS / 2).div_ceil(panels.max(1)).min(tiling.count),
    };
    // Few tiles: jobs share out the output channels as well, so that each thread reads only its part of the weights.
    let shares = (JOBS / blocks.max(1)).clamp(1, panels.max(1));
    let y = Shared::new(y);
    parallel_for(blocks * shares, |index| {
        let (tiles, panels) = (part(index % blocks, blocks, tiling.count), part(index / blocks, shares, panels));
        let job = Job { tiling, tile, c_in, c_out, upsample, x, weights, epilogue, pool, y, tiles, panels };
        // SAFETY: each job writes its own tiles and channels; the scratch holds the blocks of `Job::layout`.
        with_scratch(job.layout().len, |scratch| unsafe {
            match tile {
                Tile::Two => run_two((&job, scratch)),
                Tile::Four => run_four((&job, scratch)),
            }
        });
    });
}

/// A block of tiles and some panels of output channels.
struct Job<'a> {
    tiling: Tiling,
    tile: Tile,
    c_in: usize,
    c_out: usize,
    upsample: bool,
    x: &'a [f32],
    weights: Weights<'a>,
    epilogue: Epilogue<'a>,
    pool: bool,
    y: Shared<'a>,
    tiles: core::ops::Range<usize>,
    panels: core::ops::Range<usize>,
}

/// Where the blocks lie in the scratch. Distances between points are no powers of two, which would all fall on one set of the cache.
struct Layout {
    /// Distance between points of the transformed input.
    input: usize,
    /// Where the products begin, and the distance between their points.
    products: usize,
    output: usize,
    /// Where weights are gathered, and where they are transformed to, if they are not packed.
    gathered: usize,
    transformed: usize,
    len: usize,
}

/// Distance between points of weights transformed piece by piece.
const WEIGHT_POINT: usize = ROWS * PANEL + ALIGN;

impl Job<'_> {
    #[inline(always)]
    fn layout(&self) -> Layout {
        let points = self.tile.points();
        let input = self.tiles.len() * padded(self.c_in) + ALIGN;
        let output = self.tiles.len() * PANEL + ALIGN;
        let products = points * input;
        let gathered = products + points * output;
        let transformed = gathered + GATHERED;
        let len = match self.weights {
            Weights::Packed(_) => gathered,
            Weights::Raw(..) => transformed + points * WEIGHT_POINT,
        };
        Layout { input, products, output, gathered, transformed, len }
    }
}

isa_entry! {
    unsafe fn run_two(job: (&Job<'_>, *mut f32)) = run::<_, 4, 2>;
}
isa_entry! {
    unsafe fn run_four(job: (&Job<'_>, *mut f32)) = run::<_, 6, 4>;
}

#[inline(always)]
unsafe fn run<S: Simd, const P: usize, const M: usize>(s: S, (job, scratch): (&Job<'_>, *mut f32)) {
    let c_in = job.c_in;
    let layout = job.layout();
    let pixels = Pixels { pointer: job.x.as_ptr(), channels: c_in, channel: 0, upsample: job.upsample as usize };
    let input = Block { pointer: scratch, point: layout.input, tile: padded(c_in) };
    // SAFETY: the scratch holds both blocks (`Job::layout`); `x` and `y` cover the images (asserted by the callers).
    unsafe {
        let output = Block { pointer: scratch.add(layout.products), point: layout.output, tile: PANEL };
        transform::input::<S, P, M>(s, &job.tiling, pixels, c_in, job.tiles.start..job.tiles.end, input);
        // The next job of this thread is most likely the next block of tiles.
        let next = job.tiles.end..job.tiling.count.min(job.tiles.end + job.tiles.len());
        let mut input_ahead = Ahead { tiling: &job.tiling, pixels, channels: c_in, tiles: next };
        let y = Pixels { pointer: job.y.pointer(), channels: job.c_out, channel: 0, upsample: job.pool as usize };
        for panel in job.panels.start..job.panels.end {
            let width = PANEL.min(job.c_out - panel * PANEL);
            let y = Pixels { channel: panel * PANEL, ..y };
            let tiles = job.tiles.start..job.tiles.end;
            let output_ahead = Ahead { tiling: &job.tiling, pixels: y, channels: width, tiles };
            match &job.weights {
                Weights::Packed(weights) => {
                    for point in 0..P * P {
                        input_ahead.fetch::<M>(point, P * P);
                        output_ahead.fetch::<M>(point, P * P);
                        multiply(job, weights, panel, point, [input, output]);
                    }
                }
                Weights::Raw(weights, _) => multiply_raw(job, weights, panel, scratch, [input, output]),
            }
            input_ahead.tiles = 0..0;
            for tile in 0..job.tiles.len() {
                let from = output.pointer.add(tile * PANEL);
                let (image, row, column) = job.tiling.at(job.tiles.start + tile);
                let place = Place { image, top: row * M, left: column * M, channel: panel * PANEL, channels: width };
                if job.pool {
                    store_pooled::<S, P, M>(s, job, from, output.point, &place);
                } else {
                    store::<S, P, M>(s, job, from, output.point, &place);
                }
            }
        }
    }
}

/// One point's product for one panel, its depth cut so that the panel of weights stays in the first-level cache.
/// # Safety
/// The blocks must hold the job's tiles.
unsafe fn multiply(job: &Job<'_>, weights: &PackedWeights, panel: usize, point: usize, [input, output]: [Block; 2]) {
    let c_in = job.c_in;
    let steps = if c_in <= DEPTH * 3 / 2 { 1 } else { c_in.div_ceil(DEPTH) };
    for step in 0..steps {
        let depth = part(step, steps, c_in);
        // SAFETY: point, panel and depth lie inside the packed weights and the blocks.
        unsafe {
            let row = (panel * job.tile.points() + point) * c_in + depth.start;
            multiply_point(job, panel, point, depth, weights.pointer().add(row * PANEL), [input, output]);
        }
    }
}

/// All points' products for one panel, some input channels at a time, whose weights are transformed just before.
/// # Safety
/// The scratch must have the job's layout, the blocks must hold its tiles.
unsafe fn multiply_raw(job: &Job<'_>, weights: &RawWeights<'_>, panel: usize, scratch: *mut f32, blocks: [Block; 2]) {
    let layout = job.layout();
    for first in (0..job.c_in).step_by(ROWS) {
        let depth = first..job.c_in.min(first + ROWS);
        // SAFETY: the layout has room for the weights of `ROWS` channels; depth and panel lie inside the blocks.
        unsafe {
            let transformed = scratch.add(layout.transformed);
            let target = Target { pointer: transformed, point: WEIGHT_POINT, stream: false };
            weights.transform(panel, depth.clone(), job.tile, scratch.add(layout.gathered), target);
            for point in 0..job.tile.points() {
                multiply_point(job, panel, point, depth.clone(), transformed.add(point * WEIGHT_POINT), blocks);
            }
        }
    }
}

/// Adds the product over some input channels, the first time in place of what was there.
/// # Safety
/// The blocks must hold the job's tiles, `weights` the rows of `depth`.
unsafe fn multiply_point(
    job: &Job<'_>,
    panel: usize,
    point: usize,
    depth: core::ops::Range<usize>,
    weights: *const f32,
    [input, output]: [Block; 2],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let a = input.pointer.add(point * input.point + depth.start);
        product(&Product {
            rows: job.tiles.len(),
            depth: depth.len(),
            width: padded(PANEL.min(job.c_out - panel * PANEL)),
            a: Strided { pointer: a, row: input.tile, depth: 1 },
            b: Rows { pointer: weights, row: PANEL },
            c: Rows { pointer: output.pointer.add(point * output.point), row: PANEL },
            accumulate: depth.start > 0,
        });
    }
}

/// Where a tile's outputs go.
struct Place {
    image: usize,
    top: usize,
    left: usize,
    channel: usize,
    channels: usize,
}

/// Output transform, epilogue and store of one tile.
/// # Safety
/// `from` must hold the tile's products; `y` and the epilogue's slices must cover the images.
#[inline(always)]
unsafe fn store<S: Simd, const P: usize, const M: usize>(
    s: S,
    job: &Job<'_>,
    from: *const f32,
    point: usize,
    place: &Place,
) {
    let (height, width, c_out) = (job.tiling.height, job.tiling.width, job.c_out);
    let mut c = 0;
    while c < place.channels {
        let lanes = S::LANES.min(place.channels - c);
        let channel = place.channel + c;
        // SAFETY: `lanes` channels from `channel` on exist in every slice read and written.
        unsafe {
            let mut bias = s.splat(0.0);
            if let Some(values) = job.epilogue.bias {
                bias = s.add(bias, s.load_lanes(values.as_ptr().add(channel), lanes));
            }
            if let Some(values) = job.epilogue.sample_bias {
                bias = s.add(bias, s.load_lanes(values.as_ptr().add(place.image * c_out + channel), lanes));
            }
            let outputs = transform::output_vector::<S, P, M>(s, from.add(c), point);
            // Bounds known when compiling keep the outputs in registers.
            for i in 0..M {
                for j in 0..M {
                    if place.top + i >= height || place.left + j >= width {
                        continue;
                    }
                    let pixel = (place.image * height + place.top + i) * width + place.left + j;
                    let at = pixel * c_out + channel;
                    let mut y = s.add(outputs[i][j], bias);
                    if let Some(residual) = job.epilogue.residual {
                        y = s.add(y, s.load_lanes(residual.as_ptr().add(at), lanes));
                    }
                    y = s.mul(y, s.splat(job.epilogue.scale));
                    s.store_lanes(job.y.pointer().add(at), lanes, y);
                }
            }
        }
        c += S::LANES;
    }
}

/// Output transform of one tile, each 2x2 square of pixels summed: the transpose of nearest-neighbour up-sampling.
/// # Safety
/// As for [`store`], `y` having half the height and width, which are even.
#[inline(always)]
unsafe fn store_pooled<S: Simd, const P: usize, const M: usize>(
    s: S,
    job: &Job<'_>,
    from: *const f32,
    point: usize,
    place: &Place,
) {
    let (height, width, c_out) = (job.tiling.height / 2, job.tiling.width / 2, job.c_out);
    let (top, left) = (place.top / 2, place.left / 2);
    let mut c = 0;
    while c < place.channels {
        let lanes = S::LANES.min(place.channels - c);
        // SAFETY: `lanes` channels of the pixel exist.
        unsafe {
            let outputs = transform::output_vector::<S, P, M>(s, from.add(c), point);
            for i in 0..M / 2 {
                for j in 0..M / 2 {
                    if top + i >= height || left + j >= width {
                        continue;
                    }
                    let pixel = (place.image * height + top + i) * width + left + j;
                    let upper = s.add(outputs[2 * i][2 * j], outputs[2 * i][2 * j + 1]);
                    let lower = s.add(outputs[2 * i + 1][2 * j], outputs[2 * i + 1][2 * j + 1]);
                    s.store_lanes(job.y.pointer().add(pixel * c_out + place.channel + c), lanes, s.add(upper, lower));
                }
            }
        }
        c += S::LANES;
    }
}
