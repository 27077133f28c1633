//! 3x3 convolution, stride 1, padding 1, over NHWC by Winograd's minimal filtering F(4x4,3x3).
//!
//! Three kernels: the input's tiles of 6x6 and the weights to 36 points, a matrix product over the channels for each
//! point, and the 36 points of each result to 4x4 pixels, where bias and addend come in. The points lie as
//! `[36, tiles, channels]` and are float32: the transforms would lose too much of float16. The formulas stand in `kernels::cpu::winograd`.

mod points;
mod tiles;
mod together;
mod transforms;

use super::product::{Finish, ProductShape, Transposed, product, split_product};
use super::tensors::{empty, empty_float32};
use crate::kernels::conv2d::ConvShape;
use burn_cubecl::tensor::CubeTensor;
use together::{backward_points, forward_points};
pub use transforms::Weights;
use transforms::{gradient_points, input_points, output_pixels, weight_gradient};

/// Points of a tile.
const POINTS: usize = 36;
/// Output pixels of a tile along each side.
const TILE: usize = 4;

/// Tiles of all images.
fn tiles(shape: &ConvShape) -> usize {
    shape.batch * shape.height.div_ceil(TILE) * shape.width.div_ceil(TILE)
}

/// The convolution.
pub fn convolve(shape: &ConvShape, x: &CubeTensor, weight: &CubeTensor, finish: Finish) -> CubeTensor {
    let (points, weights) = forward_points(shape, x, weight);
    multiply(shape, &points, &weights, finish, x)
}

/// The convolution with transformed weights `[36, c_in, c_out]`.
pub fn convolve_transformed(shape: &ConvShape, x: &CubeTensor, weights: &Weights, finish: Finish) -> CubeTensor {
    multiply(shape, &input_points(shape, x), weights, finish, x)
}

/// The result has the number format of `x`.
fn multiply(shape: &ConvShape, points: &CubeTensor, weights: &Weights, finish: Finish, x: &CubeTensor) -> CubeTensor {
    let products = forward_products(shape, points, weights);
    let y = empty(x, [shape.batch, shape.height, shape.width, shape.c_out]);
    output_pixels(shape, &products, finish, &y);
    y
}

fn forward_products(shape: &ConvShape, points: &CubeTensor, weights: &Weights) -> CubeTensor {
    let (depth, columns) = (shape.c_in, shape.c_out);
    let problem = ProductShape { batch: POINTS, rows: tiles(shape), depth, columns, transposed: Transposed::Neither };
    product(problem, points, &weights.0, Finish::NONE, empty_float32(points, [POINTS, tiles(shape), shape.c_out]))
}

/// Each point of the weights' gradient is a product over the tiles: parts of the sum, and how many.
fn weight_products(shape: &ConvShape, inputs: &CubeTensor, results: &CubeTensor) -> (CubeTensor, usize) {
    let (rows, columns) = (shape.c_in, shape.c_out);
    let problem = ProductShape { batch: POINTS, rows, depth: tiles(shape), columns, transposed: Transposed::First };
    split_product(problem, inputs, results)
}

/// Gradient with respect to the input as the convolution sees it (up-sampled): the convolution with turned filters.
pub fn input_gradient(shape: &ConvShape, gradient: &CubeTensor, weight: &CubeTensor) -> CubeTensor {
    let weights = Weights::backward(weight, shape.c_in, shape.c_out);
    convolve_transformed(&turned(shape), gradient, &weights, Finish::NONE)
}

/// The convolution from the output's gradient to the input's.
fn turned(shape: &ConvShape) -> ConvShape {
    ConvShape { c_in: shape.c_out, c_out: shape.c_in, upsample: false, ..*shape }
}

/// Gradient with respect to the weights, `[3, 3, c_in, c_out]`.
pub fn weights_gradient(shape: &ConvShape, x: &CubeTensor, gradient: &CubeTensor) -> CubeTensor {
    let (inputs, results) = (input_points(shape, x), gradient_points(shape, gradient));
    let (parts, count) = weight_products(shape, &inputs, &results);
    weight_gradient(shape, &parts, count)
}

/// [`input_gradient`], [`weights_gradient`], the sums of `gradient` over each image's pixels, and their sums over the images.
pub fn gradients(shape: &ConvShape, x: &CubeTensor, weight: &CubeTensor, gradient: &CubeTensor) -> [CubeTensor; 4] {
    let points = backward_points(shape, x, weight, gradient);
    let (parts, count) = weight_products(shape, &points.inputs, &points.results);
    let products = forward_products(&turned(shape), &points.turned_inputs, &points.turned_weights);
    let dx = empty(x, [shape.batch, shape.height, shape.width, shape.c_in]);
    let [dw, db] = together::gradients(shape, &products, &parts, count, &points.sums, &dx);
    [dx, dw, points.sums, db]
}
