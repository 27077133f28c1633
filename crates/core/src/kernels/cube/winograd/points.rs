//! The one-dimensional transforms of F(4,3), in place on lines of a small array: `start`, and how far apart the entries lie.
//! `kernels::cpu::winograd::points` has the same for vectors of the CPU, with the formulas.

use crate::kernels::interpolation_points::{A1, A2, B1, B2, NA, NB};
use cubecl::prelude::*;

/// The transforms of a tile, each by its matrix on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transform {
    /// `B^T d B`: 6x6 inputs to points.
    Input,
    /// `A^T m A`: points to 4x4 outputs.
    Output,
    /// `A y A^T`: 4x4 output gradients to points.
    OutputGradient,
    /// `G g G^T`: 3x3 weights to points.
    Weight,
    /// `G^T m G`: points to 3x3 weight gradients.
    WeightGradient,
}

impl Transform {
    /// Rows and columns of what goes in and of what comes out.
    fn sides(self) -> [usize; 2] {
        match self {
            Self::Input => [6, 6],
            Self::Output => [6, 4],
            Self::OutputGradient => [4, 6],
            Self::Weight => [3, 6],
            Self::WeightGradient => [6, 3],
        }
    }
}

/// A transform of the upper left of 6x6 entries, in place: its rows, then the columns of the result.
#[cube]
pub fn two_dimensional<N: Size>(entries: &mut Line<N>, #[comptime] transform: Transform) {
    let rows = comptime!(transform.sides()[0]);
    let columns = comptime!(transform.sides()[1]);
    #[unroll]
    for row in 0..rows {
        one_dimensional::<N>(entries, comptime!(row * 6), 1usize, transform);
    }
    #[unroll]
    for column in 0..columns {
        one_dimensional::<N>(entries, column, 6usize, transform);
    }
}

#[cube]
fn one_dimensional<N: Size>(
    entries: &mut Line<N>,
    #[comptime] start: usize,
    #[comptime] step: usize,
    #[comptime] transform: Transform,
) {
    match comptime!(transform) {
        Transform::Input => input::<N>(entries, start, step),
        Transform::Output => output::<N>(entries, start, step),
        Transform::OutputGradient => output_gradient::<N>(entries, start, step),
        Transform::Weight => weight::<N>(entries, start, step),
        Transform::WeightGradient => weight_gradient::<N>(entries, start, step),
    }
}

type Line<N> = Array<Vector<f32, N>>;

#[cube]
fn splat<N: Size>(#[comptime] value: f32) -> Vector<f32, N> {
    Vector::<f32, N>::new(value)
}

/// `B^T d`: 6 inputs to 6 points.
#[cube]
fn input<N: Size>(d: &mut Line<N>, #[comptime] start: usize, #[comptime] step: usize) {
    let (d0, d1, d2) = (d[start], d[comptime!(start + step)], d[comptime!(start + 2 * step)]);
    let (d3, d4) = (d[comptime!(start + 3 * step)], d[comptime!(start + 4 * step)]);
    let d5 = d[comptime!(start + 5 * step)];
    let outer = splat::<N>(comptime!(-(A2 + B2)));
    let even_a = fma(splat::<N>(comptime!(-B2)), d2, d4);
    let odd_a = splat::<N>(A1) * fma(splat::<N>(comptime!(-B2)), d1, d3);
    let even_b = fma(splat::<N>(comptime!(-A2)), d2, d4);
    let odd_b = splat::<N>(B1) * fma(splat::<N>(comptime!(-A2)), d1, d3);
    d[start] = fma(outer, d2, d0 + d4);
    d[comptime!(start + step)] = even_a + odd_a;
    d[comptime!(start + 2 * step)] = even_a - odd_a;
    d[comptime!(start + 3 * step)] = even_b + odd_b;
    d[comptime!(start + 4 * step)] = even_b - odd_b;
    d[comptime!(start + 5 * step)] = fma(outer, d3, d1 + d5);
}

/// `A^T m`: 6 points to 4 outputs, in the first four entries.
#[cube]
fn output<N: Size>(m: &mut Line<N>, #[comptime] start: usize, #[comptime] step: usize) {
    let (m0, m1, m2) = (m[start], m[comptime!(start + step)], m[comptime!(start + 2 * step)]);
    let (m3, m4) = (m[comptime!(start + 3 * step)], m[comptime!(start + 4 * step)]);
    let m5 = m[comptime!(start + 5 * step)];
    let (sum_a, difference_a) = (m1 + m2, m1 - m2);
    let (sum_b, difference_b) = (m3 + m4, m3 - m4);
    m[start] = m0 + sum_a + sum_b;
    m[comptime!(start + step)] = fma(splat::<N>(A1), difference_a, splat::<N>(B1) * difference_b);
    m[comptime!(start + 2 * step)] = fma(splat::<N>(A2), sum_a, splat::<N>(B2) * sum_b);
    m[comptime!(start + 3 * step)] =
        fma(splat::<N>(comptime!(A2 * A1)), difference_a, fma(splat::<N>(comptime!(B2 * B1)), difference_b, m5));
}

/// `A y`, the transpose of [`output`]: the first four entries to 6 points.
#[cube]
fn output_gradient<N: Size>(y: &mut Line<N>, #[comptime] start: usize, #[comptime] step: usize) {
    let (y0, y1) = (y[start], y[comptime!(start + step)]);
    let (y2, y3) = (y[comptime!(start + 2 * step)], y[comptime!(start + 3 * step)]);
    let even_a = fma(splat::<N>(A2), y2, y0);
    let odd_a = fma(splat::<N>(comptime!(A2 * A1)), y3, splat::<N>(A1) * y1);
    let even_b = fma(splat::<N>(B2), y2, y0);
    let odd_b = fma(splat::<N>(comptime!(B2 * B1)), y3, splat::<N>(B1) * y1);
    y[comptime!(start + step)] = even_a + odd_a;
    y[comptime!(start + 2 * step)] = even_a - odd_a;
    y[comptime!(start + 3 * step)] = even_b + odd_b;
    y[comptime!(start + 4 * step)] = even_b - odd_b;
    y[comptime!(start + 5 * step)] = y3;
}

/// `G g`: the first three entries, weights, to 6 points.
#[cube]
fn weight<N: Size>(g: &mut Line<N>, #[comptime] start: usize, #[comptime] step: usize) {
    let (g0, g1, g2) = (g[start], g[comptime!(start + step)], g[comptime!(start + 2 * step)]);
    let even_a = splat::<N>(NA) * fma(splat::<N>(A2), g2, g0);
    let even_b = splat::<N>(NB) * fma(splat::<N>(B2), g2, g0);
    let (odd_a, odd_b) = (splat::<N>(comptime!(NA * A1)) * g1, splat::<N>(comptime!(NB * B1)) * g1);
    g[comptime!(start + step)] = even_a + odd_a;
    g[comptime!(start + 2 * step)] = even_a - odd_a;
    g[comptime!(start + 3 * step)] = even_b + odd_b;
    g[comptime!(start + 4 * step)] = even_b - odd_b;
    g[comptime!(start + 5 * step)] = g2;
}

/// `G^T m`, the transpose of [`weight`]: 6 points to the first three entries.
#[cube]
fn weight_gradient<N: Size>(m: &mut Line<N>, #[comptime] start: usize, #[comptime] step: usize) {
    let (m0, m1, m2) = (m[start], m[comptime!(start + step)], m[comptime!(start + 2 * step)]);
    let (m3, m4) = (m[comptime!(start + 3 * step)], m[comptime!(start + 4 * step)]);
    let m5 = m[comptime!(start + 5 * step)];
    let (sum_a, difference_a) = (m1 + m2, m1 - m2);
    let (sum_b, difference_b) = (m3 + m4, m3 - m4);
    m[start] = fma(splat::<N>(NA), sum_a, fma(splat::<N>(NB), sum_b, m0));
    m[comptime!(start + step)] =
        fma(splat::<N>(comptime!(NA * A1)), difference_a, splat::<N>(comptime!(NB * B1)) * difference_b);
    m[comptime!(start + 2 * step)] =
        fma(splat::<N>(comptime!(NA * A2)), sum_a, fma(splat::<N>(comptime!(NB * B2)), sum_b, m5));
}
