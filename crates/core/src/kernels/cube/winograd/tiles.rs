//! What a thread does with one tile (or one filter) and a few channels in the transforms.

use super::points::{self, Transform};
use super::{POINTS, TILE};
use crate::kernels::cube::tensors::{narrow, widen};
use cubecl::prelude::*;

/// Which tile and channels a thread works on.
#[derive(CubeType, Clone, Copy)]
pub struct Place {
    /// Threads with work: tiles times vectors of channels, which is also how far apart the points lie.
    pub all: usize,
    pub image: usize,
    /// A vector of them.
    pub channel: usize,
    /// The tile's first pixel.
    pub top: usize,
    pub left: usize,
}

#[cube]
pub fn tile_place(position: usize, batch: usize, height: usize, width: usize, channels: usize) -> Place {
    let (rows, columns) = ((height + 3usize) / TILE, (width + 3usize) / TILE);
    let tile = position / channels;
    let within = tile % (rows * columns);
    Place {
        all: batch * rows * columns * channels,
        image: tile / (rows * columns),
        channel: position % channels,
        top: within / columns * TILE,
        left: within % columns * TILE,
    }
}

/// The 6x6 pixels that a tile's filters see, zeros outside of the image.
#[cube]
pub fn load_tile<E: Float, N: Size>(
    x: &[Vector<E, N>],
    place: &Place,
    height: usize,
    width: usize,
    channels: usize,
    #[comptime] upsample: bool,
) -> Array<Vector<f32, N>> {
    let mut d = Array::<Vector<f32, N>>::new(POINTS);
    #[unroll]
    for i in 0..6usize {
        #[unroll]
        for j in 0..6usize {
            // One below and right of the pixel: the filter starts above and left of the tile.
            let (row, column) = (place.top + i, place.left + j);
            let mut value = Vector::<f32, N>::new(0.0f32);
            if row > 0usize && row <= height && column > 0usize && column <= width {
                let (row, column) = (row - 1usize, column - 1usize);
                let at = if comptime!(upsample) {
                    (place.image * (height / 2usize) + row / 2usize) * (width / 2usize) + column / 2usize
                } else {
                    (place.image * height + row) * width + column
                };
                value = widen::<E, N>(x[at * channels + place.channel]);
            }
            d[comptime!(i * 6 + j)] = value;
        }
    }
    d
}

#[cube]
pub fn store_points<N: Size>(
    points: &mut [Vector<f32, N>],
    values: &Array<Vector<f32, N>>,
    position: usize,
    all: usize,
) {
    #[unroll]
    for point in 0..36usize {
        points[point * all + position] = values[point];
    }
}

/// The work of thread `position` on the tiles of a convolution's input.
#[cube]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
pub fn input_tile<E: Float, N: Size>(
    x: &[Vector<E, N>],
    points: &mut [Vector<f32, N>],
    position: usize,
    batch: usize,
    height: usize,
    width: usize,
    channels: usize,
    #[comptime] upsample: bool,
) {
    let place = tile_place(position, batch, height, width, channels);
    if position < place.all {
        let mut d = load_tile::<E, N>(x, &place, height, width, channels, upsample);
        points::two_dimensional::<N>(&mut d, Transform::Input);
        store_points::<N>(points, &d, position, place.all);
    }
}

/// The work of thread `position` on the tiles of the gradient of a convolution's output: as results of the convolution, and
/// as the input of the turned one.
#[cube]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
pub fn gradient_tile<E: Float, N: Size>(
    gradient: &[Vector<E, N>],
    results: &mut [Vector<f32, N>],
    inputs: &mut [Vector<f32, N>],
    position: usize,
    batch: usize,
    height: usize,
    width: usize,
    channels: usize,
) {
    let place = tile_place(position, batch, height, width, channels);
    if position < place.all {
        let mut d = load_tile::<E, N>(gradient, &place, height, width, channels, false);
        let mut y = Array::<Vector<f32, N>>::new(POINTS);
        #[unroll]
        for i in 0..4usize {
            #[unroll]
            for j in 0..4usize {
                y[comptime!(i * 6 + j)] = d[comptime!((i + 1) * 6 + j + 1)];
            }
        }
        points::two_dimensional::<N>(&mut d, Transform::Input);
        store_points::<N>(inputs, &d, position, place.all);
        points::two_dimensional::<N>(&mut y, Transform::OutputGradient);
        store_points::<N>(results, &y, position, place.all);
    }
}

/// The 4x4 results of the tile of thread `position`.
#[cube]
pub fn output_values<N: Size>(products: &[Vector<f32, N>], position: usize, all: usize) -> Array<Vector<f32, N>> {
    let mut m = Array::<Vector<f32, N>>::new(POINTS);
    #[unroll]
    for point in 0..36usize {
        m[point] = products[point * all + position];
    }
    points::two_dimensional::<N>(&mut m, Transform::Output);
    m
}

/// The work of thread `position` on a convolution's output, with nothing added.
#[cube]
pub fn output_tile<Y: Float, N: Size>(
    products: &[Vector<f32, N>],
    y: &mut [Vector<Y, N>],
    position: usize,
    batch: usize,
    height: usize,
    width: usize,
    channels: usize,
) {
    let place = tile_place(position, batch, height, width, channels);
    if position < place.all {
        let m = output_values::<N>(products, position, place.all);
        #[unroll]
        for i in 0..4usize {
            #[unroll]
            for j in 0..4usize {
                let (row, column) = (place.top + i, place.left + j);
                if row < height && column < width {
                    let at = ((place.image * height + row) * width + column) * channels + place.channel;
                    y[at] = narrow::<Y, N>(m[comptime!(i * 6 + j)]);
                }
            }
        }
    }
}

/// The work of thread `position` on the filters.
#[cube]
pub fn filter_points(
    weight: &[f32],
    points: &mut [f32],
    position: usize,
    c_in: usize,
    c_out: usize,
    #[comptime] turned: bool,
) {
    let all = c_in * c_out;
    if position < all {
        let at = if comptime!(turned) {
            // Position [output, input] of the result is [input, output] of the weights.
            position % c_in * c_out + position / c_in
        } else {
            position
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
            points[point * all + position] = g[point].extract(0usize);
        }
    }
}

/// The work of thread `position` on the gradient of the filters.
#[cube]
pub fn filter_gradient(parts: &[f32], gradient: &mut [f32], position: usize, weights: usize, count: usize) {
    if position < weights {
        let mut m = Array::<Vector<f32, Const<1>>>::new(POINTS);
        #[unroll]
        for point in 0..36usize {
            m[point] = Vector::<f32, Const<1>>::new(0.0f32);
        }
        for part in 0..count {
            #[unroll]
            for point in 0..36usize {
                let value = parts[(part * POINTS + point) * weights + position];
                m[point] += Vector::<f32, Const<1>>::new(value);
            }
        }
        points::two_dimensional::<Const<1>>(&mut m, Transform::WeightGradient);
        #[unroll]
        for i in 0..3usize {
            #[unroll]
            for j in 0..3usize {
                gradient[comptime!(i * 3 + j) * weights + position] = m[comptime!(i * 6 + j)].extract(0usize);
            }
        }
    }
}
