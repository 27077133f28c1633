//! Convolutions of any kernel, stride and padding out of gathered rows (im2col): a row holds what the filter sees at one output
//! pixel, `[kernel_h, kernel_w, c_in]`, so that the convolution is a matrix product.

use super::tensors::{buffer, element, elementwise, empty};
use crate::kernels::Conv2dOptions;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Extents of a convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PatchShape {
    /// As it is stored: before up-sampling.
    pub input: [usize; 4],
    pub kernel: [usize; 4],
    /// Height and width.
    pub output: [usize; 2],
    pub options: Conv2dOptions,
}

/// What the kernels know when they are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Geometry {
    kernel: [usize; 2],
    stride: usize,
    top: usize,
    left: usize,
    upsample: bool,
}

impl PatchShape {
    /// Output pixels.
    pub fn rows(&self) -> usize {
        self.input[0] * self.output[0] * self.output[1]
    }

    /// Values of a row.
    pub fn depth(&self) -> usize {
        let [height, width, c_in, _] = self.kernel;
        height * width * c_in
    }

    fn geometry(&self) -> Geometry {
        let [height, width, ..] = self.kernel;
        let Conv2dOptions { stride, padding: [top, left, ..], upsample, .. } = self.options;
        Geometry { kernel: [height, width], stride, top, left, upsample }
    }
}

/// `[rows, depth]`
pub fn gather(shape: &PatchShape, x: &CubeTensor) -> CubeTensor {
    let rows = empty(x, [shape.rows(), shape.depth()]);
    let (count, threads) = elementwise(&x.client, shape.rows() * shape.depth());
    let [batch, height, width, channels] = shape.input;
    // SAFETY: the kernel stops at the last row and reads zeros outside of the image.
    unsafe {
        gather_kernel::launch_unchecked(
            &x.client,
            count,
            threads,
            buffer(x),
            buffer(&rows),
            batch as u32,
            height as u32,
            width as u32,
            channels as u32,
            shape.output[0] as u32,
            shape.output[1] as u32,
            shape.geometry(),
            element(x),
        );
    }
    rows
}

/// The transpose of [`gather`]: gradients of the rows to the gradient of the input.
pub fn scatter(shape: &PatchShape, rows: &CubeTensor) -> CubeTensor {
    let dx = empty(rows, shape.input);
    let (count, threads) = elementwise(&rows.client, shape.input.iter().product());
    let [batch, height, width, channels] = shape.input;
    // SAFETY: the kernel stops at the last pixel and reads only rows that there are.
    unsafe {
        scatter_kernel::launch_unchecked(
            &rows.client,
            count,
            threads,
            buffer(rows),
            buffer(&dx),
            batch as u32,
            height as u32,
            width as u32,
            channels as u32,
            shape.output[0] as u32,
            shape.output[1] as u32,
            shape.geometry(),
            element(rows),
        );
    }
    dx
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
fn gather_kernel<E: Float>(
    x: &[E],
    rows: &mut [E],
    batch: u32,
    height: u32,
    width: u32,
    channels: u32,
    output_height: u32,
    output_width: u32,
    #[comptime] geometry: Geometry,
    #[define(E)] _element: ElemType,
) {
    let (height, width, channels) = (height as usize, width as usize, channels as usize);
    let (output_height, output_width) = (output_height as usize, output_width as usize);
    let depth = channels * comptime!(geometry.kernel[0] * geometry.kernel[1]);
    if ABSOLUTE_POS >= batch as usize * output_height * output_width * depth {
        terminate!();
    }
    let (row, within) = (ABSOLUTE_POS / depth, ABSOLUTE_POS % depth);
    let (tap, channel) = (within / channels, within % channels);
    let (x_out, y_out) = (row % output_width, row / output_width % output_height);
    let image = row / (output_width * output_height);
    let up = comptime!(if geometry.upsample { 2 } else { 1 });
    // Wraps below zero, which is outside as well.
    let y_in = y_out * comptime!(geometry.stride) + tap / comptime!(geometry.kernel[1]) - comptime!(geometry.top);
    let x_in = x_out * comptime!(geometry.stride) + tap % comptime!(geometry.kernel[1]) - comptime!(geometry.left);
    let mut value = E::new(0.0);
    if y_in < height * up && x_in < width * up {
        value = x[((image * height + y_in / up) * width + x_in / up) * channels + channel];
    }
    rows[ABSOLUTE_POS] = value;
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
fn scatter_kernel<E: Float>(
    rows: &[E],
    dx: &mut [E],
    batch: u32,
    height: u32,
    width: u32,
    channels: u32,
    output_height: u32,
    output_width: u32,
    #[comptime] geometry: Geometry,
    #[define(E)] _element: ElemType,
) {
    let (height, width, channels) = (height as usize, width as usize, channels as usize);
    let (output_height, output_width) = (output_height as usize, output_width as usize);
    if ABSOLUTE_POS >= batch as usize * height * width * channels {
        terminate!();
    }
    let (pixel, channel) = (ABSOLUTE_POS / channels, ABSOLUTE_POS % channels);
    let (x_in, y_in) = (pixel % width, pixel / width % height);
    let image = pixel / (width * height);
    let kernel_width = comptime!(geometry.kernel[1]);
    let taps = comptime!(geometry.kernel[0] * geometry.kernel[1]);
    let up = comptime!(if geometry.upsample { 2 } else { 1 });
    let stride = comptime!(geometry.stride);
    let mut sum = 0.0f32;
    #[unroll]
    for copy in 0..comptime!(up * up) {
        for tap in 0..taps {
            // The output pixel that saw this input pixel through this tap, where there is one.
            let y_at = y_in * up + comptime!(copy / up) + comptime!(geometry.top) - tap / kernel_width;
            let x_at = x_in * up + comptime!(copy % up) + comptime!(geometry.left) - tap % kernel_width;
            if y_at % stride == 0usize
                && x_at % stride == 0usize
                && y_at / stride < output_height
                && x_at / stride < output_width
            {
                let row = (image * output_height + y_at / stride) * output_width + x_at / stride;
                sum += f32::cast_from(rows[(row * taps + tap) * channels + channel]);
            }
        }
    }
    dx[ABSOLUTE_POS] = E::cast_from(sum);
}
