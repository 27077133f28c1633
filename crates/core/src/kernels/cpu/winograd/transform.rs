//! The two-dimensional transforms between images and blocks of tiles.
//!
//! A transformed block is `[point][tile][channel]`, its channels padded to whole vectors.

use core::ops::Range;

use super::Tiling;
use super::points::{self, vectors};
use crate::kernels::cpu::parallel::part;
use crate::kernels::cpu::simd::{Simd, prefetch};

/// Channels are walked in groups of this many, so that one short row of zeros serves any number.
const GROUP: usize = 1024;
/// What a tap outside the image reads.
static ZEROS: [f32; GROUP] = [0.0; GROUP];

/// NHWC pixels: those of channels `channel..` of an image with `channels` channels.
#[derive(Clone, Copy)]
pub(super) struct Pixels {
    pub pointer: *const f32,
    pub channels: usize,
    pub channel: usize,
    /// 1 if every pixel is read as a 2x2 square of the tiling, else 0.
    pub upsample: usize,
}

impl Pixels {
    #[inline(always)]
    fn offset(mut self, channels: usize) -> Self {
        self.channel += channels;
        self
    }
}

/// Tiles whose pixels will be needed after the products of the present block: while the matrix kernel computes, memory is idle.
#[derive(Clone)]
pub(super) struct Ahead<'a> {
    pub tiling: &'a Tiling,
    pub pixels: Pixels,
    pub channels: usize,
    pub tiles: Range<usize>,
}

impl Ahead<'_> {
    /// Asks for part `index` of `parts` of the tiles.
    #[inline(always)]
    pub(super) fn fetch<const M: usize>(&self, index: usize, parts: usize) {
        let range = part(index, parts, self.tiles.len());
        for tile in self.tiles.start + range.start..self.tiles.start + range.end {
            let (image, row, column) = self.tiling.at(tile);
            for i in 0..M {
                for j in 0..M {
                    self.fetch_pixel(image, row * M + i, column * M + j);
                }
            }
        }
    }

    #[inline(always)]
    fn fetch_pixel(&self, image: usize, row: usize, column: usize) {
        /// Floats of a cache line.
        const LINE: usize = 16;
        let Pixels { pointer, channels, channel, upsample } = self.pixels;
        let (row, column) = (row >> upsample, column >> upsample);
        let pixel = (image * (self.tiling.height >> upsample) + row) * (self.tiling.width >> upsample) + column;
        let first = pointer.wrapping_add(pixel * channels + channel);
        let mut c = 0;
        while c < self.channels {
            prefetch(first.wrapping_add(c));
            c += LINE;
        }
    }
}

/// A transformed block: point `p`, tile `t`, channel `c` at `pointer[p * point + t * tile + c]`.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub pointer: *mut f32,
    pub point: usize,
    pub tile: usize,
}

/// Where the `N x N` pixels of a tile lie, the first at `(top, left)`; outside the image at the row of zeros.
/// # Safety
/// `pixels` must cover `batch` images of the tiling.
#[inline(always)]
unsafe fn addresses<const N: usize>(
    tiling: &Tiling,
    pixels: &Pixels,
    image: usize,
    (top, left): (isize, isize),
) -> [[*const f32; N]; N] {
    let mut all = [[ZEROS.as_ptr(); N]; N];
    let (height, width) = (tiling.height >> pixels.upsample, tiling.width >> pixels.upsample);
    for i in 0..N {
        for j in 0..N {
            let (row, column) = (top + i as isize, left + j as isize);
            if row >= 0 && column >= 0 && (row as usize) < tiling.height && (column as usize) < tiling.width {
                let (row, column) = (row as usize >> pixels.upsample, column as usize >> pixels.upsample);
                let pixel = (image * height + row) * width + column;
                // SAFETY: the pixel lies inside the image.
                all[i][j] = unsafe { pixels.pointer.add(pixel * pixels.channels + pixels.channel) };
            }
        }
    }
    all
}

/// Loads a vector at `address + c`, or only the last `left` lanes' worth of channels.
macro_rules! load {
    ($s:ident, $full:ident, $p:expr, $left:expr) => {
        if $full { $s.load($p) } else { $s.load_first($p, $left) }
    };
}

/// One vector of channels of one tile: `B^T d B`.
/// # Safety
/// Every address must be readable at `c` for a vector (or `left` floats), the block writable.
#[inline(always)]
unsafe fn input_vector<S: Simd, const P: usize, const FULL: bool>(
    s: S,
    from: &[[*const f32; P]; P],
    c: usize,
    left: usize,
    to: *mut f32,
    point: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut columns = [[s.splat(0.0); P]; P];
        for j in 0..P {
            let transformed = points::input::<S, P>(s, vectors!(s, i => load!(s, FULL, from[i][j].add(c), left)));
            for i in 0..P {
                columns[i][j] = transformed[i];
            }
        }
        for i in 0..P {
            let transformed = points::input::<S, P>(s, columns[i]);
            for j in 0..P {
                s.store(to.add((i * P + j) * point), transformed[j]);
            }
        }
    }
}

/// `V = B^T d B` of the input tiles `tiles`, `channels` channels from `pixels.channel` on.
/// # Safety
/// `pixels` must cover the images; the block must hold `tiles` with the padded channels.
#[inline(always)]
pub(super) unsafe fn input<S: Simd, const P: usize, const M: usize>(
    s: S,
    tiling: &Tiling,
    pixels: Pixels,
    channels: usize,
    tiles: Range<usize>,
    block: Block,
) {
    for tile in tiles.start..tiles.end {
        let (image, row, column) = tiling.at(tile);
        let corner = ((row * M) as isize - 1, (column * M) as isize - 1);
        let mut group = 0;
        while group < channels {
            let in_group = GROUP.min(channels - group);
            // SAFETY: the caller's promise.
            unsafe {
                let from = addresses::<P>(tiling, &pixels.offset(group), image, corner);
                let to = block.pointer.add((tile - tiles.start) * block.tile + group);
                let mut c = 0;
                while c + S::LANES <= in_group {
                    input_vector::<S, P, true>(s, &from, c, S::LANES, to.add(c), block.point);
                    c += S::LANES;
                }
                if c < in_group {
                    input_vector::<S, P, false>(s, &from, c, in_group - c, to.add(c), block.point);
                }
            }
            group += GROUP;
        }
    }
}

/// One vector of channels of one tile: `A y A^T`. Returns the sum of `y` over the tile.
/// # Safety
/// As for [`input_vector`].
#[inline(always)]
unsafe fn gradient_vector<S: Simd, const P: usize, const M: usize, const FULL: bool>(
    s: S,
    from: &[[*const f32; M]; M],
    c: usize,
    left: usize,
    to: *mut f32,
    point: usize,
) -> S::V {
    // SAFETY: the caller's promise.
    unsafe {
        let mut columns = [[s.splat(0.0); M]; P];
        let mut sum = s.splat(0.0);
        for j in 0..M {
            let column: [S::V; M] = vectors!(s, i => load!(s, FULL, from[i][j].add(c), left));
            for i in 0..M {
                sum = s.add(sum, column[i]);
            }
            let transformed = points::output_gradient::<S, P, M>(s, column);
            for i in 0..P {
                columns[i][j] = transformed[i];
            }
        }
        for i in 0..P {
            let transformed = points::output_gradient::<S, P, M>(s, columns[i]);
            for j in 0..P {
                s.store(to.add((i * P + j) * point), transformed[j]);
            }
        }
        sum
    }
}

/// `Z = A y A^T` of the output gradient's tiles `tiles`. Where `sums` is given, adds up `y` over the pixels of each image,
/// in row `image` of `sums`, whose rows are as long as those of the pixels.
/// # Safety
/// As for [`input`]; `sums` must have a row for each image.
#[inline(always)]
pub(super) unsafe fn output_gradient<S: Simd, const P: usize, const M: usize>(
    s: S,
    tiling: &Tiling,
    pixels: Pixels,
    channels: usize,
    tiles: Range<usize>,
    block: Block,
    sums: Option<*mut f32>,
) {
    for tile in tiles.start..tiles.end {
        let (image, row, column) = tiling.at(tile);
        let corner = ((row * M) as isize, (column * M) as isize);
        let mut group = 0;
        while group < channels {
            let in_group = GROUP.min(channels - group);
            // SAFETY: the caller's promise.
            unsafe {
                let from = addresses::<M>(tiling, &pixels.offset(group), image, corner);
                let to = block.pointer.add((tile - tiles.start) * block.tile + group);
                let mut c = 0;
                while c < in_group {
                    let lanes = S::LANES.min(in_group - c);
                    let sum = if lanes == S::LANES {
                        gradient_vector::<S, P, M, true>(s, &from, c, lanes, to.add(c), block.point)
                    } else {
                        gradient_vector::<S, P, M, false>(s, &from, c, lanes, to.add(c), block.point)
                    };
                    if let Some(sums) = sums {
                        let at = sums.add(image * pixels.channels + pixels.channel + group + c);
                        s.store_lanes(at, lanes, s.add(s.load_lanes(at, lanes), sum));
                    }
                    c += S::LANES;
                }
            }
            group += GROUP;
        }
    }
}

/// One vector of channels of one tile: `A^T m A`.
/// # Safety
/// The block must be readable at every point of the tile.
#[inline(always)]
pub(super) unsafe fn output_vector<S: Simd, const P: usize, const M: usize>(
    s: S,
    from: *const f32,
    point: usize,
) -> [[S::V; M]; M] {
    let mut rows = [[s.splat(0.0); M]; M];
    // SAFETY: the caller's promise.
    unsafe {
        let mut columns = [[s.splat(0.0); P]; M];
        for j in 0..P {
            let transformed = points::output::<S, P, M>(s, vectors!(s, i => s.load(from.add((i * P + j) * point))));
            for i in 0..M {
                columns[i][j] = transformed[i];
            }
        }
        for i in 0..M {
            rows[i] = points::output::<S, P, M>(s, columns[i]);
        }
    }
    rows
}
