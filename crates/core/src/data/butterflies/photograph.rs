//! What the camera makes of it: the texture of scales, light, age, and the white paper.

use super::chance::Chance;
use super::palette::{Colour, GREY};
use tiny_skia::Pixmap;

/// The texture's coarse and fine grain: cells across the frame, and contrast.
const GRAINS: [(usize, f32); 2] = [(18, 0.05), (50, 0.1)];

struct Exposure {
    paper: Colour,
    light: f32,
    /// How much brighter the left and the upper side are lit.
    slope: (f32, f32),
    /// How far the colours have faded towards grey.
    fading: f32,
    grains: [Grain; GRAINS.len()],
}

impl Exposure {
    fn draw(chance: &mut Chance) -> Self {
        let white = chance.between(0.992, 1.0);
        Self {
            paper: Colour { red: white, green: white, blue: white - chance.between(0.0, 0.004) },
            light: chance.around(1.0, 0.12),
            slope: (chance.around(0.0, 0.08), chance.around(0.03, 0.06)),
            fading: chance.between(0.0, 0.16),
            grains: GRAINS.map(|(cells, contrast)| Grain::draw(cells, contrast, chance)),
        }
    }

    /// The brightness of the scales at a place in the frame, 0 to 1 each way.
    fn brightness(&self, x: f32, y: f32) -> f32 {
        let slope = self.slope.0 * (0.5 - x) + self.slope.1 * (0.5 - y);
        let grain: f32 = self.grains.iter().map(|grain| grain.at(x, y)).sum();
        self.light * (1.0 + slope) * (1.0 + grain)
    }
}

/// Puts the painted specimen on paper: RGB bytes, row by row.
pub fn photograph(painting: &Pixmap, chance: &mut Chance) -> Vec<u8> {
    let exposure = Exposure::draw(chance);
    let (width, side) = (painting.width() as usize, painting.width() as f32);
    let mut bytes = Vec::with_capacity(3 * width * width);
    for (index, pixel) in painting.pixels().iter().enumerate() {
        let opacity = f32::from(pixel.alpha()) / 255.0;
        let mut shown = exposure.paper.lit(1.0 - opacity);
        if opacity > 0.0 {
            let (x, y) = ((index % width) as f32 + 0.5, (index / width) as f32 + 0.5);
            // Premultiplied colours are already weighed with the opacity.
            let [red, green, blue] = [pixel.red(), pixel.green(), pixel.blue()].map(|level| f32::from(level) / 255.0);
            let scales = Colour { red, green, blue }.mix(GREY.lit(opacity), exposure.fading);
            let lit = scales.lit(exposure.brightness(x / side, y / side));
            shown = Colour { red: shown.red + lit.red, green: shown.green + lit.green, blue: shown.blue + lit.blue };
        }
        bytes.extend([shown.red, shown.green, shown.blue].map(|level| (level * 255.0 + 0.5) as u8));
    }
    bytes
}

/// Smooth noise: an independent value at every corner of a lattice of cells.
struct Grain {
    cells: usize,
    values: Vec<f32>,
}

impl Grain {
    fn draw(cells: usize, contrast: f32, chance: &mut Chance) -> Self {
        let corners = (cells + 1) * (cells + 1);
        Self { cells, values: (0..corners).map(|_| chance.between(-contrast, contrast)).collect() }
    }

    /// At a place in the frame, 0 to 1 each way.
    fn at(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x * self.cells as f32, y * self.cells as f32);
        let (column, row) = (x as usize, y as usize);
        let (across, down) = (smoothstep(x - column as f32), smoothstep(y - row as f32));
        let corner = |right: usize, below: usize| self.values[(row + below) * (self.cells + 1) + column + right];
        let (upper, lower) = (lerp(corner(0, 0), corner(1, 0), across), lerp(corner(0, 1), corner(1, 1), across));
        lerp(upper, lower, down)
    }
}

fn smoothstep(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

fn lerp(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}
