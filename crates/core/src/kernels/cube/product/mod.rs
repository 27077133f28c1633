//! Matrix products, which all convolutions and linear layers end in.
//!
//! Large products are cut into tiles that go through shared memory, small ones are computed where they lie. Which kernel and
//! which tile fits is a matter of shape alone, so that nothing is tuned at run time.

mod direct;
mod fours;
mod tiled;

use super::tensors::{empty_float32, vector_size};
use burn_cubecl::tensor::CubeTensor;
use direct::Strip;

/// Threads of a workgroup along each side of the tile.
const SIDE: usize = 16;
/// Values that one load of shared memory moves.
const WIDTH: usize = 4;

/// How deep the slices are that are loaded at once.
const DEPTH: usize = 16;

/// The part of the result that one workgroup computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    rows: usize,
    columns: usize,
}

impl Tile {
    /// Accumulators of a thread: rows, and columns in vectors.
    fn registers(self) -> [usize; 2] {
        [self.rows / SIDE, self.columns / (SIDE * WIDTH)]
    }
}

/// Which factor of a product is stored the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transposed {
    Neither,
    /// The first one, as `[batch, depth, rows]`.
    First,
    /// The second one, as `[batch, columns, depth]`.
    Second,
}

/// Batched matrix product `[batch, rows, depth] · [batch, depth, columns]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductShape {
    pub batch: usize,
    pub rows: usize,
    pub depth: usize,
    pub columns: usize,
    pub transposed: Transposed,
}

impl ProductShape {
    /// Large tiles read the factors less often; small ones keep more of the card busy.
    fn tile(&self) -> Tile {
        let tiles =
            |rows: usize, columns: usize| self.batch * self.rows.div_ceil(rows) * self.columns.div_ceil(columns);
        let enough = 256;
        if self.columns > 64 && self.rows > 64 && tiles(128, 128) >= enough {
            Tile { rows: 128, columns: 128 }
        } else if self.rows > 64 && tiles(128, 64) >= enough {
            Tile { rows: 128, columns: 64 }
        } else {
            Tile { rows: self.few_rows(), columns: 64 }
        }
    }

    /// The rows of a tile that the result fills: at a batch of one, the deep layers of a model have a few tiles of pixels each.
    /// Where the first factor is stored the other way round, each of the 16 threads along the rows has four.
    fn few_rows(&self) -> usize {
        const MOST: usize = 64;
        let fewest = if self.transposed == Transposed::First { 4 * SIDE } else { SIDE };
        self.rows.next_power_of_two().clamp(fewest, MOST)
    }

    /// What the kernel for small products computes in a thread, if this is one: a card has done it before the next launch is there, so
    /// that waiting for each other at shared memory is all that a tile would add.
    fn strip(&self) -> Option<Strip> {
        // In 64 bits: a page counts sizes in 32, in which the product of a large one may be small again.
        const SMALL: u64 = 1 << 24;
        let multiplications: u64 =
            [self.batch, self.rows, self.depth, self.columns].iter().map(|&extent| extent as u64).product();
        if multiplications > SMALL {
            return None;
        }
        let rows = if self.transposed == Transposed::First { WIDTH } else { self.rows.next_power_of_two().min(WIDTH) };
        let depth = [DEPTH, WIDTH].into_iter().find(|depth| self.depth.is_multiple_of(*depth)).unwrap_or(1);
        Some(Strip { rows, depth })
    }

    /// How many parts the depth is cut into, each summed by workgroups of its own, so that the card is busy
    /// although the result is small.
    fn splits(&self) -> usize {
        let tile = self.tile();
        let tiles = self.batch * self.rows.div_ceil(tile.rows) * self.columns.div_ceil(tile.columns);
        let (enough, shallowest) = (512, 256);
        (enough / tiles).clamp(1, (self.depth / shallowest).max(1))
    }

    /// The depth of each of `parts`, in whole slices.
    fn depth_per_part(&self, parts: usize) -> usize {
        self.depth.div_ceil(parts).next_multiple_of(DEPTH)
    }

    /// Values that one load moves out of the first factor, the second, and into the result.
    fn vectors(&self) -> [usize; 3] {
        let first = if self.transposed == Transposed::First { self.rows } else { self.depth };
        let second = if self.transposed == Transposed::Second { self.depth } else { self.columns };
        [first, second, self.columns].map(vector_size)
    }
}

/// What is added to a product before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Addend {
    Nothing,
    /// A value a column for each of the images that the rows belong to.
    SampleBias,
    /// A tensor of the result's shape.
    Residual,
}

/// `(product + bias + addend) · scale`.
pub struct Finish<'a> {
    pub bias: Option<&'a CubeTensor>,
    pub addend: Option<&'a CubeTensor>,
    pub kind: Addend,
    /// Rows of one image.
    pub rows_per_sample: usize,
    pub scale: f32,
}

impl Finish<'_> {
    pub const NONE: Self = Self { bias: None, addend: None, kind: Addend::Nothing, rows_per_sample: 1, scale: 1.0 };
}

/// The product of `a` and `b` with `finish`, in `y`, which is given back.
pub fn product(problem: ProductShape, a: &CubeTensor, b: &CubeTensor, finish: Finish, y: CubeTensor) -> CubeTensor {
    let splits = problem.splits();
    if splits > 1 {
        let parts = partial_products(problem, a, b, splits);
        super::reduce::finish_parts(&parts, splits, finish, problem.columns, &y);
    } else {
        launch(problem, a, b, finish, &y, 1);
    }
    y
}

/// Sums over parts of the depth: `[parts, batch, rows, columns]`, and how many there are.
pub fn split_product(problem: ProductShape, a: &CubeTensor, b: &CubeTensor) -> (CubeTensor, usize) {
    let splits = problem.splits();
    (partial_products(problem, a, b, splits), splits)
}

fn partial_products(problem: ProductShape, a: &CubeTensor, b: &CubeTensor, splits: usize) -> CubeTensor {
    let parts = empty_float32(a, [splits, problem.batch, problem.rows, problem.columns]);
    launch(problem, a, b, Finish::NONE, &parts, splits);
    parts
}

fn launch(problem: ProductShape, a: &CubeTensor, b: &CubeTensor, finish: Finish, y: &CubeTensor, parts: usize) {
    match problem.strip() {
        Some(strip) => direct::launch(problem, strip, a, b, finish, y, parts),
        None => tiled::launch(problem, a, b, finish, y, parts),
    }
}

#[cfg(test)]
mod tests;
