//! The register-blocked matrix product all convolutions and linear layers end in.
//!
//! A tile of `TILE_ROWS` rows by `TILE_VECTORS` vectors of `C` stays in registers while `k` runs: each step loads one row of `B` and
//! broadcasts one element of each row of `A`. `B` is a panel of at most [`PANEL`] columns that stays in the
//! first-level cache; `A` needs no packing.

use super::parallel::part;
use super::simd::{Simd, isa_entry};

/// Columns of a packed panel of `B`.
pub(crate) const PANEL: usize = 64;

/// A matrix read one element at a time: element `(i, k)` lies at `pointer[i * row + k * depth]`.
#[derive(Clone, Copy)]
pub(crate) struct Strided {
    pub pointer: *const f32,
    pub row: usize,
    pub depth: usize,
}

/// A matrix with contiguous rows.
#[derive(Clone, Copy)]
pub(crate) struct Rows<P> {
    pub pointer: P,
    pub row: usize,
}

/// `C[rows][width] (+)= A[rows][depth] B[depth][width]`.
#[derive(Clone, Copy)]
pub(crate) struct Product {
    pub rows: usize,
    pub depth: usize,
    /// A multiple of `simd::ALIGN`.
    pub width: usize,
    pub a: Strided,
    pub b: Rows<*const f32>,
    pub c: Rows<*mut f32>,
    pub accumulate: bool,
}

/// One step of `k`: a row of `B` times one element of each row of `A`, `row` floats apart.
/// # Safety
/// `b` must be readable for `VECTORS` vectors, `a` at each of `ROWS` rows.
#[inline(always)]
unsafe fn step<S: Simd, const ROWS: usize, const VECTORS: usize>(
    s: S,
    sums: &mut [[S::V; VECTORS]; ROWS],
    a: *const f32,
    row: usize,
    b: *const f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut vectors = [s.splat(0.0); VECTORS];
        for j in 0..VECTORS {
            vectors[j] = s.load(b.add(j * S::LANES));
        }
        for i in 0..ROWS {
            let element = s.splat(*a.add(i * row));
            for j in 0..VECTORS {
                sums[i][j] = s.fma(element, vectors[j], sums[i][j]);
            }
        }
    }
}

/// One register tile of `ROWS x VECTORS` vectors.
/// # Safety
/// The matrices must be readable and writable over their extents.
#[inline(always)]
unsafe fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(
    s: S,
    p: &Product,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
) {
    let (mut a, mut b) = (a, b);
    let mut sums = [[s.splat(0.0); VECTORS]; ROWS];
    // SAFETY: the caller's promise; `a` and `b` move past the end only after the last step.
    unsafe {
        if p.accumulate {
            for i in 0..ROWS {
                for j in 0..VECTORS {
                    sums[i][j] = s.load(c.add(i * p.c.row + j * S::LANES));
                }
            }
        }
        let mut left = p.depth;
        if p.a.depth == 1 {
            while left >= S::TILE_STEPS {
                for k in 0..S::TILE_STEPS {
                    step(s, &mut sums, a.add(k), p.a.row, b);
                    b = b.wrapping_add(p.b.row);
                }
                a = a.wrapping_add(S::TILE_STEPS);
                left -= S::TILE_STEPS;
            }
        }
        while left > 0 {
            step(s, &mut sums, a, p.a.row, b);
            a = a.wrapping_add(p.a.depth);
            b = b.wrapping_add(p.b.row);
            left -= 1;
        }
        for i in 0..ROWS {
            for j in 0..VECTORS {
                s.store(c.add(i * p.c.row + j * S::LANES), sums[i][j]);
            }
        }
    }
}

/// All rows of one strip of `VECTORS` vectors, in nearly equal groups so that no tile of one or two rows is left over.
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn strip<S: Simd, const VECTORS: usize>(s: S, p: &Product, column: usize) {
    let groups = p.rows.div_ceil(S::TILE_ROWS);
    for group in 0..groups {
        let rows = part(group, groups, p.rows);
        // SAFETY: rows and columns lie inside the matrices.
        unsafe {
            let a = p.a.pointer.add(rows.start * p.a.row);
            let b = p.b.pointer.add(column);
            let c = p.c.pointer.add(rows.start * p.c.row + column);
            match (rows.len(), S::TILE_ROWS) {
                (1, _) => tile::<S, 1, VECTORS>(s, p, a, b, c),
                (2, _) => tile::<S, 2, VECTORS>(s, p, a, b, c),
                (3, _) => tile::<S, 3, VECTORS>(s, p, a, b, c),
                (4, _) | (_, 4) => tile::<S, 4, VECTORS>(s, p, a, b, c),
                (5, _) => tile::<S, 5, VECTORS>(s, p, a, b, c),
                _ => tile::<S, 6, VECTORS>(s, p, a, b, c),
            }
        }
    }
}

isa_entry! {
    /// Computes the product; a call of its own, so that each instruction set has the tiles compiled once.
    /// # Safety
    /// `a` must be readable over `rows x depth`, `b` over `depth x width`, `c` writable over `rows x width`.
    pub(crate) unsafe fn product(job: &Product) = product_body;
}

#[inline(always)]
unsafe fn product_body<S: Simd>(s: S, job: &Product) {
    let mut column = 0;
    // SAFETY: columns stay below `width`.
    unsafe {
        while column + S::TILE_VECTORS * S::LANES <= job.width {
            if S::TILE_VECTORS == 4 {
                strip::<S, 4>(s, job, column);
            } else {
                strip::<S, 2>(s, job, column);
            }
            column += S::TILE_VECTORS * S::LANES;
        }
        while column < job.width {
            strip::<S, 1>(s, job, column);
            column += S::LANES;
        }
    }
}
