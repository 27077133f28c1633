//! Transformed weights `U = G g G^T`, packed in panels for the matrix kernel.

use super::Tile;
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

/// `U` as `[panel of 64 output channels][point][input channel][64]`; channels beyond the last are zero.
pub struct PackedWeights {
    buffer: Recycled,
    /// Floats before the first one that is aligned to a cache line.
    skip: usize,
    pub(super) tile: Tile,
    pub(super) c_in: usize,
    pub(super) c_out: usize,
}

/// Input channels one job transforms.
const ROWS: usize = 32;

impl PackedWeights {
    /// Transforms HWIO weights `[3][3][c_in][c_out]`. For [`Direction::InputGradient`] the result takes `c_out` channels to `c_in`.
    pub fn new(weight: &[f32], c_in: usize, c_out: usize, tile: Tile, direction: Direction) -> Self {
        assert_eq!(weight.len(), 9 * c_in * c_out, "convolution weight");
        let (rows, columns) = match direction {
            Direction::Forward => (c_in, c_out),
            Direction::InputGradient => (c_out, c_in),
        };
        let panels = columns.div_ceil(PANEL);
        let len = panels * tile.points() * rows * PANEL;
        let mut buffer = Recycled::for_overwrite(len + 16);
        let skip = buffer.as_ptr().align_offset(64).min(16);
        let packed = Shared::new(&mut buffer[skip..skip + len]);
        let jobs_per_panel = rows.div_ceil(ROWS);
        parallel_for(panels * jobs_per_panel, |index| {
            let panel = index / jobs_per_panel;
            let first = index % jobs_per_panel * ROWS;
            let job = Job { weight, c_in, c_out, panel, rows, columns, first, last: rows.min(first + ROWS), packed };
            // SAFETY: each job writes its own rows of its own panel; the gathered block is `ROWS` rows of nine panels.
            with_scratch(9 * ROWS * PANEL, |block| unsafe {
                job.gather(direction, block);
                match tile {
                    Tile::Two => transform_two((&job, block)),
                    Tile::Four => transform_four((&job, block)),
                }
            });
        });
        PackedWeights { buffer, skip, tile, c_in: rows, c_out: columns }
    }

    /// The first aligned float; from here on lie all panels.
    pub(super) fn pointer(&self) -> *const f32 {
        self.buffer[self.skip..].as_ptr()
    }
}

/// Rows `first..last` of one panel.
struct Job<'a> {
    weight: &'a [f32],
    c_in: usize,
    c_out: usize,
    panel: usize,
    rows: usize,
    columns: usize,
    first: usize,
    last: usize,
    packed: Shared<'a>,
}

impl Job<'_> {
    /// Copies the job's weights to `block[tap][row][64]`, turned as `direction` says, zeros beyond the last column.
    /// # Safety
    /// `block` must be writable for `9 x ROWS x PANEL` floats.
    unsafe fn gather(&self, direction: Direction, block: *mut f32) {
        // SAFETY: the caller's promise.
        let block = unsafe { core::slice::from_raw_parts_mut(block, 9 * ROWS * PANEL) };
        let start = self.panel * PANEL;
        let width = PANEL.min(self.columns - start);
        if width < PANEL {
            block.fill(0.0);
        }
        for (tap, block) in block.chunks_exact_mut(ROWS * PANEL).enumerate() {
            match direction {
                Direction::Forward => {
                    for (row, target) in (self.first..self.last).zip(block.chunks_exact_mut(PANEL)) {
                        let source = (tap * self.c_in + row) * self.c_out + start;
                        target[..width].copy_from_slice(&self.weight[source..source + width]);
                    }
                }
                Direction::InputGradient => {
                    let plane = &self.weight[(8 - tap) * self.c_in * self.c_out..];
                    for column in 0..width {
                        let source = &plane[(start + column) * self.c_out + self.first..][..self.last - self.first];
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
    unsafe fn transform_two(job: (&Job<'_>, *const f32)) = transform::<_, 4>;
}
isa_entry! {
    unsafe fn transform_four(job: (&Job<'_>, *const f32)) = transform::<_, 6>;
}

#[inline(always)]
unsafe fn transform<S: Simd, const P: usize>(s: S, (job, block): (&Job<'_>, *const f32)) {
    for row in job.first..job.last {
        let mut column = 0;
        while column < PANEL {
            // SAFETY: `block` holds the job's rows; the panel's points and rows lie inside `packed`.
            unsafe {
                let from = block.add((row - job.first) * PANEL + column);
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
                        let point = job.panel * P * P + i * P + j;
                        s.stream(job.packed.pointer().add((point * job.rows + row) * PANEL + column), g[j]);
                    }
                }
            }
            column += S::LANES;
        }
    }
}
