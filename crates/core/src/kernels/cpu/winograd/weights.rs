//! Transformed weights `U = G g G^T`, packed in panels for the matrix kernel.

use super::Tile;
use core::ops::Range;

use super::points::{self, vectors};
use crate::kernels::cpu::buffers::Recycled;
use crate::kernels::cpu::microkernel::PANEL;
use crate::kernels::cpu::parallel::{Shared, parallel_for, with_scratch};
use crate::kernels::cpu::simd::{Simd, isa_entry};

/// What the weights are packed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    /// Rotated by half a turn, in and out exchanged: the data gradient is a convolution of the output gradient with these.
    InputGradient,
}

/// HWIO weights `[3][3][c_in][c_out]` and what to make of them.
#[derive(Clone, Copy)]
pub(super) struct RawWeights<'a> {
    pub values: &'a [f32],
    pub c_in: usize,
    pub c_out: usize,
    pub direction: Direction,
}

/// `U` as `[panel of 64 output channels][point][input channel][64]`; channels beyond the last are zero.
pub struct PackedWeights {
    buffer: Recycled,
    /// Floats before the first one that is aligned to a cache line.
    skip: usize,
    pub(super) tile: Tile,
    pub(super) c_in: usize,
    pub(super) c_out: usize,
}

/// Input channels transformed at a time.
pub(super) const ROWS: usize = 32;
/// Floats of the weights of [`ROWS`] input channels of a panel.
pub(super) const GATHERED: usize = 9 * ROWS * PANEL;

impl PackedWeights {
    /// Transforms HWIO weights `[3][3][c_in][c_out]`. For [`Direction::InputGradient`] the result takes `c_out` channels to `c_in`.
    pub fn new(weight: &[f32], c_in: usize, c_out: usize, tile: Tile, direction: Direction) -> Self {
        assert_eq!(weight.len(), 9 * c_in * c_out, "convolution weight");
        let raw = RawWeights { values: weight, c_in, c_out, direction };
        let (rows, columns) = raw.channels();
        let (panels, steps) = (columns.div_ceil(PANEL), rows.div_ceil(ROWS));
        let len = panels * tile.points() * rows * PANEL;
        let mut buffer = Recycled::for_overwrite(len + 16);
        let skip = buffer.as_ptr().align_offset(64).min(16);
        let packed = Shared::new(&mut buffer[skip..skip + len]);
        parallel_for(panels * steps, |index| {
            let (panel, first) = (index / steps, index % steps * ROWS);
            let channels = first..rows.min(first + ROWS);
            // SAFETY: each job writes its own rows of its own panel, which lie in `packed`, aligned.
            with_scratch(GATHERED, |block| unsafe {
                let to = packed.pointer().add((panel * tile.points() * rows + first) * PANEL);
                raw.transform(panel, channels, tile, block, Target { pointer: to, point: rows * PANEL, stream: true });
            });
        });
        PackedWeights { buffer, skip, tile, c_in: rows, c_out: columns }
    }

    /// The first aligned float; from here on lie all panels.
    pub(super) fn pointer(&self) -> *const f32 {
        self.buffer[self.skip..].as_ptr()
    }
}

/// Where transformed weights go: point `p`, row `r` to `pointer[p * point + r * 64]`.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub pointer: *mut f32,
    pub point: usize,
    /// Past the caches, to an aligned address.
    pub stream: bool,
}

impl RawWeights<'_> {
    /// Channels in and out of the convolution with these weights as turned by their direction.
    pub(super) fn channels(&self) -> (usize, usize) {
        match self.direction {
            Direction::Forward => (self.c_in, self.c_out),
            Direction::InputGradient => (self.c_out, self.c_in),
        }
    }

    /// Transforms the rows `channels` (at most [`ROWS`]) of a panel.
    /// # Safety
    /// `block` must be writable for [`GATHERED`] floats, the target for all points of the rows.
    pub(super) unsafe fn transform(
        &self,
        panel: usize,
        channels: Range<usize>,
        tile: Tile,
        block: *mut f32,
        target: Target,
    ) {
        let rows = channels.len();
        // SAFETY: the caller's promise.
        unsafe {
            self.gather(panel, channels, core::slice::from_raw_parts_mut(block, GATHERED));
            match tile {
                Tile::Two => transform_two((block, rows, target)),
                Tile::Four => transform_four((block, rows, target)),
            }
        }
    }

    /// Copies weights to `block[tap][row][64]`, turned as the direction says, zeros beyond the last column.
    fn gather(&self, panel: usize, channels: Range<usize>, block: &mut [f32]) {
        let start = panel * PANEL;
        let width = PANEL.min(self.channels().1 - start);
        if width < PANEL {
            block.fill(0.0);
        }
        for (tap, block) in block.chunks_exact_mut(ROWS * PANEL).enumerate() {
            match self.direction {
                Direction::Forward => {
                    for (row, target) in channels.clone().zip(block.chunks_exact_mut(PANEL)) {
                        let source = (tap * self.c_in + row) * self.c_out + start;
                        target[..width].copy_from_slice(&self.values[source..source + width]);
                    }
                }
                Direction::InputGradient => {
                    let plane = &self.values[(8 - tap) * self.c_in * self.c_out..];
                    for column in 0..width {
                        let source = &plane[(start + column) * self.c_out..][channels.clone()];
                        for (row, &w) in source.iter().enumerate() {
                            block[row * PANEL + column] = w;
                        }
                    }
                }
            }
        }
    }
}

isa_entry! {
    unsafe fn transform_two(job: (*const f32, usize, Target)) = transform::<_, 4>;
}
isa_entry! {
    unsafe fn transform_four(job: (*const f32, usize, Target)) = transform::<_, 6>;
}

/// `G g G^T` of gathered rows.
#[inline(always)]
unsafe fn transform<S: Simd, const P: usize>(s: S, (block, count, target): (*const f32, usize, Target)) {
    for row in 0..count {
        let mut column = 0;
        while column < PANEL {
            // SAFETY: the block holds the rows, the target has room for their points.
            unsafe {
                let from = block.add(row * PANEL + column);
                let to = target.pointer.add(row * PANEL + column);
                let mut rows = [[s.splat(0.0); 3]; P];
                for j in 0..3 {
                    let g = points::weight::<S, P>(s, vectors!(s, i => s.load(from.add((i * 3 + j) * ROWS * PANEL))));
                    for i in 0..P {
                        rows[i][j] = g[i];
                    }
                }
                for i in 0..P {
                    let g = points::weight::<S, P>(s, rows[i]);
                    for j in 0..P {
                        let to = to.add((i * P + j) * target.point);
                        if target.stream { s.stream(to, g[j]) } else { s.store(to, g[j]) }
                    }
                }
            }
            column += S::LANES;
        }
    }
}
