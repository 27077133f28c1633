//! Group normalisation with SiLU: a workgroup has some whole groups of one image, so that one kernel finds mean and variance
//! and normalises, reading the image again from the cache. The formulas stand in `kernels::plain::group_norm`.

use super::reduce::{row_sums_of_two, tree_sum};
use super::tensors::{THREADS, buffer, element, empty, empty_float32, narrow, widen};
use crate::kernels::group_norm::Saved;
use burn::backend::TensorMetadata;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

type T = CubeTensor;

/// How a workgroup's threads lie over its groups' channels and the pixels. Widths count vectors of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Layout {
    /// Channels that are loaded at once.
    vector: usize,
    /// Vectors of a group.
    width: usize,
    /// Groups of a workgroup.
    groups: usize,
    /// Threads next to each other, one a vector. Where a group has more vectors than there are threads, each takes several.
    lanes: usize,
    /// Pixels at a time.
    rows: usize,
}

impl Layout {
    fn new(channels: usize, groups: usize) -> Self {
        /// Channels of a workgroup at the least, so that its loads are as wide as the memory's.
        const WIDE: usize = 32;
        let channels_of_group = channels / groups;
        let vector = [4, 2, 1].into_iter().find(|size| channels_of_group.is_multiple_of(*size)).unwrap_or(1);
        let width = channels_of_group / vector;
        let wanted = WIDE.div_ceil(channels_of_group);
        let together = (wanted..=groups).find(|count| groups.is_multiple_of(*count)).unwrap_or(groups);
        let together = if together * width > THREADS as usize { 1 } else { together };
        let lanes = (together * width).min(THREADS as usize);
        Self { vector, width, groups: together, lanes, rows: THREADS as usize / lanes }
    }

    /// Vectors of a workgroup.
    fn slab(self) -> usize {
        self.width * self.groups
    }

    /// Vectors that a thread takes.
    fn turns(self) -> usize {
        self.slab().div_ceil(self.lanes)
    }
}

/// Output, mean and reciprocal standard deviation.
pub fn forward(x: &T, gamma: &T, beta: &T, groups: usize, epsilon: f32, silu: bool) -> [T; 3] {
    let [n, h, w, c] = x.shape().dims();
    let y = empty(x, [n, h, w, c]);
    let (mean, rstd) = (empty_float32(x, [n, groups]), empty_float32(x, [n, groups]));
    let layout = Layout::new(c, groups);
    // SAFETY: the grid has a workgroup for each slab of channels and image.
    unsafe {
        normalise_kernel::launch_unchecked(
            &x.client,
            CubeCount::Static((groups / layout.groups) as u32, n as u32, 1),
            CubeDim::new_1d(THREADS),
            layout.vector,
            buffer(x),
            buffer(gamma),
            buffer(beta),
            buffer(&y),
            buffer(&mean),
            buffer(&rstd),
            (h * w) as u32,
            (c / layout.vector) as u32,
            epsilon,
            layout,
            silu,
            element(x),
        );
    }
    [y, mean, rstd]
}

/// Gradients with respect to `x`, `gamma` and `beta`.
pub fn backward(saved: &Saved<CubeBackend>, gradient: &T) -> [T; 3] {
    let x = &saved.x;
    let [n, h, w, c] = x.shape().dims();
    let [_, groups] = saved.mean.shape().dims();
    let layout = Layout::new(c, groups);
    let dx = empty(x, [n, h, w, c]);
    let (gamma_parts, beta_parts) = (empty_float32(x, [n, c]), empty_float32(x, [n, c]));
    // SAFETY: the grid has a workgroup for each slab of channels and image.
    unsafe {
        gradient_kernel::launch_unchecked(
            &x.client,
            CubeCount::Static((groups / layout.groups) as u32, n as u32, 1),
            CubeDim::new_1d(THREADS),
            layout.vector,
            buffer(x),
            buffer(&saved.gamma),
            buffer(&saved.beta),
            buffer(&saved.mean),
            buffer(&saved.rstd),
            buffer(gradient),
            buffer(&dx),
            buffer(&gamma_parts),
            buffer(&beta_parts),
            (h * w) as u32,
            (c / layout.vector) as u32,
            layout,
            saved.silu,
            element(x),
        );
    }
    let [gamma_gradient, beta_gradient] = row_sums_of_two(&gamma_parts, &beta_parts);
    [dx, gamma_gradient, beta_gradient]
}

#[cube]
fn sigmoid<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let one = Vector::<f32, N>::new(1.0f32);
    one / (one + (-x).exp())
}

/// The sum of a vector's entries.
#[cube]
fn across<N: Size>(x: Vector<f32, N>) -> f32 {
    let mut sum = 0.0f32;
    #[unroll]
    for i in 0..N::value() {
        sum += x.extract(i);
    }
    sum
}

/// What a thread works on.
#[derive(CubeType, Clone, Copy)]
struct Place {
    /// Whether there is work for this thread.
    active: bool,
    lane: usize,
    row: usize,
    /// First vector of the workgroup.
    first: usize,
    image: usize,
}

#[cube]
fn place(#[comptime] layout: Layout) -> Place {
    let thread = UNIT_POS as usize;
    let lanes = comptime!(layout.lanes);
    Place {
        active: thread < comptime!(layout.lanes * layout.rows),
        lane: thread % lanes,
        row: thread / lanes,
        first: CUBE_POS_X as usize * comptime!(layout.slab()),
        image: CUBE_POS_Y as usize,
    }
}

/// Adds up what the threads of each group hold; every thread gets its own group's sum.
#[cube]
fn group_sum<N: Size>(value: Vector<f32, N>, shared: &mut Shared<[Vector<f32, N>]>, #[comptime] layout: Layout) -> f32 {
    let thread = UNIT_POS as usize;
    let lanes = comptime!(layout.lanes);
    shared[thread] = value;
    sync_cube();
    tree_sum::<N>(shared, thread / lanes, thread, comptime!(layout.rows), lanes);
    let in_group = comptime!(if layout.width > layout.lanes { layout.lanes } else { layout.width });
    // Only the first row holds sums; the others have no part in this.
    let mut index = in_group.runtime();
    if thread < lanes {
        index = thread % in_group;
    }
    tree_sum::<N>(shared, index, thread, in_group, 1usize);
    let sum = across::<N>(shared[thread % lanes / in_group * in_group]);
    sync_cube();
    sum
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
fn normalise_kernel<E: Float, N: Size>(
    x: &[Vector<E, N>],
    gamma: &[Vector<f32, N>],
    beta: &[Vector<f32, N>],
    y: &mut [Vector<E, N>],
    mean_out: &mut [f32],
    rstd_out: &mut [f32],
    pixels: u32,
    channels: u32,
    epsilon: f32,
    #[comptime] layout: Layout,
    #[comptime] silu: bool,
    #[define(E)] _element: ElemType,
) {
    let (pixels, channels) = (pixels as usize, channels as usize);
    let lanes = comptime!(layout.lanes);
    let rows = comptime!(layout.rows);
    let slab = comptime!(layout.slab());
    let turns = comptime!(layout.turns());
    let mut shared = Shared::<[Vector<f32, N>]>::new_slice(THREADS as usize);
    let at = place(layout);
    let base = at.image * pixels * channels + at.first;
    let count = (pixels * comptime!(layout.width * layout.vector)) as f32;

    let mut sum = Vector::<f32, N>::new(0.0f32);
    if at.active {
        let mut pixel = at.row;
        while pixel < pixels {
            for turn in 0..turns {
                let channel = at.lane + turn * lanes;
                if channel < slab {
                    sum += widen::<E, N>(x[base + pixel * channels + channel]);
                }
            }
            pixel += rows;
        }
    }
    let mean = group_sum::<N>(sum, &mut shared, layout) / count;
    let mut squares = Vector::<f32, N>::new(0.0f32);
    if at.active {
        let mut pixel = at.row;
        while pixel < pixels {
            for turn in 0..turns {
                let channel = at.lane + turn * lanes;
                if channel < slab {
                    let value = widen::<E, N>(x[base + pixel * channels + channel]);
                    let centred = value - Vector::<f32, N>::new(mean);
                    squares += centred * centred;
                }
            }
            pixel += rows;
        }
    }
    let variance = group_sum::<N>(squares, &mut shared, layout) / count;
    let rstd = 1.0f32 / (variance + epsilon).sqrt();
    if at.active {
        for turn in 0..turns {
            let channel = at.lane + turn * lanes;
            if channel < slab {
                let factor = Vector::<f32, N>::new(rstd) * gamma[at.first + channel];
                let offset = beta[at.first + channel] - Vector::<f32, N>::new(mean) * factor;
                let mut pixel = at.row;
                while pixel < pixels {
                    let index = base + pixel * channels + channel;
                    let value = fma(widen::<E, N>(x[index]), factor, offset);
                    if comptime!(silu) {
                        y[index] = narrow::<E, N>(value * sigmoid::<N>(value));
                    } else {
                        y[index] = narrow::<E, N>(value);
                    }
                    pixel += rows;
                }
            }
        }
        if at.row == 0usize && at.lane % comptime!(layout.width) == 0usize {
            let groups = channels / comptime!(layout.width);
            let group = at.image * groups + (at.first + at.lane) / comptime!(layout.width);
            mean_out[group] = mean;
            rstd_out[group] = rstd;
        }
    }
}

/// The gradient before SiLU. `x` is the normalised value.
#[cube]
fn before_activation<N: Size>(
    x: Vector<f32, N>,
    gamma: Vector<f32, N>,
    beta: Vector<f32, N>,
    gradient: Vector<f32, N>,
    #[comptime] silu: bool,
) -> Vector<f32, N> {
    if comptime!(silu) {
        let one = Vector::<f32, N>::new(1.0f32);
        let y = fma(x, gamma, beta);
        let sigma = sigmoid::<N>(y);
        gradient * sigma * (one + y * (one - sigma))
    } else {
        gradient
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
fn gradient_kernel<E: Float, N: Size>(
    x: &[Vector<E, N>],
    gamma: &[Vector<f32, N>],
    beta: &[Vector<f32, N>],
    mean: &[f32],
    rstd: &[f32],
    gradient: &[Vector<E, N>],
    dx: &mut [Vector<E, N>],
    gamma_parts: &mut [Vector<f32, N>],
    beta_parts: &mut [Vector<f32, N>],
    pixels: u32,
    channels: u32,
    #[comptime] layout: Layout,
    #[comptime] silu: bool,
    #[define(E)] _element: ElemType,
) {
    let (pixels, channels) = (pixels as usize, channels as usize);
    let lanes = comptime!(layout.lanes);
    let rows = comptime!(layout.rows);
    let slab = comptime!(layout.slab());
    let turns = comptime!(layout.turns());
    let mut shared = Shared::<[Vector<f32, N>]>::new_slice(THREADS as usize);
    let thread = UNIT_POS as usize;
    let at = place(layout);
    let base = at.image * pixels * channels + at.first;
    let count = (pixels * comptime!(layout.width * layout.vector)) as f32;
    let group = at.image * (channels / comptime!(layout.width)) + (at.first + at.lane) / comptime!(layout.width);
    let mean = Vector::<f32, N>::new(mean[group]);
    let rstd = Vector::<f32, N>::new(rstd[group]);

    let mut direct = Vector::<f32, N>::new(0.0f32);
    let mut along = Vector::<f32, N>::new(0.0f32);
    for turn in 0..turns {
        let channel = at.lane + turn * lanes;
        let mut sum = Vector::<f32, N>::new(0.0f32);
        let mut sum_along = Vector::<f32, N>::new(0.0f32);
        if at.active && channel < slab {
            let (gamma, beta) = (gamma[at.first + channel], beta[at.first + channel]);
            let mut pixel = at.row;
            while pixel < pixels {
                let index = base + pixel * channels + channel;
                let normalised = (widen::<E, N>(x[index]) - mean) * rstd;
                let g = before_activation::<N>(normalised, gamma, beta, widen::<E, N>(gradient[index]), silu);
                sum += g;
                sum_along += g * normalised;
                pixel += rows;
            }
            direct += sum * gamma;
            along += sum_along * gamma;
        }
        shared[thread] = sum;
        sync_cube();
        tree_sum::<N>(&mut shared, at.row, thread, rows, lanes);
        if at.row == 0usize && channel < slab {
            beta_parts[at.image * channels + at.first + channel] = shared[thread];
        }
        sync_cube();
        shared[thread] = sum_along;
        sync_cube();
        tree_sum::<N>(&mut shared, at.row, thread, rows, lanes);
        if at.row == 0usize && channel < slab {
            gamma_parts[at.image * channels + at.first + channel] = shared[thread];
        }
        sync_cube();
    }
    let direct = Vector::<f32, N>::new(group_sum::<N>(direct, &mut shared, layout) / count);
    let along = Vector::<f32, N>::new(group_sum::<N>(along, &mut shared, layout) / count);
    if at.active {
        for turn in 0..turns {
            let channel = at.lane + turn * lanes;
            if channel < slab {
                let (gamma, beta) = (gamma[at.first + channel], beta[at.first + channel]);
                let mut pixel = at.row;
                while pixel < pixels {
                    let index = base + pixel * channels + channel;
                    let normalised = (widen::<E, N>(x[index]) - mean) * rstd;
                    let g = before_activation::<N>(normalised, gamma, beta, widen::<E, N>(gradient[index]), silu);
                    dx[index] = narrow::<E, N>(rstd * (g * gamma - direct - normalised * along));
                    pixel += rows;
                }
            }
        }
    }
}
