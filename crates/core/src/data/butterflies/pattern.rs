//! What is painted on a wing, one layer after the other: suffusions, bands, spots, veins, eyespots.

use super::brush::Brush;
use super::palette::{BLACK, Colour, WHITE};
use super::shape::{Wing, push_polygon};
use tiny_skia::{Path, PathBuilder, Point};

/// One layer, in wing coordinates (u from root to rim, v from lead to trail corner).
#[derive(Debug, Clone)]
pub enum Mark {
    /// A colour that spreads from the root and fades out at distance `reach`.
    Basal {
        colour: Colour,
        reach: f32,
        opacity: f32,
    },
    /// A colour that fades in from distance `start` to the rim.
    Distal {
        colour: Colour,
        start: f32,
        opacity: f32,
    },
    /// The outer margin, with different depths at the two corners; `wave` bends its inner side.
    Border {
        colour: Colour,
        lead: f32,
        trail: f32,
        wave: f32,
    },
    Band(Band),
    Row(Row),
    Eyespot(Eyespot),
    /// The discal cell, the field near the root that no vein divides.
    Cell {
        colour: Colour,
        size: f32,
    },
    Veins {
        colour: Colour,
        width: f32,
        opacity: f32,
    },
    /// A stripe along the leading edge.
    Costa {
        colour: Colour,
        width: f32,
    },
    /// A stripe along the inner edge.
    Inner {
        colour: Colour,
        width: f32,
    },
    /// Scattered dots `[u, v, radius]`.
    Speckles {
        colour: Colour,
        dots: Vec<[f32; 3]>,
    },
}

/// A stripe across the wing.
#[derive(Debug, Clone, Copy)]
pub struct Band {
    pub colour: Colour,
    /// Ends, as (u, v).
    pub from: (f32, f32),
    pub to: (f32, f32),
    pub width: f32,
    /// Into how many patches the veins cut it; 0 for none.
    pub cells: usize,
}

/// Spots beside each other, one between two veins.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub colour: Colour,
    pub u: f32,
    /// v of the first and last.
    pub span: (f32, f32),
    pub count: usize,
    pub radius: f32,
    /// Length along the veins over width.
    pub stretch: f32,
}

#[derive(Debug, Clone, Copy)]
pub struct Eyespot {
    pub at: (f32, f32),
    pub radius: f32,
    pub ring: Colour,
    pub iris: Colour,
}

pub const VEINS: usize = 8;

impl Mark {
    pub fn paint(&self, brush: &mut Brush, wing: &Wing, outline: &Path) {
        match *self {
            Self::Basal { colour, reach, opacity } => {
                brush.fill_radial(
                    outline,
                    colour,
                    wing.at(0.0, 0.5),
                    reach,
                    &[(0.0, opacity), (0.35, 0.75 * opacity), (1.0, 0.0)],
                );
            }
            Self::Distal { colour, start, opacity } => {
                brush.fill_radial(outline, colour, wing.at(0.0, 0.5), 1.0, &[(start, 0.0), (1.0, opacity)]);
            }
            Self::Border { colour, lead, trail, wave } => border(brush, wing, colour, [lead, trail], wave),
            Self::Band(band) => band.paint(brush, wing),
            Self::Row(row) => row.paint(brush, wing),
            Self::Eyespot(eyespot) => eyespot.paint(brush, wing),
            Self::Cell { colour, size } => fill_polygon(brush, &cell(wing, size), colour, 1.0),
            Self::Veins { colour, width, opacity } => veins(brush, wing, colour, width, opacity),
            Self::Costa { colour, width } => edge(brush, wing, [-1.6, 0.1], colour, width),
            Self::Inner { colour, width } => edge(brush, wing, [0.95, 2.2], colour, width),
            Self::Speckles { colour, ref dots } => {
                dots.iter().for_each(|&[u, v, radius]| spot(brush, wing, (u, v), radius, 1.0, colour));
            }
        }
    }
}

impl Band {
    fn paint(&self, brush: &mut Brush, wing: &Wing) {
        if self.cells == 0 {
            return fill_polygon(brush, &self.piece(wing, 0.0, 1.0, 0.0), self.colour, 1.0);
        }
        for cell in 0..self.cells {
            let (start, end) = (cell as f32 / self.cells as f32, (cell + 1) as f32 / self.cells as f32);
            let gap = 0.1 / self.cells as f32;
            // Neighbouring patches never end in one line.
            let step = if cell % 2 == 0 { 0.15 * self.width } else { -0.1 * self.width };
            fill_polygon(brush, &self.piece(wing, start + gap, end - gap, step), self.colour, 1.0);
        }
    }

    /// The part between two shares of the way, moved outwards by `step`.
    fn piece(&self, wing: &Wing, start: f32, end: f32, step: f32) -> Vec<Point> {
        const SAMPLES: usize = 8;
        let side = |sample: usize, side: f32| {
            let t = start + (end - start) * sample as f32 / SAMPLES as f32;
            let arch = 4.0 * t * (1.0 - t);
            let half = 0.5 * self.width * (0.45 + 0.55 * arch);
            let u = self.from.0 + (self.to.0 - self.from.0) * t + step;
            wing.at(u + side * half, self.from.1 + (self.to.1 - self.from.1) * t)
        };
        (0..=SAMPLES).map(|i| side(i, 1.0)).chain((0..=SAMPLES).rev().map(|i| side(i, -1.0))).collect()
    }
}

impl Row {
    fn paint(&self, brush: &mut Brush, wing: &Wing) {
        let last = self.count.saturating_sub(1).max(1) as f32;
        for index in 0..self.count {
            let t = index as f32 / last;
            let place = (self.u, self.span.0 + (self.span.1 - self.span.0) * t);
            spot(brush, wing, place, self.radius, self.stretch, self.colour);
        }
    }
}

impl Eyespot {
    /// From the rim to the pupil: a light ring, the dark disc, the coloured iris, and the glint.
    fn paint(&self, brush: &mut Brush, wing: &Wing) {
        let (u, v) = self.at;
        for (share, colour) in [(1.0, self.ring), (0.78, BLACK), (0.5, self.iris)] {
            spot(brush, wing, (u, v), share * self.radius, 1.0, colour);
        }
        spot(brush, wing, (u + 0.1 * self.radius, v - 0.1 * self.radius), 0.18 * self.radius, 1.0, WHITE);
    }
}

fn border(brush: &mut Brush, wing: &Wing, colour: Colour, [lead, trail]: [f32; 2], wave: f32) {
    const SAMPLES: usize = 32;
    let v = |i: usize| -0.5 + 1.7 * i as f32 / SAMPLES as f32;
    let inner = |i: usize| {
        let share = v(i).clamp(0.0, 1.0);
        // On the leading edge the border runs out into a point.
        let beyond = (1.0 + v(i).min(0.0) / 0.35).max(0.0);
        let depth = (lead + (trail - lead) * share) * beyond;
        let bend = wave * (std::f32::consts::PI * VEINS as f32 * share).sin().abs();
        wing.at(1.0 - depth + bend, v(i))
    };
    let outside = (0..=SAMPLES).map(|i| wing.at(1.7, v(i)));
    let points: Vec<Point> = outside.chain((0..=SAMPLES).rev().map(inner)).collect();
    fill_polygon(brush, &points, colour, 1.0);
}

/// An ellipse at `(u, v)` whose axis along the veins is `stretch` times the other; area as of a circle.
fn spot(brush: &mut Brush, wing: &Wing, (u, v): (f32, f32), radius: f32, stretch: f32, colour: Colour) {
    let (centre, root) = (wing.at(u, v), wing.at(0.0, v));
    let mut along = centre - root;
    along.normalize();
    let (long, wide) = (radius * stretch.sqrt(), radius / stretch.sqrt());
    let place = |forward: f32, aside: f32| {
        let (x, y) = (forward * long, aside * wide);
        Point::from_xy(centre.x + along.x * x - along.y * y, centre.y + along.y * x + along.x * y)
    };
    if let Some(path) = oval(place) {
        brush.fill(&path, colour, 1.0);
    }
}

/// The unit circle as four quadratic arcs through a map.
fn oval(place: impl Fn(f32, f32) -> Point) -> Option<Path> {
    // Eight control points of a quadratic circle: tan(π/8) on the sides of an octagon.
    const T: f32 = 0.414_213_56;
    const D: f32 = 0.707_106_77;
    let mut path = PathBuilder::new();
    let start = place(1.0, 0.0);
    path.move_to(start.x, start.y);
    for [a, b, c, d] in [
        [1.0, T, D, D],
        [T, 1.0, 0.0, 1.0],
        [-T, 1.0, -D, D],
        [-1.0, T, -1.0, 0.0],
        [-1.0, -T, -D, -D],
        [-T, -1.0, 0.0, -1.0],
        [T, -1.0, D, -D],
        [1.0, -T, 1.0, 0.0],
    ] {
        let (control, end) = (place(a, b), place(c, d));
        path.quad_to(control.x, control.y, end.x, end.y);
    }
    path.finish()
}

/// The field from the root to `size`, between the leading edge and the middle.
fn cell(wing: &Wing, size: f32) -> Vec<Point> {
    [(0.05, 0.3), (0.5 * size, -0.15), (size, 0.05), (0.96 * size, 0.35), (0.6 * size, 0.55)]
        .map(|(u, v)| wing.at(u, v))
        .to_vec()
}

fn veins(brush: &mut Brush, wing: &Wing, colour: Colour, width: f32, opacity: f32) {
    let mut path = PathBuilder::new();
    for vein in 0..=VEINS {
        let v = vein as f32 / VEINS as f32;
        // They start on the end of the cell, which the middle veins reach latest.
        let start = wing.at(0.52 - 0.5 * (v - 0.3) * (v - 0.3), 0.18 + 0.5 * v);
        let end = wing.at(1.0, v);
        path.move_to(start.x, start.y);
        path.line_to(end.x, end.y);
    }
    for v in [0.0, 0.62, 1.35] {
        let (start, end) = (wing.at(0.02, 0.4), wing.at(if v > 1.0 { 0.95 } else { 0.5 }, v));
        path.move_to(start.x, start.y);
        path.line_to(end.x, end.y);
    }
    if let Some(path) = path.finish() {
        brush.stroke(&path, colour, opacity, width);
    }
}

fn edge(brush: &mut Brush, wing: &Wing, [start, end]: [f32; 2], colour: Colour, width: f32) {
    const SAMPLES: usize = 16;
    let mut path = PathBuilder::new();
    for sample in 0..=SAMPLES {
        let point = wing.at(1.0, start + (end - start) * sample as f32 / SAMPLES as f32);
        if sample == 0 { path.move_to(point.x, point.y) } else { path.line_to(point.x, point.y) }
    }
    if let Some(path) = path.finish() {
        // Half of the stroke lies outside the wing.
        brush.stroke(&path, colour, 1.0, 2.0 * width);
    }
}

fn fill_polygon(brush: &mut Brush, points: &[Point], colour: Colour, opacity: f32) {
    let mut path = PathBuilder::new();
    push_polygon(&mut path, points);
    if let Some(path) = path.finish() {
        brush.fill(&path, colour, opacity);
    }
}
