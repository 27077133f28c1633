//! The built-in training set: butterflies as museums photograph them, drawn here, each a pure function of seed and index.
//!
//! A specimen is a kind (`families`) with its natural variation: wing outlines (`shape`), layers of colour and pattern
//! (`pattern`, `palette`), a body. It is spread, painted (`draw`) and photographed (`photograph`) at a larger size and
//! brought down with the filter that photographs are resized with.

mod body;
mod brush;
mod chance;
mod draw;
mod families;
mod palette;
mod pattern;
mod photograph;
mod shape;
mod species;

use super::{Image, resize_exact};
use crate::{Error, Result};
use chance::Chance;
use tiny_skia::Pixmap;

/// Pictures are painted at least this wide, so that the edges of small ones are as soft as a photograph's.
const PAINTING_SIDE: usize = 96;
const MAX_RESOLUTION: usize = 2048;

/// Picture `index` of the set that `seed` names: RGB, `resolution` pixels square.
pub fn butterfly(seed: u64, index: u64, resolution: usize) -> Result<Image> {
    if !(1..=MAX_RESOLUTION).contains(&resolution) {
        return Err(Error::argument("resolution", format!("1 to {MAX_RESOLUTION} for butterflies"), resolution));
    }
    let side = resolution * PAINTING_SIDE.div_ceil(resolution).max(2);
    let mut chance = Chance::new(seed, index);
    let species = species::draw_species(&mut chance);
    let mut painting = Pixmap::new(side as u32, side as u32)
        .ok_or_else(|| Error::Internal(format!("no memory for a painting of {side}x{side}")))?;
    draw::paint_specimen(&species, &mut chance, &mut painting);
    let photograph = Image::new(side, side, 3, photograph::photograph(&painting, &mut chance))?;
    resize_exact(&photograph, resolution, resolution)
}
