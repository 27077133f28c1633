//! Forward pass and data gradient: the same convolution with differently packed weights.

use super::transform::{self, Ahead, Block, Pixels};
use super::weights::PackedWeights;
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
    convolve(shape, shape.upsample, x, weights, epilogue, false, y);
}

/// `dx` of [`forward`] from `dy`. `weights` must be packed with [`Direction::InputGradient`](super::Direction).
pub fn input_gradient(shape: &ConvShape, dy: &[f32], weights: &PackedWeights, dx: &mut [f32]) {
    shape.assert_input(dx);
    assert_eq!(dy.len(), shape.output_len(), "convolution output gradient");
    assert_eq!((weights.c_in, weights.c_out), (shape.c_out, shape.c_in), "packed weights");
    convolve(shape, false, dy, weights, Epilogue::default(), shape.upsample, dx);
}

/// One convolution: the input is up-sampled, or each 2x2 square of the output summed.
fn convolve(
    shape: &ConvShape,
    upsample: bool,
    x: &[f32],
    weights: &PackedWeights,
    epilogue: Epilogue,
    pool: bool,
    y: &mut [f32],
) {
    let tiling = Tiling::new(shape, weights.tile);
    let (points, panels) = (weights.tile.points(), weights.c_out.div_ceil(PANEL));
    let most = (BLOCK_BYTES / (4 * points * (padded(weights.c_in) + PANEL))).max(6);
    let blocks = tiling.count.div_ceil(most).next_multiple_of(2).min(tiling.count);
    // Few tiles: jobs share out the output channels as well, so that each thread reads only its part of the weights.
    let shares = (JOBS / blocks.max(1)).clamp(1, panels.max(1));
    let y = Shared::new(y);
    parallel_for(blocks * shares, |index| {
        let (tiles, panels) = (part(index % blocks, blocks, tiling.count), part(index / blocks, shares, panels));
        let job = Job { tiling, upsample, x, weights, epilogue, pool, y, tiles, panels };
        // SAFETY: each job writes its own tiles and channels; the scratch holds the blocks of `Job::layout`.
        with_scratch(job.layout().2, |scratch| unsafe {
            match weights.tile {
                Tile::Two => run_two((&job, scratch)),
                Tile::Four => run_four((&job, scratch)),
            }
        });
    });
}

/// A block of tiles and some panels of output channels.
struct Job<'a> {
    tiling: Tiling,
    upsample: bool,
    x: &'a [f32],
    weights: &'a PackedWeights,
    epilogue: Epilogue<'a>,
    pool: bool,
    y: Shared<'a>,
    tiles: core::ops::Range<usize>,
    panels: core::ops::Range<usize>,
}

impl Job<'_> {
    /// Distance between points of the transformed input, of the products, and floats in both.
    /// The distances are no powers of two, which would all fall on one set of the cache.
    #[inline(always)]
    fn layout(&self) -> (usize, usize, usize) {
        let input = self.tiles.len() * padded(self.weights.c_in) + ALIGN;
        let output = self.tiles.len() * PANEL + ALIGN;
        (input, output, self.weights.tile.points() * (input + output))
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
    let c_in = job.weights.c_in;
    let (input_point, output_point, _) = job.layout();
    let pixels = Pixels { pointer: job.x.as_ptr(), channels: c_in, channel: 0, upsample: job.upsample as usize };
    let input = Block { pointer: scratch, point: input_point, tile: padded(c_in) };
    // SAFETY: the scratch holds both blocks (`Job::layout`); `x` and `y` cover the images (asserted by the callers).
    unsafe {
        let output = Block { pointer: scratch.add(P * P * input_point), point: output_point, tile: PANEL };
        transform::input::<S, P, M>(s, &job.tiling, pixels, c_in, job.tiles.start..job.tiles.end, input);
        // The next job of this thread is most likely the next block of tiles.
        let next = job.tiles.end..job.tiling.count.min(job.tiles.end + job.tiles.len());
        let mut input_ahead = Ahead { tiling: &job.tiling, pixels, channels: c_in, tiles: next };
        let y =
            Pixels { pointer: job.y.pointer(), channels: job.weights.c_out, channel: 0, upsample: job.pool as usize };
        for panel in job.panels.start..job.panels.end {
            let width = PANEL.min(job.weights.c_out - panel * PANEL);
            let y = Pixels { channel: panel * PANEL, ..y };
            let tiles = job.tiles.start..job.tiles.end;
            let output_ahead = Ahead { tiling: &job.tiling, pixels: y, channels: width, tiles };
            for point in 0..P * P {
                input_ahead.fetch::<M>(point, P * P);
                output_ahead.fetch::<M>(point, P * P);
                multiply(job, panel, point, padded(width), input, output, P * P);
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
unsafe fn multiply(
    job: &Job<'_>,
    panel: usize,
    point: usize,
    width: usize,
    input: Block,
    output: Block,
    points: usize,
) {
    let c_in = job.weights.c_in;
    let steps = if c_in <= DEPTH * 3 / 2 { 1 } else { c_in.div_ceil(DEPTH) };
    for step in 0..steps {
        let depth = part(step, steps, c_in);
        // SAFETY: point, panel and depth lie inside the packed weights and the blocks.
        unsafe {
            let a = input.pointer.add(point * input.point + depth.start);
            let b = job.weights.pointer().add(((panel * points + point) * c_in + depth.start) * PANEL);
            product(&Product {
                rows: job.tiles.len(),
                depth: depth.len(),
                width,
                a: Strided { pointer: a, row: input.tile, depth: 1 },
                b: Rows { pointer: b, row: PANEL },
                c: Rows { pointer: output.pointer.add(point * output.point), row: PANEL },
                accumulate: step > 0,
            });
        }
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
    let (height, width, c_out) = (job.tiling.height, job.tiling.width, job.weights.c_out);
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
    let (height, width, c_out) = (job.tiling.height / 2, job.tiling.width / 2, job.weights.c_out);
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
