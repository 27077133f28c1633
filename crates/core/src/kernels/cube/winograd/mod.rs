//! 3x3 convolution, stride 1, padding 1, over NHWC by Winograd's minimal filtering F(4x4,3x3).
//!
//! Four kernels: the input's tiles of 6x6 to 36 points, the weights to 36 points, a matrix product over the channels for each
//! point, and the 36 points of each result to 4x4 pixels, where bias and addend come in. The points lie as
//! `[36, tiles, channels]`. The formulas stand in `kernels::cpu::winograd`.

mod points;
mod transforms;

use super::product::{Finish, ProductShape, product, split_product};
use super::tensors::empty;
use crate::kernels::conv2d::ConvShape;
use burn_cubecl::tensor::CubeTensor;
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

/// The convolution with transformed weights `[36, c_in, c_out]`.
pub fn convolve(shape: &ConvShape, x: &CubeTensor, weights: &Weights, finish: Finish) -> CubeTensor {
    let points = input_points(shape, x);
    let problem =
        ProductShape { batch: POINTS, rows: tiles(shape), depth: shape.c_in, columns: shape.c_out, transposed: false };
    let products = product(problem, &points, &weights.0, Finish::NONE, [POINTS, tiles(shape), shape.c_out]);
    let y = empty(x, [shape.batch, shape.height, shape.width, shape.c_out]);
    output_pixels(shape, &products, finish, &y);
    y
}

/// Gradient with respect to the weights, `[3, 3, c_in, c_out]`: each point is a product over the tiles.
pub fn weights_gradient(shape: &ConvShape, x: &CubeTensor, gradient: &CubeTensor) -> CubeTensor {
    let (inputs, gradients) = (input_points(shape, x), gradient_points(shape, gradient));
    let problem =
        ProductShape { batch: POINTS, rows: shape.c_in, depth: tiles(shape), columns: shape.c_out, transposed: true };
    let (parts, count) = split_product(problem, &inputs, &gradients);
    weight_gradient(shape, &parts, count)
}
