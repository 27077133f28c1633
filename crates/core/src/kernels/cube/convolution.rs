//! Which kernels do which convolution on a graphics card.

use super::elementwise::{sum_squares_of_pixels, transpose};
use super::packed_weights::packed;
use super::patches::{PatchShape, gather, scatter};
use super::product::{Addend, Finish, ProductShape, product};
use super::tensors::contiguous;
use super::winograd::{self, Weights};
use crate::kernels::conv2d::{ConvShape, Extents};
use crate::kernels::prediction::keeps_packed_weights;
use crate::kernels::{Conv2dOptions, Epilogue};
use burn::backend::TensorMetadata;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;

type T = CubeTensor;

/// How a convolution is done.
enum Method {
    /// 3x3, stride 1, a border of one zero.
    Winograd(ConvShape),
    /// 1x1: a matrix product over the pixels.
    Product { rows: usize, c_in: usize, c_out: usize },
    /// Anything, out of gathered rows.
    Patches(PatchShape),
}

fn method(extents: &Extents) -> Method {
    let [_, height, width, _] = extents.output();
    let Extents { input, kernel, options } = *extents;
    match extents.same_3x3() {
        Some(shape) => Method::Winograd(shape),
        None if extents.is_pointwise() => {
            Method::Product { rows: input[0] * height * width, c_in: kernel[2], c_out: kernel[3] }
        }
        None => Method::Patches(PatchShape { input, kernel, output: [height, width], options }),
    }
}

/// `(conv(x) + bias + epilogue) · scale`.
pub fn forward(x: T, weight: T, bias: T, epilogue: Epilogue<CubeBackend>, options: Conv2dOptions) -> T {
    let (x, weight, bias) = (contiguous(x), contiguous(weight), contiguous(bias));
    let extents = Extents { input: x.shape().dims(), kernel: weight.shape().dims(), options };
    let output = extents.output();
    let (kind, addend) = match epilogue {
        Epilogue::None => (Addend::Nothing, None),
        Epilogue::SampleBias(addend) => (Addend::SampleBias, Some(contiguous(addend))),
        Epilogue::Residual(addend) => (Addend::Residual, Some(contiguous(addend))),
    };
    let finish = Finish {
        bias: Some(&bias),
        addend: addend.as_ref(),
        kind,
        rows_per_sample: output[1] * output[2],
        scale: options.scale,
    };
    match method(&extents) {
        Method::Winograd(shape) => {
            let transform = if keeps_packed_weights() { packed } else { Weights::forward };
            winograd::convolve(&shape, &x, &transform(&weight, shape.c_in, shape.c_out), finish)
        }
        Method::Product { rows, c_in, c_out } => product(plain(rows, c_in, c_out), &x, &weight, finish, output),
        Method::Patches(shape) => {
            product(plain(shape.rows(), shape.depth(), output[3]), &gather(&shape, &x), &weight, finish, output)
        }
    }
}

fn plain(rows: usize, depth: usize, columns: usize) -> ProductShape {
    ProductShape { batch: 1, rows, depth, columns, transposed: false }
}

/// Gradient of the unscaled convolution with respect to its input.
pub fn input_gradient(gradient: T, weight: T, input: [usize; 4], options: Conv2dOptions) -> T {
    let (gradient, weight) = (contiguous(gradient), contiguous(weight));
    let extents = Extents { input, kernel: weight.shape().dims(), options };
    match method(&extents) {
        Method::Winograd(shape) => {
            let turned = ConvShape { c_in: shape.c_out, c_out: shape.c_in, upsample: false, ..shape };
            let weights = Weights::backward(&weight, shape.c_in, shape.c_out);
            let dx = winograd::convolve(&turned, &gradient, &weights, Finish::NONE);
            if shape.upsample { sum_squares_of_pixels(&dx) } else { dx }
        }
        Method::Product { rows, c_in, c_out } => {
            product(plain(rows, c_out, c_in), &gradient, &transpose(&weight, c_in, c_out), Finish::NONE, input)
        }
        Method::Patches(shape) => {
            let (rows, depth, c_out) = (shape.rows(), shape.depth(), shape.kernel[3]);
            let turned = transpose(&weight, depth, c_out);
            scatter(&shape, &product(plain(rows, c_out, depth), &gradient, &turned, Finish::NONE, [rows, depth]))
        }
    }
}

/// Gradient of the unscaled convolution with respect to its weights.
pub fn weight_gradient(x: T, gradient: T, kernel: [usize; 4], options: Conv2dOptions) -> T {
    let (x, gradient) = (contiguous(x), contiguous(gradient));
    let extents = Extents { input: x.shape().dims(), kernel, options };
    match method(&extents) {
        Method::Winograd(shape) => winograd::weights_gradient(&shape, &x, &gradient),
        Method::Product { rows, c_in, c_out } => weights_product(rows, c_in, c_out, &x, &gradient, kernel),
        Method::Patches(shape) => {
            weights_product(shape.rows(), shape.depth(), kernel[3], &gather(&shape, &x), &gradient, kernel)
        }
    }
}

/// `xᵀ · gradient`, the sum over the rows.
pub fn weights_product<const D: usize>(
    rows: usize,
    inputs: usize,
    outputs: usize,
    x: &T,
    gradient: &T,
    shape: [usize; D],
) -> T {
    let problem = ProductShape { batch: 1, rows: inputs, depth: rows, columns: outputs, transposed: true };
    product(problem, x, gradient, Finish::NONE, shape)
}
