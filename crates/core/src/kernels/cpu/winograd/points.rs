//! The one-dimensional transforms of F(2,3) and F(4,3).
//!
//! `y = A^T [(G g) ⊙ (B^T d)]` computes M outputs of a 3-tap correlation with `P = M + 2` products (Winograd 1980; Lavin and
//! Gray 2016, arXiv:1509.09308). Two dimensions nest one: `Y = A^T [(G g G^T) ⊙ (B^T d B)] A`.
//! Every function takes and returns vectors over channels.

use crate::kernels::cpu::simd::Simd;
use crate::kernels::interpolation_points::{A1, A2, B1, B2, NA, NB};

/// `B^T d`: P inputs to P points.
#[inline(always)]
pub(super) fn input<S: Simd, const P: usize>(s: S, d: [S::V; P]) -> [S::V; P] {
    let mut o = d;
    if P == 4 {
        o[0] = s.sub(d[0], d[2]);
        o[1] = s.add(d[1], d[2]);
        o[2] = s.sub(d[2], d[1]);
        o[3] = s.sub(d[1], d[3]);
    } else {
        // A2 * B2 = 1 leaves d0 and d1 without a factor.
        let outer = s.splat(-(A2 + B2));
        o[0] = s.fma(outer, d[2], s.add(d[0], d[4]));
        o[5] = s.fma(outer, d[3], s.add(d[1], d[5]));
        let even_a = s.fma(s.splat(-B2), d[2], d[4]);
        let odd_a = s.mul(s.splat(A1), s.fma(s.splat(-B2), d[1], d[3]));
        let even_b = s.fma(s.splat(-A2), d[2], d[4]);
        let odd_b = s.mul(s.splat(B1), s.fma(s.splat(-A2), d[1], d[3]));
        o[1] = s.add(even_a, odd_a);
        o[2] = s.sub(even_a, odd_a);
        o[3] = s.add(even_b, odd_b);
        o[4] = s.sub(even_b, odd_b);
    }
    o
}

/// `A^T m`: P points to M outputs.
#[inline(always)]
pub(super) fn output<S: Simd, const P: usize, const M: usize>(s: S, m: [S::V; P]) -> [S::V; M] {
    let mut o = [m[0]; M];
    let (sum_a, difference_a) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    if P == 4 {
        o[0] = s.add(m[0], sum_a);
        o[1] = s.sub(difference_a, m[3]);
    } else {
        let (sum_b, difference_b) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
        o[0] = s.add(s.add(m[0], sum_a), sum_b);
        o[1] = s.fma(s.splat(A1), difference_a, s.mul(s.splat(B1), difference_b));
        o[2] = s.fma(s.splat(A2), sum_a, s.mul(s.splat(B2), sum_b));
        o[3] = s.fma(s.splat(A2 * A1), difference_a, s.fma(s.splat(B2 * B1), difference_b, m[5]));
    }
    o
}

/// `A y`, the transpose of [`output`]: M output gradients to P points.
#[inline(always)]
pub(super) fn output_gradient<S: Simd, const P: usize, const M: usize>(s: S, y: [S::V; M]) -> [S::V; P] {
    let mut o = [y[0]; P];
    if P == 4 {
        o[1] = s.add(y[0], y[1]);
        o[2] = s.sub(y[0], y[1]);
        o[3] = s.sub(s.splat(0.0), y[1]);
    } else {
        let even_a = s.fma(s.splat(A2), y[2], y[0]);
        let odd_a = s.fma(s.splat(A2 * A1), y[3], s.mul(s.splat(A1), y[1]));
        let even_b = s.fma(s.splat(B2), y[2], y[0]);
        let odd_b = s.fma(s.splat(B2 * B1), y[3], s.mul(s.splat(B1), y[1]));
        o[1] = s.add(even_a, odd_a);
        o[2] = s.sub(even_a, odd_a);
        o[3] = s.add(even_b, odd_b);
        o[4] = s.sub(even_b, odd_b);
        o[5] = y[3];
    }
    o
}

/// `G g`: 3 weights to P points.
#[inline(always)]
pub(super) fn weight<S: Simd, const P: usize>(s: S, g: [S::V; 3]) -> [S::V; P] {
    let mut o = [g[0]; P];
    if P == 4 {
        let half = s.splat(0.5);
        let (even, odd) = (s.mul(half, s.add(g[0], g[2])), s.mul(half, g[1]));
        o[1] = s.add(even, odd);
        o[2] = s.sub(even, odd);
        o[3] = g[2];
    } else {
        let even_a = s.mul(s.splat(NA), s.fma(s.splat(A2), g[2], g[0]));
        let even_b = s.mul(s.splat(NB), s.fma(s.splat(B2), g[2], g[0]));
        let (odd_a, odd_b) = (s.mul(s.splat(NA * A1), g[1]), s.mul(s.splat(NB * B1), g[1]));
        o[1] = s.add(even_a, odd_a);
        o[2] = s.sub(even_a, odd_a);
        o[3] = s.add(even_b, odd_b);
        o[4] = s.sub(even_b, odd_b);
        o[5] = g[2];
    }
    o
}

/// `G^T m`, the transpose of [`weight`]: P points to 3 weight gradients.
#[inline(always)]
pub(super) fn weight_gradient<S: Simd, const P: usize>(s: S, m: [S::V; P]) -> [S::V; 3] {
    let (sum_a, difference_a) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    if P == 4 {
        let half = s.splat(0.5);
        return [s.fma(half, sum_a, m[0]), s.mul(half, difference_a), s.fma(half, sum_a, m[3])];
    }
    let (sum_b, difference_b) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    [
        s.fma(s.splat(NA), sum_a, s.fma(s.splat(NB), sum_b, m[0])),
        s.fma(s.splat(NA * A1), difference_a, s.mul(s.splat(NB * B1), difference_b)),
        s.fma(s.splat(NA * A2), sum_a, s.fma(s.splat(NB * B2), sum_b, m[P - 1])),
    ]
}

/// `[f(0), f(1), …]` without a closure (see `simd`).
macro_rules! vectors {
    ($s:ident, $i:ident => $element:expr) => {{
        let mut all = [$s.splat(0.0); _];
        for $i in 0..all.len() {
            all[$i] = $element;
        }
        all
    }};
}
pub(super) use vectors;
