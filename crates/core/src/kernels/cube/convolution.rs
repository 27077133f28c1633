//! Which kernels do which convolution on a graphics card.

use super::elementwise::sum_squares_of_pixels;
use super::packed_weights::packed;
use super::patches::{PatchShape, gather, scatter};
use super::product::{Addend, Finish, ProductShape, Transposed, product};
use super::reduce::{pixel_sums, row_sums};
use super::tensors::{contiguous, empty, empty_float32};
use super::winograd;
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
        Method::Winograd(shape) if keeps_packed_weights() => {
            winograd::convolve_transformed(&shape, &x, &packed(&weight, shape.c_in, shape.c_out), finish)
        }
        Method::Winograd(shape) => winograd::convolve(&shape, &x, &weight, finish),
        Method::Product { rows, c_in, c_out } => {
            product(plain(rows, c_in, c_out), &x, &weight, finish, empty(&x, output))
        }
        Method::Patches(shape) => {
            let problem = plain(shape.rows(), shape.depth(), output[3]);
            product(problem, &gather(&shape, &x), &weight, finish, empty(&x, output))
        }
    }
}

pub fn plain(rows: usize, depth: usize, columns: usize) -> ProductShape {
    ProductShape { batch: 1, rows, depth, columns, transposed: Transposed::Neither }
}

/// With the second factor stored as `[columns, depth]`.
pub fn by_transposed(rows: usize, depth: usize, columns: usize) -> ProductShape {
    ProductShape { transposed: Transposed::Second, ..plain(rows, depth, columns) }
}

/// Gradient of the unscaled convolution with respect to its input.
pub fn input_gradient(gradient: T, weight: T, input: [usize; 4], options: Conv2dOptions) -> T {
    let (gradient, weight) = (contiguous(gradient), contiguous(weight));
    let extents = Extents { input, kernel: weight.shape().dims(), options };
    match method(&extents) {
        Method::Winograd(shape) => to_stored_size(&shape, winograd::input_gradient(&shape, &gradient, &weight)),
        Method::Product { rows, c_in, c_out } => {
            product(by_transposed(rows, c_out, c_in), &gradient, &weight, Finish::NONE, empty(&gradient, input))
        }
        Method::Patches(shape) => {
            let (rows, depth, c_out) = (shape.rows(), shape.depth(), shape.kernel[3]);
            let problem = by_transposed(rows, c_out, depth);
            let seen = empty(&gradient, [rows, depth]);
            scatter(&shape, &product(problem, &gradient, &weight, Finish::NONE, seen))
        }
    }
}

/// The gradient of an up-sampled input to that of the pixels that there are.
fn to_stored_size(shape: &ConvShape, dx: T) -> T {
    if shape.upsample { sum_squares_of_pixels(&dx) } else { dx }
}

/// Gradients of the unscaled convolution with respect to its input and its weights, the sums of `gradient` over each image's
/// pixels, and their sums over the images.
pub fn gradients(x: T, weight: T, gradient: T, options: Conv2dOptions) -> [T; 4] {
    let (x, weight, gradient) = (contiguous(x), contiguous(weight), contiguous(gradient));
    let extents = Extents { input: x.shape().dims(), kernel: weight.shape().dims(), options };
    match method(&extents) {
        Method::Winograd(shape) => {
            let [dx, dw, sums, db] = winograd::gradients(&shape, &x, &weight, &gradient);
            [to_stored_size(&shape, dx), dw, sums, db]
        }
        Method::Product { .. } | Method::Patches(_) => {
            let sums = pixel_sums(&gradient);
            let dw = weight_gradient(x, gradient.clone(), extents.kernel, options);
            let db = row_sums(&sums);
            [input_gradient(gradient, weight, extents.input, options), dw, sums, db]
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
    let problem = ProductShape { batch: 1, rows: inputs, depth: rows, columns: outputs, transposed: Transposed::First };
    product(problem, x, gradient, Finish::NONE, empty_float32(x, shape))
}
