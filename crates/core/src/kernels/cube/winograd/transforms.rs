//! The kernels that bring images, weights and gradients to the 36 points and back, one transform each.

use super::points::{self, Transform};
use super::tiles::{filter_gradient, filter_points, input_tile, output_values, tile_place};
use super::{POINTS, tiles};
use crate::kernels::conv2d::ConvShape;
use crate::kernels::cube::product::{Addend, Finish};
use crate::kernels::cube::tensors::{buffer, element, elementwise, empty_float32, narrow, widen};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Channels that a thread takes along: 36 vectors of more would not fit its registers.
pub fn channels_at_once(channels: usize) -> usize {
    if channels.is_multiple_of(2) { 2 } else { 1 }
}

/// Weights at the 36 points, `[36, inputs, outputs]`.
#[derive(Clone)]
pub struct Weights(pub CubeTensor);

impl Weights {
    /// For the convolution: `weight` is `[3, 3, c_in, c_out]`.
    pub fn forward(weight: &CubeTensor, c_in: usize, c_out: usize) -> Self {
        Self::transform(weight, c_in, c_out, false)
    }

    /// For the gradient of its input, which is the convolution with turned filters from `c_out` to `c_in` channels.
    pub fn backward(weight: &CubeTensor, c_in: usize, c_out: usize) -> Self {
        Self::transform(weight, c_in, c_out, true)
    }

    fn transform(weight: &CubeTensor, c_in: usize, c_out: usize, turned: bool) -> Self {
        let weights = Self::unfilled(weight, c_in, c_out, turned);
        let (count, threads) = elementwise(&weight.client, c_in * c_out);
        // SAFETY: the kernel stops at c_in · c_out.
        unsafe {
            weight_points_kernel::launch_unchecked(
                &weight.client,
                count,
                threads,
                buffer(weight),
                buffer(&weights.0),
                c_in as u32,
                c_out as u32,
                turned,
            );
        }
        weights
    }

    /// Memory for them.
    pub fn unfilled(weight: &CubeTensor, c_in: usize, c_out: usize, turned: bool) -> Self {
        let shape = if turned { [POINTS, c_out, c_in] } else { [POINTS, c_in, c_out] };
        Self(empty_float32(weight, shape))
    }
}

/// The input's tiles at the points, `[36, tiles, c_in]`.
pub fn input_points(shape: &ConvShape, x: &CubeTensor) -> CubeTensor {
    let points = empty_float32(x, [POINTS, tiles(shape), shape.c_in]);
    let channels = channels_at_once(shape.c_in);
    let (count, threads) = elementwise(&x.client, tiles(shape) * shape.c_in / channels);
    // SAFETY: the kernel stops at the last tile and reads zeros outside of the image.
    unsafe {
        input_points_kernel::launch_unchecked(
            &x.client,
            count,
            threads,
            channels,
            buffer(x),
            buffer(&points),
            shape.batch as u32,
            shape.height as u32,
            shape.width as u32,
            (shape.c_in / channels) as u32,
            shape.upsample,
            element(x),
        );
    }
    points
}

/// The output gradient's tiles at the points, `[36, tiles, c_out]`.
pub fn gradient_points(shape: &ConvShape, gradient: &CubeTensor) -> CubeTensor {
    let points = empty_float32(gradient, [POINTS, tiles(shape), shape.c_out]);
    let channels = channels_at_once(shape.c_out);
    let (count, threads) = elementwise(&gradient.client, tiles(shape) * shape.c_out / channels);
    // SAFETY: as for the input.
    unsafe {
        gradient_points_kernel::launch_unchecked(
            &gradient.client,
            count,
            threads,
            channels,
            buffer(gradient),
            buffer(&points),
            shape.batch as u32,
            shape.height as u32,
            shape.width as u32,
            (shape.c_out / channels) as u32,
            element(gradient),
        );
    }
    points
}

/// Products at the points to the pixels of `y`, with what is added.
pub fn output_pixels(shape: &ConvShape, products: &CubeTensor, finish: Finish, y: &CubeTensor) {
    let channels = channels_at_once(shape.c_out);
    let addend = finish.addend.unwrap_or(products);
    let (count, threads) = elementwise(&y.client, tiles(shape) * shape.c_out / channels);
    // SAFETY: the kernel writes no pixel outside of the image.
    unsafe {
        output_pixels_kernel::launch_unchecked(
            &y.client,
            count,
            threads,
            channels,
            buffer(products),
            buffer(finish.bias.unwrap_or(products)),
            buffer(addend),
            buffer(y),
            shape.batch as u32,
            shape.height as u32,
            shape.width as u32,
            (shape.c_out / channels) as u32,
            finish.scale,
            finish.bias.is_some(),
            finish.kind,
            [element(addend), element(y)],
        );
    }
}

/// The sum of `count` parts `[count, 36, c_in, c_out]` to the gradient of the weights, `[3, 3, c_in, c_out]`.
pub fn weight_gradient(shape: &ConvShape, parts: &CubeTensor, count: usize) -> CubeTensor {
    let gradient = empty_float32(parts, [3, 3, shape.c_in, shape.c_out]);
    let weights = shape.c_in * shape.c_out;
    let (cubes, threads) = elementwise(&parts.client, weights);
    // SAFETY: the kernel stops at c_in · c_out.
    unsafe {
        weight_gradient_kernel::launch_unchecked(
            &parts.client,
            cubes,
            threads,
            buffer(parts),
            buffer(&gradient),
            weights as u32,
            count as u32,
        );
    }
    gradient
}

#[cube(launch_unchecked)]
fn input_points_kernel<E: Float, N: Size>(
    x: &[Vector<E, N>],
    points: &mut [Vector<f32, N>],
    batch: u32,
    height: u32,
    width: u32,
    channels: u32,
    #[comptime] upsample: bool,
    #[define(E)] _element: ElemType,
) {
    let (batch, height) = (batch as usize, height as usize);
    input_tile::<E, N>(x, points, ABSOLUTE_POS, batch, height, width as usize, channels as usize, upsample);
}

#[cube(launch_unchecked)]
fn gradient_points_kernel<E: Float, N: Size>(
    gradient: &[Vector<E, N>],
    points: &mut [Vector<f32, N>],
    batch: u32,
    height: u32,
    width: u32,
    channels: u32,
    #[define(E)] _element: ElemType,
) {
    let (height, width, channels) = (height as usize, width as usize, channels as usize);
    let place = tile_place(ABSOLUTE_POS, batch as usize, height, width, channels);
    let (image, channel, top, left) = (place.image, place.channel, place.top, place.left);
    if ABSOLUTE_POS >= place.all {
        terminate!();
    }
    let mut y = Array::<Vector<f32, N>>::new(POINTS);
    #[unroll]
    for i in 0..4usize {
        #[unroll]
        for j in 0..4usize {
            let (row, column) = (top + i, left + j);
            let mut value = Vector::<f32, N>::new(0.0f32);
            if row < height && column < width {
                value = widen::<E, N>(gradient[((image * height + row) * width + column) * channels + channel]);
            }
            y[comptime!(i * 6 + j)] = value;
        }
    }
    points::two_dimensional::<N>(&mut y, Transform::OutputGradient);
    #[unroll]
    for point in 0..36usize {
        points[point * place.all + ABSOLUTE_POS] = y[point];
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
fn output_pixels_kernel<A: Float, Y: Float, N: Size>(
    products: &[Vector<f32, N>],
    bias: &[Vector<f32, N>],
    addend: &[Vector<A, N>],
    y: &mut [Vector<Y, N>],
    batch: u32,
    height: u32,
    width: u32,
    channels: u32,
    scale: f32,
    #[comptime] has_bias: bool,
    #[comptime] kind: Addend,
    #[define(A, Y)] _elements: [ElemType; 2],
) {
    let (height, width, channels) = (height as usize, width as usize, channels as usize);
    let place = tile_place(ABSOLUTE_POS, batch as usize, height, width, channels);
    if ABSOLUTE_POS >= place.all {
        terminate!();
    }
    let m = output_values::<N>(products, ABSOLUTE_POS, place.all);
    let mut more = Vector::<f32, N>::new(0.0f32);
    if comptime!(has_bias) {
        more += bias[place.channel];
    }
    if comptime!(kind == Addend::SampleBias) {
        more += widen::<A, N>(addend[place.image * channels + place.channel]);
    }
    #[unroll]
    for i in 0..4usize {
        #[unroll]
        for j in 0..4usize {
            let (row, column) = (place.top + i, place.left + j);
            if row < height && column < width {
                let at = ((place.image * height + row) * width + column) * channels + place.channel;
                let mut value = m[comptime!(i * 6 + j)] + more;
                if comptime!(kind == Addend::Residual) {
                    value += widen::<A, N>(addend[at]);
                }
                y[at] = narrow::<Y, N>(value * Vector::<f32, N>::new(scale));
            }
        }
    }
}

#[cube(launch_unchecked)]
fn weight_points_kernel(weight: &[f32], points: &mut [f32], c_in: u32, c_out: u32, #[comptime] turned: bool) {
    filter_points(weight, points, ABSOLUTE_POS, c_in as usize, c_out as usize, turned);
}

#[cube(launch_unchecked)]
fn weight_gradient_kernel(parts: &[f32], gradient: &mut [f32], weights: u32, count: u32) {
    filter_gradient(parts, gradient, ABSOLUTE_POS, weights as usize, count as usize);
}
