//! Where Winograd's F(4,3) interpolates: 0, ±√½, ±√2 and infinity. The usual 0, ±1, ±2 has twice the rounding error.

pub const A1: f32 = core::f32::consts::FRAC_1_SQRT_2;
pub const B1: f32 = core::f32::consts::SQRT_2;
/// Squares of the points.
pub const A2: f32 = 0.5;
pub const B2: f32 = 2.0;
/// Lagrange factors of the points ±√½ and ±√2.
pub const NA: f32 = 1.0 / (2.0 * A2 * (A2 - B2));
pub const NB: f32 = 1.0 / (2.0 * B2 * (B2 - A2));
