//! The two products of attention with one token per lane, and the copies they work on.

use core::ops::Range;

use crate::kernels::cpu::parallel::Shared;
use crate::kernels::cpu::simd::Simd;

/// Where the rows of one head lie in `[batch][tokens][heads * dim]`.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub offset: usize,
    pub stride: usize,
    pub tokens: usize,
    pub dim: usize,
}

impl Head {
    #[inline(always)]
    fn row(&self, token: usize) -> Range<usize> {
        let at = self.offset + token * self.stride;
        at..at + self.dim
    }

    /// Copies the head to `rows[token][dim]`, times `scale`.
    pub(super) fn copy(&self, from: &[f32], scale: f32, rows: &mut [f32]) {
        for (token, row) in rows.chunks_exact_mut(self.dim).enumerate() {
            row.iter_mut().zip(&from[self.row(token)]).for_each(|(to, x)| *to = x * scale);
        }
    }

    /// Writes `columns[dim][lane] * scale` to the rows of `tokens` (at most one per lane).
    /// # Safety
    /// No other job may touch those rows of `to`.
    pub(super) unsafe fn store(&self, columns: &[f32], lanes: usize, tokens: Range<usize>, scale: f32, to: Shared) {
        for (lane, token) in tokens.enumerate() {
            // SAFETY: the caller's promise.
            let row = unsafe { to.range(self.row(token)) };
            row.iter_mut().zip(columns.chunks_exact(lanes)).for_each(|(to, column)| *to = column[lane] * scale);
        }
    }
}

/// `columns[dim][lane] = rows[token of the lane][dim]`, zero for lanes beyond the last token.
#[inline(always)]
pub(super) fn turn(rows: &[f32], dim: usize, tokens: Range<usize>, lanes: usize, columns: &mut [f32]) {
    columns.fill(0.0);
    for (lane, row) in rows[tokens.start * dim..tokens.end * dim].chunks_exact(dim).enumerate() {
        for (e, &x) in row.iter().enumerate() {
            columns[e * lanes + lane] = x;
        }
    }
}

/// `scores[j][lane] = Σ_e columns[e][lane] rows[j][e]`.
/// # Safety
/// `columns` must hold `dim` vectors, `rows` `count x dim` floats, `scores` room for `count` vectors.
#[inline(always)]
pub(super) unsafe fn scores<S: Simd>(
    s: S,
    columns: *const f32,
    rows: *const f32,
    (count, dim): (usize, usize),
    scores: *mut f32,
) {
    let mut j = 0;
    // SAFETY: the caller's promise.
    unsafe {
        while j + 4 <= count {
            dot::<S, 4>(s, columns, rows.add(j * dim), dim, scores.add(j * S::LANES));
            j += 4;
        }
        while j < count {
            dot::<S, 1>(s, columns, rows.add(j * dim), dim, scores.add(j * S::LANES));
            j += 1;
        }
    }
}

/// [`scores`] of `ROWS` rows at once, so that their sums do not wait for each other.
/// # Safety
/// As for [`scores`].
#[inline(always)]
unsafe fn dot<S: Simd, const ROWS: usize>(s: S, columns: *const f32, rows: *const f32, dim: usize, scores: *mut f32) {
    let mut sums = [s.splat(0.0); ROWS];
    // SAFETY: the caller's promise.
    unsafe {
        for e in 0..dim {
            let column = s.load(columns.add(e * S::LANES));
            for j in 0..ROWS {
                sums[j] = s.fma(column, s.splat(*rows.add(j * dim + e)), sums[j]);
            }
        }
        for j in 0..ROWS {
            s.store(scores.add(j * S::LANES), sums[j]);
        }
    }
}

/// `columns[e][lane] = Σ_j weights[j][lane] rows[j][e]`.
/// # Safety
/// As for [`scores`].
#[inline(always)]
pub(super) unsafe fn weighted<S: Simd>(
    s: S,
    weights: *const f32,
    rows: *const f32,
    (count, dim): (usize, usize),
    columns: *mut f32,
) {
    let mut e = 0;
    // SAFETY: the caller's promise.
    unsafe {
        while e + 8 <= dim {
            combine::<S, 8>(s, weights, rows.add(e), (count, dim), columns.add(e * S::LANES));
            e += 8;
        }
        while e < dim {
            combine::<S, 1>(s, weights, rows.add(e), (count, dim), columns.add(e * S::LANES));
            e += 1;
        }
    }
}

/// [`weighted`] for `COLUMNS` neighbouring columns, whose sums stay in registers.
/// # Safety
/// As for [`scores`].
#[inline(always)]
unsafe fn combine<S: Simd, const COLUMNS: usize>(
    s: S,
    weights: *const f32,
    rows: *const f32,
    (count, dim): (usize, usize),
    columns: *mut f32,
) {
    let mut sums = [s.splat(0.0); COLUMNS];
    // SAFETY: the caller's promise.
    unsafe {
        for j in 0..count {
            let weight = s.load(weights.add(j * S::LANES));
            for e in 0..COLUMNS {
                sums[e] = s.fma(weight, s.splat(*rows.add(j * dim + e)), sums[e]);
            }
        }
        for e in 0..COLUMNS {
            s.store(columns.add(e * S::LANES), sums[e]);
        }
    }
}
