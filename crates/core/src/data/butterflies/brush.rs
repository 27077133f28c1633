//! Painting in the coordinates of a wing or body, clipped to its outline.

use super::palette::Colour;
use tiny_skia::{
    Color, FillRule, GradientStop, LineCap, Mask, Paint, Path, Pixmap, Point, RadialGradient, Shader, SpreadMode,
    Stroke, Transform,
};

pub struct Brush<'a> {
    canvas: &'a mut Pixmap,
    transform: Transform,
    mask: Option<Mask>,
}

impl<'a> Brush<'a> {
    pub fn new(canvas: &'a mut Pixmap, transform: Transform) -> Self {
        Self { canvas, transform, mask: None }
    }

    /// From now on paints only inside the path.
    pub fn clip(&mut self, path: &Path) {
        let mut mask = Mask::new(self.canvas.width(), self.canvas.height());
        if let Some(mask) = &mut mask {
            mask.fill_path(path, FillRule::Winding, true, self.transform);
        }
        self.mask = mask;
    }

    pub fn fill(&mut self, path: &Path, colour: Colour, opacity: f32) {
        let paint = solid(colour, opacity);
        self.canvas.fill_path(path, &paint, FillRule::Winding, self.transform, self.mask.as_ref());
    }

    pub fn stroke(&mut self, path: &Path, colour: Colour, opacity: f32, width: f32) {
        let stroke = Stroke { width, line_cap: LineCap::Round, ..Stroke::default() };
        self.canvas.stroke_path(path, &solid(colour, opacity), &stroke, self.transform, self.mask.as_ref());
    }

    /// Fills with the colour at these opacities, at shares of the radius around the centre.
    pub fn fill_radial(&mut self, path: &Path, colour: Colour, centre: Point, radius: f32, stops: &[(f32, f32)]) {
        let stops = stops.iter().map(|&(share, opacity)| GradientStop::new(share, shade(colour, opacity))).collect();
        let (pad, identity) = (SpreadMode::Pad, Transform::identity());
        if let Some(shader) = RadialGradient::new(centre, 0.0, centre, radius, stops, pad, identity) {
            let paint = Paint { shader, ..Paint::default() };
            self.canvas.fill_path(path, &paint, FillRule::Winding, self.transform, self.mask.as_ref());
        }
    }
}

fn solid(colour: Colour, opacity: f32) -> Paint<'static> {
    Paint { shader: Shader::SolidColor(shade(colour, opacity)), ..Paint::default() }
}

fn shade(Colour { red, green, blue }: Colour, opacity: f32) -> Color {
    let level = |value: f32| (value.clamp(0.0, 1.0) * 255.0) as u8;
    Color::from_rgba8(level(red), level(green), level(blue), level(opacity))
}
