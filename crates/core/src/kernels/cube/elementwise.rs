//! Kernels with a thread for each element.

use super::tensors::{buffer, element, elementwise, empty, len, vector_size};
use burn::backend::TensorMetadata;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// The channels of two images, one after the other.
pub fn concat(first: &CubeTensor, second: &CubeTensor) -> CubeTensor {
    let [n, h, w, a] = first.shape().dims();
    let [_, _, _, b] = second.shape().dims();
    let joined = empty(first, [n, h, w, a + b]);
    let channels = vector_size(a).min(vector_size(b));
    let all = len(&joined) / channels;
    let (count, threads) = elementwise(&first.client, all);
    // SAFETY: the kernel stops at the last element.
    unsafe {
        concat_kernel::launch_unchecked(
            &first.client,
            count,
            threads,
            channels,
            buffer(first),
            buffer(second),
            buffer(&joined),
            all as u32,
            (a / channels) as u32,
            (b / channels) as u32,
            element(first),
        );
    }
    joined
}

#[cube(launch_unchecked)]
fn concat_kernel<E: Float, N: Size>(
    first: &[Vector<E, N>],
    second: &[Vector<E, N>],
    joined: &mut [Vector<E, N>],
    all: u32,
    a: u32,
    b: u32,
    #[define(E)] _element: ElemType,
) {
    let (a, b) = (a as usize, b as usize);
    if ABSOLUTE_POS >= all as usize {
        terminate!();
    }
    let (pixel, channel) = (ABSOLUTE_POS / (a + b), ABSOLUTE_POS % (a + b));
    if channel < a {
        joined[ABSOLUTE_POS] = first[pixel * a + channel];
    } else {
        joined[ABSOLUTE_POS] = second[pixel * b + channel - a];
    }
}

/// The first `channels` channels of an image, and the others.
pub fn split(x: &CubeTensor, channels: usize) -> [CubeTensor; 2] {
    let [n, h, w, c] = x.shape().dims();
    let rest = c - channels;
    let parts = [channels, rest].map(|count| empty(x, [n, h, w, count]));
    let vector = vector_size(channels).min(vector_size(rest));
    let all = len(x) / vector;
    let (count, threads) = elementwise(&x.client, all);
    // SAFETY: the kernel stops at the last element.
    unsafe {
        split_kernel::launch_unchecked(
            &x.client,
            count,
            threads,
            vector,
            buffer(x),
            buffer(&parts[0]),
            buffer(&parts[1]),
            all as u32,
            (channels / vector) as u32,
            (rest / vector) as u32,
            element(x),
        );
    }
    parts
}

#[cube(launch_unchecked)]
fn split_kernel<E: Float, N: Size>(
    x: &[Vector<E, N>],
    first: &mut [Vector<E, N>],
    second: &mut [Vector<E, N>],
    all: u32,
    a: u32,
    b: u32,
    #[define(E)] _element: ElemType,
) {
    let (a, b) = (a as usize, b as usize);
    if ABSOLUTE_POS >= all as usize {
        terminate!();
    }
    let (pixel, channel) = (ABSOLUTE_POS / (a + b), ABSOLUTE_POS % (a + b));
    if channel < a {
        first[pixel * a + channel] = x[ABSOLUTE_POS];
    } else {
        second[pixel * b + channel - a] = x[ABSOLUTE_POS];
    }
}

/// Sums of 2x2 pixels: the transpose of nearest-neighbour up-sampling.
pub fn sum_squares_of_pixels(x: &CubeTensor) -> CubeTensor {
    let [n, h, w, c] = x.shape().dims();
    let y = empty(x, [n, h / 2, w / 2, c]);
    let (count, threads) = elementwise(&x.client, len(&y));
    // SAFETY: the kernel stops at the last pixel.
    unsafe {
        pixels_kernel::launch_unchecked(
            &x.client,
            count,
            threads,
            buffer(x),
            buffer(&y),
            len(&y) as u32,
            (w / 2) as u32,
            c as u32,
            element(x),
        );
    }
    y
}

#[cube(launch_unchecked)]
fn pixels_kernel<E: Float>(x: &[E], y: &mut [E], all: u32, width: u32, channels: u32, #[define(E)] _element: ElemType) {
    let (width, channels) = (width as usize, channels as usize);
    if ABSOLUTE_POS >= all as usize {
        terminate!();
    }
    let (pixel, channel) = (ABSOLUTE_POS / channels, ABSOLUTE_POS % channels);
    // Rows of all images, one after the other.
    let (row, column) = (pixel / width, pixel % width);
    let first = (row * 4usize * width + column * 2usize) * channels + channel;
    let below = first + 2usize * width * channels;
    let top = f32::cast_from(x[first]) + f32::cast_from(x[first + channels]);
    let bottom = f32::cast_from(x[below]) + f32::cast_from(x[below + channels]);
    y[ABSOLUTE_POS] = E::cast_from(top + bottom);
}
