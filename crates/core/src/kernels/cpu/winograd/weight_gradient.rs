//! Weight gradient: `dW = G^T [Σ_tiles (B^T d B)^T ⊙ (A y A^T)] G`, 36 products `[in x tiles] [tiles x out]`.

use super::points::{self, vectors};
use super::transform::{self, Ahead, Block, Pixels};
use super::{ConvShape, Tile, Tiling};
use crate::kernels::cpu::buffers::Recycled;
use crate::kernels::cpu::microkernel::{Product, Rows, Strided, product};
use crate::kernels::cpu::parallel::{Shared, parallel_for, part, with_scratch};
use crate::kernels::cpu::reduce::sum_shares;
use crate::kernels::cpu::simd::{ALIGN, Simd, isa_entry, padded};

/// Most channels of one job, in and out, and tiles transformed at a time: the best of those measured.
const SLICE_IN: usize = 128;
const SLICE_OUT: usize = 128;
const TILES: usize = 96;
/// Jobs wanted, and the fewest for which channels need not be cut finer, which costs up to a sixth of the speed.
const JOBS: usize = 8;
const FEWEST_JOBS: usize = 4;
/// Fewest tiles for which a partial sum of its own pays.
const TILES_PER_SHARE: usize = 64;

/// How the work is cut into jobs: slices of channels, and shares of the tiles whose sums are added up at the end.
struct Plan {
    slices_in: usize,
    slices_out: usize,
    shares: usize,
}

impl Plan {
    /// As few slices as make enough jobs together with the shares that pay.
    fn new(shape: &ConvShape, tiling: &Tiling) -> Self {
        let slices_out = shape.c_out.div_ceil(SLICE_OUT);
        let plan = |slice_in: usize| {
            let slices_in = shape.c_in.div_ceil(slice_in);
            let shares = JOBS.div_ceil((slices_in * slices_out).max(1)).min(tiling.count / TILES_PER_SHARE).max(1);
            Plan { slices_in, slices_out, shares }
        };
        let enough = |plan: &Plan| plan.jobs() >= FEWEST_JOBS;
        [SLICE_IN, SLICE_IN / 2].into_iter().map(plan).find(enough).unwrap_or_else(|| plan(SLICE_IN / 4))
    }

    fn jobs(&self) -> usize {
        self.slices_in * self.slices_out * self.shares
    }
}

/// `dw` (HWIO) of [`forward`](super::forward) from its input and the output's gradient, and on the way the sums of `dy` over the
/// pixels of each image, `[batch][c_out]`: the gradient of the bias per sample, and summed over the batch that of the bias.
pub fn weight_and_bias_gradient(
    shape: &ConvShape,
    x: &[f32],
    dy: &[f32],
    tile: Tile,
    dw: &mut [f32],
    sample_bias: &mut [f32],
) {
    shape.assert_input(x);
    assert_eq!(dy.len(), shape.output_len(), "convolution output gradient");
    assert_eq!(dw.len(), shape.weight_len(), "convolution weight gradient");
    assert_eq!(sample_bias.len(), shape.batch * shape.c_out, "gradient of the bias per sample");
    let tiling = Tiling::new(shape, tile);
    let plan = Plan::new(shape, &tiling);
    if plan.shares == 1 {
        return run_jobs(shape, &plan, tiling, tile, [x, dy], dw, sample_bias);
    }
    let mut weights = Recycled::for_overwrite(plan.shares * dw.len());
    let mut biases = Recycled::for_overwrite(plan.shares * sample_bias.len());
    run_jobs(shape, &plan, tiling, tile, [x, dy], &mut weights, &mut biases);
    sum_shares(&weights, dw);
    sum_shares(&biases, sample_bias);
}

/// Runs all jobs; `dw` and `sums` have one part per share.
fn run_jobs(
    shape: &ConvShape,
    plan: &Plan,
    tiling: Tiling,
    tile: Tile,
    [x, dy]: [&[f32]; 2],
    dw: &mut [f32],
    sums: &mut [f32],
) {
    let sums_per_share = sums.len() / plan.shares;
    let (dw, sums) = (Shared::new(dw), Shared::new(sums));
    let slices = plan.slices_in * plan.slices_out;
    parallel_for(plan.jobs(), |index| {
        let (slice, share) = (index % slices, index / slices);
        let (slice_in, slice_out) = (slice / plan.slices_out, slice % plan.slices_out);
        let job = Job {
            shape,
            tiling,
            tile,
            x,
            dy,
            dw,
            c_in: part(slice_in, plan.slices_in, shape.c_in),
            c_out: part(slice_out, plan.slices_out, shape.c_out),
            tiles: part(share, plan.shares, tiling.count),
            offset: share * shape.weight_len(),
            sums: (slice_in == 0 && sums_per_share > 0).then_some((sums, share * sums_per_share)),
        };
        // SAFETY: each job writes its own channels of its own share; the scratch holds the blocks of `Job::layout`.
        with_scratch(job.layout().len, |scratch| unsafe {
            job.clear_sums();
            match tile {
                Tile::Two => run_two((&job, scratch)),
                Tile::Four => run_four((&job, scratch)),
            }
        });
    });
}

/// A slice of input and output channels over a share of the tiles.
struct Job<'a> {
    shape: &'a ConvShape,
    tiling: Tiling,
    tile: Tile,
    x: &'a [f32],
    dy: &'a [f32],
    dw: Shared<'a>,
    c_in: core::ops::Range<usize>,
    c_out: core::ops::Range<usize>,
    tiles: core::ops::Range<usize>,
    offset: usize,
    /// Where the sums of `dy` per image go, and where its share begins.
    sums: Option<(Shared<'a>, usize)>,
}

/// Where the three blocks lie in the scratch: distances between points, and floats in all.
struct Layout {
    blocks: usize,
    input: usize,
    gradient: usize,
    sums: usize,
    len: usize,
}

impl Job<'_> {
    #[inline(always)]
    fn layout(&self) -> Layout {
        let blocks = self.tiles.len().div_ceil(TILES);
        let tiles = self.tiles.len().div_ceil(blocks.max(1));
        let (c_in, c_out) = (padded(self.c_in.len()), padded(self.c_out.len()));
        // The distances are no powers of two, which would all fall on one set of the cache.
        let (input, gradient, sums) = (tiles * c_in + ALIGN, tiles * c_out + ALIGN, c_in * c_out + ALIGN);
        Layout { blocks, input, gradient, sums, len: self.tile.points() * (input + gradient + sums) }
    }

    /// # Safety
    /// No other job may touch the sums of this job's output channels.
    unsafe fn clear_sums(&self) {
        let Some((sums, offset)) = self.sums else { return };
        for image in 0..self.shape.batch {
            let row = offset + image * self.shape.c_out;
            // SAFETY: the caller's promise.
            unsafe { sums.range(row + self.c_out.start..row + self.c_out.end) }.fill(0.0);
        }
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
    let (c_in, c_out) = (job.c_in.len(), job.c_out.len());
    let (rows, width) = (padded(c_in), padded(c_out));
    let layout = job.layout();
    let upsample = job.shape.upsample as usize;
    let x = Pixels { pointer: job.x.as_ptr(), channels: job.shape.c_in, channel: job.c_in.start, upsample };
    let dy = Pixels { pointer: job.dy.as_ptr(), channels: job.shape.c_out, channel: job.c_out.start, upsample: 0 };
    // SAFETY: the scratch holds the three blocks (`Job::layout`); `x` and `dy` cover the images (asserted by the caller).
    unsafe {
        let input = Block { pointer: scratch, point: layout.input, tile: rows };
        let gradient = Block { pointer: scratch.add(P * P * layout.input), point: layout.gradient, tile: width };
        let sums = scratch.add(P * P * (layout.input + layout.gradient));
        let image_sums = job.sums.map(|(sums, offset)| sums.pointer().wrapping_add(offset));
        for block in 0..layout.blocks {
            let range = part(block, layout.blocks, job.tiles.len());
            let tiles = job.tiles.start + range.start..job.tiles.start + range.end;
            let depth = range.end - range.start;
            transform::input::<S, P, M>(s, &job.tiling, x, c_in, tiles.start..tiles.end, input);
            transform::output_gradient::<S, P, M>(
                s,
                &job.tiling,
                dy,
                c_out,
                tiles.start..tiles.end,
                gradient,
                image_sums,
            );
            let next = tiles.end..job.tiles.end.min(tiles.end + depth);
            let x_ahead = Ahead { tiling: &job.tiling, pixels: x, channels: c_in, tiles: next.start..next.end };
            let dy_ahead = Ahead { tiling: &job.tiling, pixels: dy, channels: c_out, tiles: next };
            for point in 0..P * P {
                x_ahead.fetch::<M>(point, P * P);
                dy_ahead.fetch::<M>(point, P * P);
                product(&Product {
                    rows: c_in,
                    depth,
                    width,
                    a: Strided { pointer: input.pointer.add(point * input.point), row: 1, depth: rows },
                    b: Rows { pointer: gradient.pointer.add(point * gradient.point), row: width },
                    c: Rows { pointer: sums.add(point * layout.sums), row: width },
                    accumulate: block > 0,
                });
            }
        }
        if layout.blocks > 0 {
            store::<S, P>(s, job, sums, layout.sums);
        }
    }
}

/// `G^T dU G` into the job's channels of `dw`.
/// # Safety
/// `sums` must hold the sums of every point.
#[inline(always)]
unsafe fn store<S: Simd, const P: usize>(s: S, job: &Job<'_>, sums: *const f32, point: usize) {
    let c_out = job.c_out.end - job.c_out.start;
    for row in 0..job.c_in.end - job.c_in.start {
        let mut column = 0;
        while column < c_out {
            let lanes = S::LANES.min(c_out - column);
            // SAFETY: `lanes` output channels from `column` on exist in `dw`.
            unsafe {
                let from = sums.add(row * padded(c_out) + column);
                let mut rows = [[s.splat(0.0); P]; 3];
                for j in 0..P {
                    let g = points::weight_gradient::<S, P>(s, vectors!(s, i => s.load(from.add((i * P + j) * point))));
                    for i in 0..3 {
                        rows[i][j] = g[i];
                    }
                }
                for i in 0..3 {
                    let g = points::weight_gradient::<S, P>(s, rows[i]);
                    for j in 0..3 {
                        let channel = (i * 3 + j) * job.shape.c_in + job.c_in.start + row;
                        let to =
                            job.dw.pointer().add(job.offset + channel * job.shape.c_out + job.c_out.start + column);
                        s.store_lanes(to, lanes, g[j]);
                    }
                }
            }
            column += S::LANES;
        }
    }
}
