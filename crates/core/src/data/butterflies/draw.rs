//! From a specimen to a picture of it: pinned, posed, painted.

use super::brush::Brush;
use super::chance::Chance;
use super::palette::SOOT;
use super::shape::Wing;
use super::species::{Species, WingPlan};
use tiny_skia::{Path, Pixmap, Point, Transform};

/// How the specimen was spread and laid down.
struct Pose {
    /// The share of the frame that it fills across.
    width: f32,
    /// Degrees by which the whole specimen is turned.
    tilt: f32,
    /// Degrees by which each wing is raised: left and right, forewing and hindwing.
    raise: [[f32; 2]; 2],
    /// Middle of the specimen, in frames.
    centre: (f32, f32),
    /// How dark its shadow is, and where it falls, in frames.
    shadow: f32,
    shadow_offset: (f32, f32),
}

impl Pose {
    fn draw(chance: &mut Chance) -> Self {
        let fore = chance.around(0.0, 7.0);
        let hind = chance.around(0.0, 5.0);
        let mut side = || [fore + chance.around(0.0, 2.0), hind + chance.around(0.0, 2.5)];
        let raise = [side(), side()];
        Self {
            width: chance.between(0.8, 0.96),
            tilt: chance.around(0.0, 5.0),
            raise,
            centre: (chance.around(0.5, 0.015), chance.around(0.5, 0.03)),
            shadow: if chance.odds(0.5) { chance.between(0.0, 0.05) } else { 0.0 },
            shadow_offset: (chance.around(0.0, 0.02), chance.between(0.005, 0.03)),
        }
    }
}

/// One of the four wings, where it is pinned: in specimen coordinates (body axis x = 0, forewing length 1).
struct PinnedWing<'a> {
    plan: &'a WingPlan,
    wing: &'a Wing,
    transform: Transform,
}

/// Where the wings leave the body.
const FORE_ROOT: (f32, f32) = (0.03, -0.045);
const HIND_ROOT: (f32, f32) = (0.03, 0.02);
/// The largest share of the frame's height that a specimen takes.
const MAX_HEIGHT: f32 = 0.9;

/// Paints the specimen on a transparent square.
pub fn paint_specimen(species: &Species, chance: &mut Chance, canvas: &mut Pixmap) {
    let pose = Pose::draw(chance);
    let (fore, hind) = (Wing::new(&species.fore.outline), Wing::new(&species.hind.outline));
    let mut wings = Vec::new();
    for (mirror, raise) in [(-1.0, pose.raise[0]), (1.0, pose.raise[1])] {
        wings.push(PinnedWing { plan: &species.hind, wing: &hind, transform: pin(HIND_ROOT, raise[1], mirror) });
        wings.push(PinnedWing { plan: &species.fore, wing: &fore, transform: pin(FORE_ROOT, raise[0], mirror) });
    }
    let place = placement(&pose, &wings, canvas.width() as f32);
    let outlines: Vec<Path> = wings.iter().filter_map(|wing| wing.wing.path()?.transform(wing.transform)).collect();
    paint_shadow(&pose, &outlines, place, canvas);
    for wing in &wings {
        wing.paint(place, canvas);
    }
    species.body.paint(&mut Brush::new(canvas, place));
}

fn pin(root: (f32, f32), raise: f32, mirror: f32) -> Transform {
    Transform::from_rotate(-raise).post_translate(root.0, root.1).post_scale(mirror, 1.0)
}

/// Turns, scales and centres the specimen in the frame.
fn placement(pose: &Pose, wings: &[PinnedWing], side: f32) -> Transform {
    let turn = Transform::from_rotate(pose.tilt);
    let (mut low, mut high) = (Point::from_xy(f32::MAX, f32::MAX), Point::from_xy(f32::MIN, f32::MIN));
    for wing in wings {
        let transform = wing.transform.post_concat(turn);
        for mut point in wing.wing.contour().iter().copied() {
            transform.map_point(&mut point);
            low = Point::from_xy(low.x.min(point.x), low.y.min(point.y));
            high = Point::from_xy(high.x.max(point.x), high.y.max(point.y));
        }
    }
    let size = high - low;
    let scale = side * (pose.width / size.x).min(MAX_HEIGHT / size.y);
    let (x, y) =
        (side * pose.centre.0 - scale * (low.x + high.x) / 2.0, side * pose.centre.1 - scale * (low.y + high.y) / 2.0);
    turn.post_scale(scale, scale).post_translate(x, y)
}

/// Four faint copies of the outlines, further and further away, make a soft edge.
fn paint_shadow(pose: &Pose, outlines: &[Path], place: Transform, canvas: &mut Pixmap) {
    let side = canvas.width() as f32;
    let (x, y) = pose.shadow_offset;
    for step in [0.4, 0.8, 1.2, 1.6] {
        let moved = place.post_translate(x * step * side, y * step * side);
        let mut brush = Brush::new(canvas, moved);
        outlines.iter().for_each(|outline| brush.fill(outline, SOOT, pose.shadow));
    }
}

impl PinnedWing<'_> {
    fn paint(&self, place: Transform, canvas: &mut Pixmap) {
        let Some(outline) = self.wing.path() else { return };
        let WingPlan { ground, marks, .. } = self.plan;
        let mut brush = Brush::new(canvas, self.transform.post_concat(place));
        brush.clip(&outline);
        brush.fill(&outline, *ground, 1.0);
        marks.iter().for_each(|mark| mark.paint(&mut brush, self.wing, &outline));
        // The rim is worn and a little darker on every wing.
        brush.stroke(&outline, ground.lit(0.45), 0.55, 0.022);
    }
}
