//! Transforms that need nothing of each other in one launch: handing a kernel over costs more than many of them take. The
//! first workgroups do the first transform, the next ones the next.

use super::tiles::{filter_gradient, filter_points, gradient_tile, input_tile, output_tile};
use super::transforms::{Weights, channels_at_once};
use super::{POINTS, tiles};
use crate::kernels::conv2d::ConvShape;
use crate::kernels::cube::reduce::{COLUMNS, add_column, add_rows};
use crate::kernels::cube::tensors::{THREADS, buffer, element, elementwise, empty_float32};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Workgroups for `count` threads.
fn workgroups(count: usize) -> usize {
    count.div_ceil(THREADS as usize)
}

/// A grid of the workgroups of all transforms.
fn grid(x: &CubeTensor, workgroups: &[usize]) -> (CubeCount, CubeDim) {
    elementwise(&x.client, workgroups.iter().sum::<usize>() * THREADS as usize)
}

/// What a convolution multiplies: the input's tiles at the points, `[36, tiles, c_in]`, and the weights.
pub fn forward_points(shape: &ConvShape, x: &CubeTensor, weight: &CubeTensor) -> (CubeTensor, Weights) {
    let ConvShape { c_in, c_out, .. } = *shape;
    let points = empty_float32(x, [POINTS, tiles(shape), c_in]);
    let weights = Weights::unfilled(weight, c_in, c_out, false);
    let channels = channels_at_once(c_in);
    let parts = [workgroups(tiles(shape) * c_in / channels), workgroups(c_in * c_out)];
    let (count, threads) = grid(x, &parts);
    // SAFETY: each part stops at its last tile or filter.
    unsafe {
        forward_points_kernel::launch_unchecked(
            &x.client,
            count,
            threads,
            channels,
            buffer(x),
            buffer(weight),
            buffer(&points),
            buffer(&weights.0),
            parts[0] as u32,
            shape.batch as u32,
            shape.height as u32,
            shape.width as u32,
            c_in as u32,
            c_out as u32,
            shape.upsample,
            element(x),
        );
    }
    (points, weights)
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
fn forward_points_kernel<E: Float, N: Size>(
    x: &[Vector<E, N>],
    weight: &[f32],
    points: &mut [Vector<f32, N>],
    weights: &mut [f32],
    image_workgroups: u32,
    batch: u32,
    height: u32,
    width: u32,
    c_in: u32,
    c_out: u32,
    #[comptime] upsample: bool,
    #[define(E)] _element: ElemType,
) {
    let (c_in, c_out) = (c_in as usize, c_out as usize);
    let first_filter = image_workgroups as usize * THREADS as usize;
    if ABSOLUTE_POS < first_filter {
        let (batch, height, channels) = (batch as usize, height as usize, c_in / N::value());
        input_tile::<E, N>(x, points, ABSOLUTE_POS, batch, height, width as usize, channels, upsample);
    } else {
        filter_points(weight, weights, ABSOLUTE_POS - first_filter, c_in, c_out, false);
    }
}

/// What the two products of a backward pass multiply, and the sums of the gradient over each image's pixels.
pub struct BackwardPoints {
    /// The input's tiles, `[36, tiles, c_in]`.
    pub inputs: CubeTensor,
    /// The tiles of the output's gradient as results, `[36, tiles, c_out]`.
    pub results: CubeTensor,
    /// The same as the input of the convolution with turned filters.
    pub turned_inputs: CubeTensor,
    pub turned_weights: Weights,
    /// `[batch, c_out]`
    pub sums: CubeTensor,
}

pub fn backward_points(
    shape: &ConvShape,
    x: &CubeTensor,
    weight: &CubeTensor,
    gradient: &CubeTensor,
) -> BackwardPoints {
    let ConvShape { c_in, c_out, .. } = *shape;
    let points = BackwardPoints {
        inputs: empty_float32(x, [POINTS, tiles(shape), c_in]),
        results: empty_float32(x, [POINTS, tiles(shape), c_out]),
        turned_inputs: empty_float32(x, [POINTS, tiles(shape), c_out]),
        turned_weights: Weights::unfilled(weight, c_in, c_out, true),
        sums: empty_float32(x, [shape.batch, c_out]),
    };
    let (input_channels, output_channels) = (channels_at_once(c_in), channels_at_once(c_out));
    // A kernel without shared memory is quicker as a whole, and few pixels keep no thread waiting.
    const FEW_PIXELS: usize = 256;
    let sum_alone = shape.height * shape.width <= FEW_PIXELS;
    let parts = [
        workgroups(tiles(shape) * c_in / input_channels),
        workgroups(tiles(shape) * c_out / output_channels),
        workgroups(c_in * c_out),
        if sum_alone { workgroups(shape.batch * c_out) } else { shape.batch * c_out.div_ceil(COLUMNS) },
    ];
    let (count, threads) = grid(x, &parts);
    // SAFETY: each part stops at its last tile or filter.
    unsafe {
        backward_points_kernel::launch_unchecked(
            &x.client,
            count,
            threads,
            input_channels,
            output_channels,
            buffer(x),
            buffer(weight),
            buffer(gradient),
            buffer(gradient),
            buffer(&points.inputs),
            buffer(&points.results),
            buffer(&points.turned_inputs),
            buffer(&points.turned_weights.0),
            buffer(&points.sums),
            parts[0] as u32,
            parts[1] as u32,
            parts[2] as u32,
            shape.batch as u32,
            shape.height as u32,
            shape.width as u32,
            c_in as u32,
            c_out as u32,
            shape.upsample,
            sum_alone,
            element(x),
        );
    }
    points
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
fn backward_points_kernel<E: Float, N: Size, M: Size>(
    x: &[Vector<E, N>],
    weight: &[f32],
    gradient: &[Vector<E, M>],
    gradient_values: &[E],
    inputs: &mut [Vector<f32, N>],
    results: &mut [Vector<f32, M>],
    turned_inputs: &mut [Vector<f32, M>],
    turned_weights: &mut [f32],
    sums: &mut [f32],
    image_workgroups: u32,
    gradient_workgroups: u32,
    filter_workgroups: u32,
    batch: u32,
    height: u32,
    width: u32,
    c_in: u32,
    c_out: u32,
    #[comptime] upsample: bool,
    #[comptime] sum_alone: bool,
    #[define(E)] _element: ElemType,
) {
    let (c_in, c_out) = (c_in as usize, c_out as usize);
    let (batch, height, width) = (batch as usize, height as usize, width as usize);
    let first_gradient = image_workgroups as usize * THREADS as usize;
    let first_filter = first_gradient + gradient_workgroups as usize * THREADS as usize;
    let first_sum = (image_workgroups + gradient_workgroups + filter_workgroups) as usize;
    if CUBE_POS >= first_sum {
        if comptime!(sum_alone) {
            let position = ABSOLUTE_POS - first_sum * THREADS as usize;
            let (item, column) = (position / c_out, position % c_out);
            if item < batch {
                add_column::<E>(gradient_values, sums, item, column, height * width, c_out);
            }
        } else {
            let (item, block) = ((CUBE_POS - first_sum) % batch, (CUBE_POS - first_sum) / batch);
            // Blocks behind the last column have no work.
            add_rows::<E>(gradient_values, sums, item, block, height * width, c_out);
        }
    } else if ABSOLUTE_POS < first_gradient {
        input_tile::<E, N>(x, inputs, ABSOLUTE_POS, batch, height, width, c_in / N::value(), upsample);
    } else if ABSOLUTE_POS < first_filter {
        let (position, channels) = (ABSOLUTE_POS - first_gradient, c_out / M::value());
        gradient_tile::<E, M>(gradient, results, turned_inputs, position, batch, height, width, channels);
    } else {
        filter_points(weight, turned_weights, ABSOLUTE_POS - first_filter, c_in, c_out, true);
    }
}

/// The products of a backward pass to the gradients of the weights, of the bias, and, in `dx`, of the input as the convolution
/// sees it (up-sampled): `products` is `[36, tiles, c_in]`, `parts` is `[count, 36, c_in, c_out]`, `sums` is `[batch, c_out]`.
pub fn gradients(
    shape: &ConvShape,
    products: &CubeTensor,
    parts: &CubeTensor,
    count: usize,
    sums: &CubeTensor,
    dx: &CubeTensor,
) -> [CubeTensor; 2] {
    let ConvShape { batch, height, width, c_in, c_out, .. } = *shape;
    let (dw, db) = (empty_float32(products, [3, 3, c_in, c_out]), empty_float32(products, [c_out]));
    let channels = channels_at_once(c_in);
    let workgroups = [workgroups(tiles(shape) * c_in / channels), workgroups(c_in * c_out), workgroups(c_out)];
    let (cubes, threads) = grid(products, &workgroups);
    // SAFETY: each part stops at its last tile or filter.
    unsafe {
        gradients_kernel::launch_unchecked(
            &products.client,
            cubes,
            threads,
            channels,
            buffer(products),
            buffer(parts),
            buffer(sums),
            buffer(dx),
            buffer(&dw),
            buffer(&db),
            workgroups[0] as u32,
            workgroups[1] as u32,
            batch as u32,
            height as u32,
            width as u32,
            c_in as u32,
            c_out as u32,
            count as u32,
            element(dx),
        );
    }
    [dw, db]
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
fn gradients_kernel<E: Float, N: Size>(
    products: &[Vector<f32, N>],
    parts: &[f32],
    sums: &[f32],
    dx: &mut [Vector<E, N>],
    dw: &mut [f32],
    db: &mut [f32],
    image_workgroups: u32,
    filter_workgroups: u32,
    batch: u32,
    height: u32,
    width: u32,
    c_in: u32,
    c_out: u32,
    count: u32,
    #[define(E)] _element: ElemType,
) {
    let (batch, c_in, c_out) = (batch as usize, c_in as usize, c_out as usize);
    let first_filter = image_workgroups as usize * THREADS as usize;
    let first_bias = first_filter + filter_workgroups as usize * THREADS as usize;
    if ABSOLUTE_POS < first_filter {
        let (height, channels) = (height as usize, c_in / N::value());
        output_tile::<E, N>(products, dx, ABSOLUTE_POS, batch, height, width as usize, channels);
    } else if ABSOLUTE_POS < first_bias {
        filter_gradient(parts, dw, ABSOLUTE_POS - first_filter, c_in * c_out, count as usize);
    } else {
        add_column::<f32>(sums, db, 0usize, ABSOLUTE_POS - first_bias, batch, c_out);
    }
}
