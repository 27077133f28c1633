//! Which kernel does which convolution on the CPU.

use super::T;
use super::packed_weights::packed;
use super::tensors::{contiguous, filled, stored, values, values_mut};
use crate::kernels::conv2d::{ConvShape, Extents};
use crate::kernels::cpu::conv_direct::{self, Conv2dShape};
use crate::kernels::cpu::elementwise::{upsample, upsample_gradient};
use crate::kernels::cpu::gemm::{LinearShape, linear, linear_input_gradient, linear_weight_gradient};
use crate::kernels::cpu::reduce::sum_pixels;
use crate::kernels::cpu::winograd::{self, Tile};
use crate::kernels::cpu::{self};
use crate::kernels::prediction::keeps_packed_weights;
use crate::kernels::{Conv2dOptions, Epilogue};
use burn::backend::{Flex, TensorMetadata};

/// How a convolution is done.
enum Method {
    /// 3x3, stride 1, a border of one zero.
    Winograd(ConvShape, Tile),
    /// 1x1: a matrix product over the pixels.
    Product(LinearShape),
    /// Anything, out of gathered rows; the input is up-sampled before.
    Direct(Conv2dShape),
}

/// `transformed`: whether transformed weights are kept from an earlier run.
fn method(extents: &Extents, transformed: bool) -> Method {
    if let Some(shape) = extents.same_3x3() {
        return match shape.tile(transformed) {
            Some(tile) => Method::Winograd(shape, tile),
            None => Method::Direct(direct(extents)),
        };
    }
    let [batch, height, width, c_out] = extents.output();
    if extents.is_pointwise() {
        return Method::Product(LinearShape { rows: batch * height * width, c_in: extents.kernel[2], c_out });
    }
    Method::Direct(direct(extents))
}

fn direct(extents: &Extents) -> Conv2dShape {
    let [batch, height, width, c_in] = extents.input;
    let [kernel_height, kernel_width, ..] = extents.kernel;
    let [_, output_height, output_width, c_out] = extents.output();
    let factor = if extents.options.upsample { 2 } else { 1 };
    let [top, left, ..] = extents.options.padding;
    Conv2dShape {
        batch,
        input: (factor * height, factor * width),
        output: (output_height, output_width),
        c_in,
        c_out,
        kernel: (kernel_height, kernel_width),
        stride: extents.options.stride,
        padding: (top, left),
    }
}

/// The input as the direct kernel reads it.
fn upsampled(x: &T, options: Conv2dOptions) -> T {
    if !options.upsample {
        return x.clone();
    }
    let [n, h, w, c] = x.shape().dims();
    filled([n, 2 * h, 2 * w, c], |y| upsample(n, h, w, c, values(x), y))
}

pub fn forward(x: T, weight: T, bias: T, epilogue: Epilogue<Flex>, options: Conv2dOptions) -> T {
    let float_type = x.dtype();
    let [x, weight, bias] = [x, weight, bias].map(contiguous);
    let extents = Extents { input: x.shape().dims(), kernel: weight.shape().dims(), options };
    let addend = match &epilogue {
        Epilogue::None => None,
        Epilogue::SampleBias(tensor) | Epilogue::Residual(tensor) => Some(contiguous(tensor.clone())),
    };
    let addend = addend.as_ref().map(values);
    let (sample_bias, residual) = match epilogue {
        Epilogue::SampleBias(_) => (addend, None),
        _ => (None, addend),
    };
    let epilogue = cpu::Epilogue { bias: Some(values(&bias)), sample_bias, residual, scale: options.scale };
    let y = filled(extents.output(), |y| match method(&extents, keeps_packed_weights()) {
        Method::Winograd(shape, tile) => {
            if keeps_packed_weights() && !shape.favours_unpacked(tile, shape.c_in) {
                let packed = packed(&weight, values(&weight), [shape.c_in, shape.c_out], tile);
                winograd::forward(&shape, values(&x), &packed, epilogue, y);
            } else {
                winograd::forward_unpacked(&shape, values(&x), values(&weight), tile, epilogue, y);
            }
        }
        Method::Product(shape) if sample_bias.is_none() && options.scale == 1.0 => {
            linear(&shape, values(&x), values(&weight), epilogue.bias, residual, y);
        }
        Method::Product(_) | Method::Direct(_) => {
            let x = upsampled(&x, options);
            conv_direct::forward(&direct(&extents), values(&x), values(&weight), epilogue, y);
        }
    });
    stored(y, float_type)
}

pub fn input_gradient(gradient: T, weight: T, input: [usize; 4], options: Conv2dOptions) -> T {
    let float_type = gradient.dtype();
    let [gradient, weight] = [gradient, weight].map(contiguous);
    let (dy, w) = (values(&gradient), values(&weight));
    let extents = Extents { input, kernel: weight.shape().dims(), options };
    let dx = filled(input, |dx| match method(&extents, false) {
        Method::Winograd(shape, tile) => {
            winograd::input_gradient_unpacked(&shape, dy, w, tile, dx);
        }
        Method::Product(shape) => linear_input_gradient(&shape, dy, w, dx),
        Method::Direct(shape) if options.upsample => {
            let [n, height, width, c] = input;
            let large = filled([n, 2 * height, 2 * width, c], |dx| conv_direct::input_gradient(&shape, dy, w, dx));
            upsample_gradient(n, height, width, c, values(&large), dx);
        }
        Method::Direct(shape) => conv_direct::input_gradient(&shape, dy, w, dx),
    });
    stored(dx, float_type)
}

pub fn weight_gradient(x: T, gradient: T, kernel: [usize; 4], options: Conv2dOptions) -> [T; 2] {
    let [x, gradient] = [x, gradient].map(contiguous);
    let dy = values(&gradient);
    let extents = Extents { input: x.shape().dims(), kernel, options };
    let fill = |fill: &dyn Fn(&mut [f32])| [filled(kernel, fill), channel_sums(&gradient)];
    match method(&extents, false) {
        Method::Winograd(shape, tile) => {
            let mut sums = filled([shape.batch, shape.c_out], |_| {});
            let dw = filled(kernel, |dw| {
                winograd::weight_and_bias_gradient(&shape, values(&x), dy, tile, dw, values_mut(&mut sums));
            });
            [dw, sums]
        }
        Method::Product(shape) => fill(&|dw| linear_weight_gradient(&shape, values(&x), dy, dw)),
        Method::Direct(shape) => {
            let x = upsampled(&x, options);
            fill(&|dw| conv_direct::weight_gradient(&shape, values(&x), dy, dw))
        }
    }
}

/// Sums over the pixels of each image, `[n, c]`.
pub fn channel_sums(x: &T) -> T {
    let [n, h, w, c] = x.shape().dims();
    filled([n, c], |sums| sum_pixels(n, h * w, c, values(x), sums))
}
