//! Head, thorax, abdomen and antennae.

use super::brush::Brush;
use super::palette::SOOT;
use super::species::Body;
use tiny_skia::{Path, PathBuilder, Point, Rect};

impl Body {
    /// Both halves at once: the body's axis is x = 0, the wings' roots are at y = 0.
    pub fn paint(&self, brush: &mut Brush) {
        for side in [-1.0, 1.0] {
            self.paint_antenna(brush, side);
        }
        if let Some(path) = self.abdomen_path() {
            brush.fill(&path, self.colour, 1.0);
            brush.fill_radial(&path, self.hair, Point::from_xy(0.0, 0.2), 0.25, &[(0.0, 0.9), (1.0, 0.0)]);
        }
        self.paint_rings(brush);
        if let Some(head) = oval(0.0, -0.13, 0.75 * self.girth, 0.05) {
            brush.fill(&head, self.colour, 1.0);
        }
        if let Some(thorax) = oval(0.0, 0.02, self.girth, 0.13) {
            brush.fill(&thorax, self.colour.lit(0.9), 1.0);
            brush.fill_radial(
                &thorax,
                self.hair,
                Point::from_xy(0.0, 0.0),
                0.13,
                &[(0.0, 1.0), (0.6, 0.7), (1.0, 0.1)],
            );
        }
    }

    fn paint_antenna(&self, brush: &mut Brush, side: f32) {
        let (x, y) = (self.splay * self.antenna * side, -0.15 - (0.95 - 0.4 * self.splay * self.splay) * self.antenna);
        let mut path = PathBuilder::new();
        path.move_to(0.02 * side, -0.16);
        path.quad_to(0.08 * side, 0.5 * (y - 0.16), x, y);
        if let Some(path) = path.finish() {
            brush.stroke(&path, SOOT, 0.75, 0.007);
        }
        if let Some(club) = oval(x, y, self.club, 2.2 * self.club) {
            brush.fill(&club, SOOT, 1.0);
        }
    }

    /// Widest behind the thorax, pointed at the end.
    fn abdomen_path(&self) -> Option<Path> {
        let (wide, end) = (0.8 * self.girth, self.abdomen);
        let mut path = PathBuilder::new();
        path.move_to(-0.7 * wide, 0.08);
        path.cubic_to(-1.2 * wide, 0.5 * end, -0.8 * wide, 0.95 * end, 0.0, end);
        path.cubic_to(0.8 * wide, 0.95 * end, 1.2 * wide, 0.5 * end, 0.7 * wide, 0.08);
        path.close();
        path.finish()
    }

    fn paint_rings(&self, brush: &mut Brush) {
        let mut path = PathBuilder::new();
        for ring in 1..6 {
            let y = 0.12 + (self.abdomen - 0.14) * ring as f32 / 6.0;
            path.move_to(-0.6 * self.girth, y);
            path.quad_to(0.0, y + 0.02, 0.6 * self.girth, y);
        }
        if let Some(path) = path.finish() {
            brush.stroke(&path, self.colour.lit(0.6), 0.5, 0.012);
        }
    }
}

fn oval(x: f32, y: f32, half_width: f32, half_height: f32) -> Option<Path> {
    PathBuilder::from_oval(Rect::from_ltrb(x - half_width, y - half_height, x + half_width, y + half_height)?)
}
