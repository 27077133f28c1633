//! Wing outlines: a few anchors, smoothed, and coordinates on the wing for everything that is painted on it.

use tiny_skia::{Path, PathBuilder, Point};

/// The right wing of a pair in its own frame: the root at the origin, x away from the body, y down (towards the tail),
/// lengths in forewing lengths.
#[derive(Debug, Clone)]
pub struct Outline {
    /// Where the leading edge ends (the apex of a forewing): degrees above the x axis, distance.
    pub lead: (f32, f32),
    /// Where the inner edge ends (the tornus).
    pub trail: (f32, f32),
    /// How far leading edge, outer margin and inner edge bend outwards, in their own lengths.
    pub bulges: [f32; 3],
    /// How round the two corners are: 0 sharp, 1 a smooth bow.
    pub rounding: [f32; 2],
    /// How many teeth the outer margin has, and how deep they are.
    pub scallops: (f32, f32),
    pub tail: Option<Tail>,
}

#[derive(Debug, Clone, Copy)]
pub struct Tail {
    /// Where on the outer margin it starts: 0 at the lead, 1 at the trail.
    pub at: f32,
    pub length: f32,
    pub width: f32,
}

/// A wing with coordinates `(u, v)`: u from the root (0) to the rim (1); v along the outer margin from the lead corner
/// (0) to the trail corner (1), below 0 on the leading edge, above 1 on the inner edge. Veins run along u.
pub struct Wing {
    /// The rim from the root, along the leading edge, the outer margin and the inner edge.
    rim: Vec<Point>,
    /// Length of the rim up to each point.
    distances: Vec<f32>,
    /// Distances at which the outer margin starts and ends.
    margin: [f32; 2],
    /// The rim with the tail in it.
    contour: Vec<Point>,
}

/// Points on each of the quadratic pieces of the rim.
const SAMPLES: usize = 10;
/// Height of the wing's attachment to the body.
const ROOT_HEIGHT: f32 = 0.07;

impl Wing {
    pub fn new(outline: &Outline) -> Self {
        let (anchors, lead, trail) = anchors(outline);
        let rim = smooth(&anchors);
        let distances = cumulative_lengths(&rim);
        // A piece starts half-way to its anchor, so the corner itself is in the middle of its samples.
        let corner = |anchor: usize| distances[anchor * SAMPLES + SAMPLES / 2];
        let mut wing = Self { margin: [corner(lead), corner(trail)], rim, distances, contour: Vec::new() };
        wing.scallop(outline.scallops);
        wing.contour = outline.tail.map_or_else(|| wing.rim.clone(), |tail| wing.tailed_contour(tail));
        wing
    }

    /// The point with wing coordinates (u, v).
    pub fn at(&self, u: f32, v: f32) -> Point {
        let rim = self.rim_at(v);
        let centre = ROOT_HEIGHT / 2.0;
        Point::from_xy(rim.x * u, centre + (rim.y - centre) * u)
    }

    /// The outline as it is cut out, tail included.
    pub fn path(&self) -> Option<Path> {
        let mut path = PathBuilder::new();
        push_polygon(&mut path, &self.contour);
        path.finish()
    }

    pub fn contour(&self) -> &[Point] {
        &self.contour
    }

    fn rim_at(&self, v: f32) -> Point {
        let [start, end] = self.margin;
        let distance = start + v * (end - start);
        let after = self.distances.partition_point(|&d| d < distance).clamp(1, self.rim.len() - 1);
        let (from, to) = (self.distances[after - 1], self.distances[after]);
        let share = ((distance - from) / (to - from).max(1e-6)).clamp(0.0, 1.0);
        lerp(self.rim[after - 1], self.rim[after], share)
    }

    /// Pulls the margin in between the teeth.
    fn scallop(&mut self, (teeth, depth): (f32, f32)) {
        let [start, end] = self.margin;
        for (point, distance) in self.rim.iter_mut().zip(&self.distances) {
            let v = (distance - start) / (end - start);
            if (0.0..1.0).contains(&v) {
                let wave = 0.5 - 0.5 * (std::f32::consts::TAU * teeth * v).cos();
                point.scale(1.0 - depth * wave);
            }
        }
    }

    /// A narrow lobe, widest near its end, takes the place of a piece of the margin.
    fn tailed_contour(&self, Tail { at, length, width }: Tail) -> Vec<Point> {
        const HALF: [(f32, f32); 6] = [(0.0, 1.6), (0.2, 0.75), (0.5, 0.6), (0.75, 0.95), (0.92, 0.8), (1.0, 0.0)];
        let start = self.at(0.98, at);
        let mut away = self.at(1.0, at);
        away.normalize();
        let mut along = lerp(away, Point::from_xy(0.0, 1.0), 0.55);
        along.normalize();
        let place = |forward: f32, aside: f32| {
            let (forward, aside) = (forward * length, aside * width);
            Point::from_xy(start.x + along.x * forward + along.y * aside, start.y + along.y * forward - along.x * aside)
        };
        let out = HALF.iter().map(|&(forward, aside)| place(forward, aside));
        let back = HALF.iter().rev().skip(1).map(|&(forward, aside)| place(forward, -aside));
        let middle = self.margin[0] + at * (self.margin[1] - self.margin[0]);
        let before = self.distances.partition_point(|&distance| distance < middle - HALF[0].1 * width);
        let after = self.distances.partition_point(|&distance| distance < middle + HALF[0].1 * width);
        self.rim[..before].iter().copied().chain(out).chain(back).chain(self.rim[after..].iter().copied()).collect()
    }
}

/// The control polygon of the rim, and which of its points are the two corners.
fn anchors(outline: &Outline) -> (Vec<Point>, usize, usize) {
    let root = Point::from_xy(0.0, 0.0);
    let end = Point::from_xy(0.0, ROOT_HEIGHT);
    let (lead, trail) = (polar(outline.lead), polar(outline.trail));
    let [leading, outer, inner] = outline.bulges;
    let (edge_1, edge_2) = bowed(root, lead, leading);
    let (outer_1, outer_2) = bowed(lead, trail, outer);
    let (inner_1, inner_2) = bowed(trail, end, inner);
    let mut anchors = vec![root, root, edge_1, edge_2];
    anchors.extend(corner(edge_2, lead, outer_1, outline.rounding[0]));
    let lead_anchor = anchors.len() - 2;
    anchors.extend([outer_1, outer_2]);
    anchors.extend(corner(outer_2, trail, inner_1, outline.rounding[1]));
    let trail_anchor = anchors.len() - 2;
    anchors.extend([inner_1, inner_2, end, end]);
    (anchors, lead_anchor, trail_anchor)
}

fn polar((degrees, length): (f32, f32)) -> Point {
    let (sin, cos) = degrees.to_radians().sin_cos();
    Point::from_xy(length * cos, -length * sin)
}

fn lerp(a: Point, b: Point, share: f32) -> Point {
    Point::from_xy(a.x + (b.x - a.x) * share, a.y + (b.y - a.y) * share)
}

/// Two points a third and two thirds of the way, moved to the outside (left of the clockwise direction).
fn bowed(a: Point, b: Point, bulge: f32) -> (Point, Point) {
    let outside = Point::from_xy((b.y - a.y) * bulge, -(b.x - a.x) * bulge);
    (lerp(a, b, 1.0 / 3.0) + outside, lerp(a, b, 2.0 / 3.0) + outside)
}

/// Three anchors that make a corner as round as `rounding` says.
fn corner(before: Point, corner: Point, after: Point, rounding: f32) -> [Point; 3] {
    [lerp(corner, before, rounding), corner, lerp(corner, after, rounding)]
}

/// The quadratic B-spline of the anchors, sampled.
fn smooth(anchors: &[Point]) -> Vec<Point> {
    let piece = |window: &[Point]| {
        let (start, end) = (lerp(window[0], window[1], 0.5), lerp(window[1], window[2], 0.5));
        let control = window[1];
        (0..SAMPLES).map(move |sample| {
            let t = sample as f32 / SAMPLES as f32;
            lerp(lerp(start, control, t), lerp(control, end, t), t)
        })
    };
    // The piece of anchor i must start at sample i · SAMPLES: the first anchor, which is doubled, stands for its own piece.
    let first = std::iter::repeat_n(anchors[0], SAMPLES);
    first.chain(anchors.windows(3).flat_map(piece)).collect()
}

fn cumulative_lengths(points: &[Point]) -> Vec<f32> {
    let steps = points.windows(2).map(|pair| pair[0].distance(pair[1]));
    let sums = steps.scan(0.0, |sum, step| {
        *sum += step;
        Some(*sum)
    });
    std::iter::once(0.0).chain(sums).collect()
}

pub fn push_polygon(path: &mut PathBuilder, points: &[Point]) {
    for (index, point) in points.iter().enumerate() {
        if index == 0 { path.move_to(point.x, point.y) } else { path.line_to(point.x, point.y) }
    }
    path.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Outline = Outline {
        lead: (40.0, 1.0),
        trail: (-10.0, 0.7),
        bulges: [0.05; 3],
        rounding: [0.1; 2],
        scallops: (0.0, 0.0),
        tail: None,
    };

    fn lowest(wing: &Wing) -> f32 {
        wing.contour().iter().map(|point| point.y).fold(f32::MIN, f32::max)
    }

    #[test]
    fn the_corners_are_where_the_outline_says() {
        let wing = Wing::new(&PLAIN);
        assert!(wing.at(1.0, 0.0).distance(polar(PLAIN.lead)) < 0.05);
        assert!(wing.at(1.0, 1.0).distance(polar(PLAIN.trail)) < 0.05);
        assert!(wing.at(0.0, 0.3).distance(Point::from_xy(0.0, ROOT_HEIGHT / 2.0)) < 1e-6);
        assert!(wing.at(1.0, -0.5).y < wing.at(1.0, 0.5).y, "the leading edge is above the margin");
    }

    #[test]
    fn teeth_reach_the_margin_and_the_gaps_lie_inside() {
        let (plain, toothed) = (Wing::new(&PLAIN), Wing::new(&PLAIN.scalloped(4.0, 0.1)));
        let tooth = |wing: &Wing, v: f32| wing.at(1.0, v).length();
        assert!((tooth(&toothed, 0.5) - tooth(&plain, 0.5)).abs() < 0.01);
        assert!(tooth(&toothed, 0.375) < 0.93 * tooth(&plain, 0.375));
    }

    #[test]
    fn a_tail_hangs_below_the_wing() {
        let (plain, tailed) = (Wing::new(&PLAIN), Wing::new(&PLAIN.tailed(0.9, 0.3, 0.04)));
        assert!(lowest(&tailed) > lowest(&plain) + 0.1);
        assert_eq!(tailed.at(1.0, 0.9), plain.at(1.0, 0.9), "coordinates ignore the tail");
    }
}
