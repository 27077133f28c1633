//! The kernels that bring images, weights and gradients to the 36 points and back. A thread works on one tile (or one
//! weight) and a few channels.

use super::points::{self, Transform};
use super::{POINTS, TILE, tiles};
use crate::kernels::conv2d::ConvShape;
use crate::kernels::cube::product::{Addend, Finish};
use crate::kernels::cube::tensors::{buffer, elementwise, empty};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Channels that a thread takes along: 36 vectors of more would not fit its registers.
fn channels_at_once(channels: usize) -> usize {
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
        let shape = if turned { [POINTS, c_out, c_in] } else { [POINTS, c_in, c_out] };
        let weights = empty(weight, shape);
        let (count, threads) = elementwise(&weight.client, c_in * c_out);
        // SAFETY: the kernel stops at c_in · c_out.
        unsafe {
            weight_points_kernel::launch_unchecked(
                &weight.client,
                count,
                threads,
                buffer(weight),
                buffer(&weights),
                c_in as u32,
                c_out as u32,
                turned,
            );
        }
        Self(weights)
    }
}

/// The input's tiles at the points, `[36, tiles, c_in]`.
pub fn input_points(shape: &ConvShape, x: &CubeTensor) -> CubeTensor {
    let points = empty(x, [POINTS, tiles(shape), shape.c_in]);
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
        );
    }
    points
}

/// The output gradient's tiles at the points, `[36, tiles, c_out]`.
pub fn gradient_points(shape: &ConvShape, gradient: &CubeTensor) -> CubeTensor {
    let points = empty(gradient, [POINTS, tiles(shape), shape.c_out]);
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
        );
    }
    points
}

/// Products at the points to the pixels of `y`, with what is added.
pub fn output_pixels(shape: &ConvShape, products: &CubeTensor, finish: Finish, y: &CubeTensor) {
    let channels = channels_at_once(shape.c_out);
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
            buffer(finish.addend.unwrap_or(products)),
            buffer(y),
            shape.batch as u32,
            shape.height as u32,
            shape.width as u32,
            (shape.c_out / channels) as u32,
            finish.scale,
            finish.bias.is_some(),
            finish.kind,
        );
    }
}

/// The sum of `count` parts `[count, 36, c_in, c_out]` to the gradient of the weights, `[3, 3, c_in, c_out]`.
pub fn weight_gradient(shape: &ConvShape, parts: &CubeTensor, count: usize) -> CubeTensor {
    let gradient = empty(parts, [3, 3, shape.c_in, shape.c_out]);
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

/// Which tile and channels a thread works on.
#[derive(CubeType, Clone, Copy)]
struct Place {
    /// Threads with work: tiles times vectors of channels, which is also how far apart the points lie.
    all: usize,
    image: usize,
    /// A vector of them.
    channel: usize,
    /// The tile's first pixel.
    top: usize,
    left: usize,
}

#[cube]
fn tile_place(batch: usize, height: usize, width: usize, channels: usize) -> Place {
    let (rows, columns) = ((height + 3usize) / TILE, (width + 3usize) / TILE);
    let tile = ABSOLUTE_POS / channels;
    let within = tile % (rows * columns);
    Place {
        all: batch * rows * columns * channels,
        image: tile / (rows * columns),
        channel: ABSOLUTE_POS % channels,
        top: within / columns * TILE,
        left: within % columns * TILE,
    }
}

#[cube(launch_unchecked)]
fn input_points_kernel<N: Size>(
    x: &[Vector<f32, N>],
    points: &mut [Vector<f32, N>],
    batch: u32,
    height: u32,
    width: u32,
    channels: u32,
    #[comptime] upsample: bool,
) {
    let (height, width, channels) = (height as usize, width as usize, channels as usize);
    let place = tile_place(batch as usize, height, width, channels);
    let (image, channel, top, left) = (place.image, place.channel, place.top, place.left);
    if ABSOLUTE_POS >= place.all {
        terminate!();
    }
    let mut d = Array::<Vector<f32, N>>::new(POINTS);
    #[unroll]
    for i in 0..6usize {
        #[unroll]
        for j in 0..6usize {
            // One below and right of the pixel: the filter starts above and left of the tile.
            let (row, column) = (top + i, left + j);
            let mut value = Vector::<f32, N>::new(0.0f32);
            if row > 0usize && row <= height && column > 0usize && column <= width {
                let (row, column) = (row - 1usize, column - 1usize);
                let at = if comptime!(upsample) {
                    (image * (height / 2usize) + row / 2usize) * (width / 2usize) + column / 2usize
                } else {
                    (image * height + row) * width + column
                };
                value = x[at * channels + channel];
            }
            d[comptime!(i * 6 + j)] = value;
        }
    }
    points::two_dimensional::<N>(&mut d, Transform::Input);
    #[unroll]
    for point in 0..36usize {
        points[point * place.all + ABSOLUTE_POS] = d[point];
    }
}

#[cube(launch_unchecked)]
fn gradient_points_kernel<N: Size>(
    gradient: &[Vector<f32, N>],
    points: &mut [Vector<f32, N>],
    batch: u32,
    height: u32,
    width: u32,
    channels: u32,
) {
    let (height, width, channels) = (height as usize, width as usize, channels as usize);
    let place = tile_place(batch as usize, height, width, channels);
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
                value = gradient[((image * height + row) * width + column) * channels + channel];
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
fn output_pixels_kernel<N: Size>(
    products: &[Vector<f32, N>],
    bias: &[Vector<f32, N>],
    addend: &[Vector<f32, N>],
    y: &mut [Vector<f32, N>],
    batch: u32,
    height: u32,
    width: u32,
    channels: u32,
    scale: f32,
    #[comptime] has_bias: bool,
    #[comptime] kind: Addend,
) {
    let (height, width, channels) = (height as usize, width as usize, channels as usize);
    let place = tile_place(batch as usize, height, width, channels);
    let (image, channel, top, left) = (place.image, place.channel, place.top, place.left);
    if ABSOLUTE_POS >= place.all {
        terminate!();
    }
    let mut m = Array::<Vector<f32, N>>::new(POINTS);
    #[unroll]
    for point in 0..36usize {
        m[point] = products[point * place.all + ABSOLUTE_POS];
    }
    points::two_dimensional::<N>(&mut m, Transform::Output);
    let mut more = Vector::<f32, N>::new(0.0f32);
    if comptime!(has_bias) {
        more += bias[channel];
    }
    if comptime!(kind == Addend::SampleBias) {
        more += addend[image * channels + channel];
    }
    #[unroll]
    for i in 0..4usize {
        #[unroll]
        for j in 0..4usize {
            let (row, column) = (top + i, left + j);
            if row < height && column < width {
                let at = ((image * height + row) * width + column) * channels + channel;
                let mut value = m[comptime!(i * 6 + j)] + more;
                if comptime!(kind == Addend::Residual) {
                    value += addend[at];
                }
                y[at] = value * Vector::<f32, N>::new(scale);
            }
        }
    }
}

#[cube(launch_unchecked)]
fn weight_points_kernel(weight: &[f32], points: &mut [f32], c_in: u32, c_out: u32, #[comptime] turned: bool) {
    let (c_in, c_out) = (c_in as usize, c_out as usize);
    let all = c_in * c_out;
    if ABSOLUTE_POS >= all {
        terminate!();
    }
    let at = if comptime!(turned) {
        // Position [output, input] of the result is [input, output] of the weights.
        ABSOLUTE_POS % c_in * c_out + ABSOLUTE_POS / c_in
    } else {
        ABSOLUTE_POS
    };
    let mut g = Array::<Vector<f32, Const<1>>>::new(POINTS);
    #[unroll]
    for i in 0..3usize {
        #[unroll]
        for j in 0..3usize {
            let tap = comptime!(if turned { (2 - i) * 3 + 2 - j } else { i * 3 + j });
            g[comptime!(i * 6 + j)] = Vector::<f32, Const<1>>::new(weight[tap * all + at]);
        }
    }
    points::two_dimensional::<Const<1>>(&mut g, Transform::Weight);
    #[unroll]
    for point in 0..36usize {
        points[point * all + ABSOLUTE_POS] = g[point].extract(0usize);
    }
}

#[cube(launch_unchecked)]
fn weight_gradient_kernel(parts: &[f32], gradient: &mut [f32], weights: u32, count: u32) {
    let weights = weights as usize;
    if ABSOLUTE_POS >= weights {
        terminate!();
    }
    let mut m = Array::<Vector<f32, Const<1>>>::new(POINTS);
    #[unroll]
    for point in 0..36usize {
        m[point] = Vector::<f32, Const<1>>::new(0.0f32);
    }
    for part in 0..count as usize {
        #[unroll]
        for point in 0..36usize {
            let value = parts[(part * POINTS + point) * weights + ABSOLUTE_POS];
            m[point] += Vector::<f32, Const<1>>::new(value);
        }
    }
    points::two_dimensional::<Const<1>>(&mut m, Transform::WeightGradient);
    #[unroll]
    for i in 0..3usize {
        #[unroll]
        for j in 0..3usize {
            gradient[comptime!(i * 3 + j) * weights + ABSOLUTE_POS] = m[comptime!(i * 6 + j)].extract(0usize);
        }
    }
}
