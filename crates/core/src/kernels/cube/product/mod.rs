//! Matrix products, which all convolutions and linear layers end in.
//!
//! A workgroup of 16 x 16 threads computes a tile of the result. It walks along the depth: a slice of both factors is loaded
//! into shared memory while the slice before is multiplied out of it, and each thread keeps its part of the tile in
//! registers. Which tile fits is a matter of shape alone, so that nothing is tuned at run time.

mod kernel;

use super::tensors::{THREADS, buffer, element, empty_float32, vector_size};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Threads of a workgroup along each side of the tile.
const SIDE: usize = 16;
/// Values that one load of shared memory moves.
const WIDTH: usize = 4;

/// The part of the result that one workgroup computes, and how deep a slice it loads at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    rows: usize,
    columns: usize,
    depth: usize,
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
            Tile { rows: 128, columns: 128, depth: 16 }
        } else if self.rows > 64 && tiles(128, 64) >= enough {
            Tile { rows: 128, columns: 64, depth: 16 }
        } else {
            Tile { rows: self.few_rows(), columns: 64, depth: 16 }
        }
    }

    /// The rows of a tile that the result fills: the Winograd points of a batch of one have 16 rows and fewer. Where the first
    /// factor is stored the other way round, each of the 16 threads along the rows has four.
    fn few_rows(&self) -> usize {
        const MOST: usize = 64;
        let fewest = if self.transposed == Transposed::First { 4 * SIDE } else { SIDE };
        self.rows.next_power_of_two().clamp(fewest, MOST)
    }

    /// How many parts the depth is cut into, each summed by workgroups of its own, so that the card is busy
    /// although the result is small.
    fn splits(&self) -> usize {
        let tile = self.tile();
        let tiles = self.batch * self.rows.div_ceil(tile.rows) * self.columns.div_ceil(tile.columns);
        let (enough, shallowest) = (512, 256);
        (enough / tiles).clamp(1, (self.depth / shallowest).max(1))
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

fn launch(problem: ProductShape, a: &CubeTensor, b: &CubeTensor, finish: Finish, y: &CubeTensor, splits: usize) {
    let ProductShape { batch, rows, depth, columns, transposed } = problem;
    let tile = problem.tile();
    let depth_per_split = depth.div_ceil(splits).next_multiple_of(tile.depth);
    let count = CubeCount::Static(
        columns.div_ceil(tile.columns) as u32,
        rows.div_ceil(tile.rows) as u32,
        (batch * splits) as u32,
    );
    let (bias, addend) = (finish.bias.unwrap_or(b), finish.addend.unwrap_or(b));
    // SAFETY: the kernel checks rows, columns and depth against the extents of the buffers.
    unsafe {
        kernel::product_kernel::launch_unchecked(
            &a.client,
            count,
            CubeDim::new_1d(THREADS),
            vector_size(if transposed == Transposed::First { rows } else { depth }),
            vector_size(if transposed == Transposed::Second { depth } else { columns }),
            vector_size(columns),
            buffer(a),
            buffer(b),
            buffer(bias),
            buffer(addend),
            buffer(y),
            rows as u32,
            depth as u32,
            columns as u32,
            batch as u32,
            depth_per_split as u32,
            finish.rows_per_sample as u32,
            finish.scale,
            tile,
            transposed,
            finish.bias.is_some(),
            finish.kind,
            [a, b, addend, y].map(element),
        );
    }
}
