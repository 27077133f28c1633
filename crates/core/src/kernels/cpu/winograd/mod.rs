//! 3x3 convolution, stride 1, padding 1, over NHWC by Winograd's minimal filtering F(4x4,3x3) or F(2x2,3x3).
//!
//! A tile of P x P inputs and a transformed filter are multiplied point by point to M x M outputs, P = M + 2: 36 products
//! for 16 outputs in place of 144. Over all channels each of the P² points is a matrix product `[tiles x in] [in x out]`. One job
//! takes a block of tiles through input transform, products and output transform while they lie in its second-level cache.

mod forward;
mod points;
mod transform;
mod weight_gradient;
mod weights;

#[cfg(test)]
mod tests;

pub use crate::kernels::conv2d::ConvShape;
#[cfg(test)]
pub use forward::input_gradient;
pub use forward::{forward, forward_unpacked, input_gradient_unpacked};
pub use weight_gradient::weight_and_bias_gradient;
pub use weights::{Direction, PackedWeights};

use super::simd::padded;

impl ConvShape {
    pub(crate) fn input_len(&self) -> usize {
        self.batch * self.height * self.width * self.c_in / if self.upsample { 4 } else { 1 }
    }

    pub(crate) fn output_len(&self) -> usize {
        self.batch * self.height * self.width * self.c_out
    }

    pub(crate) fn weight_len(&self) -> usize {
        9 * self.c_in * self.c_out
    }

    /// The tile to compute with by an estimate of multiplications per weight, or none if the direct algorithm needs the fewest, as
    /// it does for a few pixels. Transforming a weight costs as much as about four multiplications for each point and 75
    /// more; reading one that is kept `transformed`, three for each point.
    /// `EMBERWING_CONV=direct` always says none: Winograd's rounding errors are larger.
    pub fn tile(&self, transformed: bool) -> Option<Tile> {
        let winograd = |tile: Tile| {
            let m = tile as usize;
            let tiles = self.batch * self.height.div_ceil(m) * self.width.div_ceil(m);
            let weight = if transformed { 3 * tile.points() } else { 4 * tile.points() + 75 };
            tile.points() * tiles + weight
        };
        let direct = 9 * (self.batch * self.height * self.width + 2);
        let best = if winograd(Tile::Four) <= winograd(Tile::Two) { Tile::Four } else { Tile::Two };
        (winograd(best) <= direct && !direct_only()).then_some(best)
    }

    /// Whether weights are better transformed piece by piece where they are used than all before, even if the result were kept:
    /// while the transformed tiles of `channels` input channels fit one job's cache, four times the weights need not be read.
    pub fn favours_unpacked(&self, tile: Tile, channels: usize) -> bool {
        const MOST: usize = 8192;
        Tiling::new(self, tile).count * padded(channels) <= MOST
    }

    fn assert_input(&self, x: &[f32]) {
        assert!(
            !self.upsample || (self.height.is_multiple_of(2) && self.width.is_multiple_of(2)),
            "up-sampled size is odd"
        );
        assert_eq!(x.len(), self.input_len(), "convolution input");
    }
}

/// Output pixels per tile and side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    Two = 2,
    Four = 4,
}

impl Tile {
    /// Points of the transformed tile, `(M + 2)²`.
    fn points(self) -> usize {
        (self as usize + 2) * (self as usize + 2)
    }
}

/// Whether the environment asks for the direct algorithm. Read once.
#[cfg(not(target_family = "wasm"))]
fn direct_only() -> bool {
    static DIRECT: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *DIRECT.get_or_init(|| std::env::var("EMBERWING_CONV").is_ok_and(|value| value == "direct"))
}

#[cfg(target_family = "wasm")]
fn direct_only() -> bool {
    false
}

/// How the images are cut into tiles, numbered image by image, row by row.
#[derive(Clone, Copy)]
struct Tiling {
    height: usize,
    width: usize,
    rows: usize,
    columns: usize,
    count: usize,
}

impl Tiling {
    fn new(shape: &ConvShape, tile: Tile) -> Self {
        let (rows, columns) = (shape.height.div_ceil(tile as usize), shape.width.div_ceil(tile as usize));
        Tiling { height: shape.height, width: shape.width, rows, columns, count: shape.batch * rows * columns }
    }

    /// Image, tile row and tile column of a tile.
    #[inline(always)]
    fn at(&self, tile: usize) -> (usize, usize, usize) {
        let rest = tile % (self.rows * self.columns);
        (tile / (self.rows * self.columns), rest / self.columns, rest % self.columns)
    }
}
