//! From the components of a file to grey or RGB, in libjpeg's 16-bit fixed point (`jdcolor.c`) and, for CMYK, Pillow's
//! rounding.

use super::Result;
use super::frame::{Frame, Tables};
use super::upsample::Upsampler;

/// What the components mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    Grey,
    Rgb,
    YCbCr,
    Cmyk,
    Ycck,
}

impl Space {
    /// As libjpeg guesses it: from the segments of JFIF and Adobe, else from the names of the components.
    pub fn of(frame: &Frame, tables: &Tables) -> Result<Self> {
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        Ok(match (ids.len(), tables.adobe) {
            (1, _) => Self::Grey,
            (3, _) if tables.jfif => Self::YCbCr,
            (3, Some(0)) => Self::Rgb,
            (3, None) if ids == *b"RGB" => Self::Rgb,
            (3, _) => Self::YCbCr,
            (4, None | Some(0)) => Self::Cmyk,
            (4, _) => Self::Ycck,
            (count, _) => return Err(format!("expected 1, 3 or 4 components, got {count}")),
        })
    }
}

/// Pixels, row by row, of all planes together.
pub fn convert(frame: &Frame, planes: &[Vec<u8>], space: Space) -> Vec<u8> {
    let pairs = frame.components.iter().zip(planes);
    let upsamplers: Vec<_> = pairs.map(|(component, plane)| Upsampler::new(frame, component, plane)).collect();
    let mut rows = vec![Vec::with_capacity(frame.width + 4); planes.len()];
    let mut pixels = Vec::with_capacity(frame.width * frame.height * if space == Space::Grey { 1 } else { 3 });
    for y in 0..frame.height {
        for (upsampler, row) in upsamplers.iter().zip(&mut rows) {
            upsampler.row(y, row);
        }
        match (space, &rows[..]) {
            (Space::Rgb, [r, g, b]) => {
                pixels.extend((0..frame.width).flat_map(|x| [r[x], g[x], b[x]]));
            }
            (Space::YCbCr, [y, cb, cr]) => {
                let row = y.iter().zip(cb).zip(cr).take(frame.width);
                pixels.extend(row.flat_map(|((&y, &cb), &cr)| to_rgb(y, cb, cr)));
            }
            (Space::Cmyk, [c, m, y, k]) => {
                pixels.extend((0..frame.width).flat_map(|x| on_black([c[x], m[x], y[x]], k[x])));
            }
            (Space::Ycck, [y, cb, cr, k]) => {
                // The file holds the complement of what the colours were: that of RGB.
                let colour = |x: usize| to_rgb(y[x], cb[x], cr[x]).map(|level| 255 - level);
                pixels.extend((0..frame.width).flat_map(|x| on_black(colour(x), k[x])));
            }
            (_, rows) => pixels.extend(rows.first().into_iter().flat_map(|row| row.iter().take(frame.width))),
        }
    }
    pixels
}

/// `R = Y + 1.402 Cr`, `G = Y − 0.344136 Cb − 0.714136 Cr`, `B = Y + 1.772 Cb` (JFIF 1.02).
#[inline]
fn to_rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((91881 * cr + HALF) >> 16);
    let green = y + ((-22554 * cb - 46802 * cr + HALF) >> 16);
    let blue = y + ((116130 * cb + HALF) >> 16);
    [red, green, blue].map(|level| level.clamp(0, 255) as u8)
}

/// Ink on paper, all given as what is left of the light, as Adobe stores it: `k − (255 − colour) · k`.
#[inline]
fn on_black(colour: [u8; 3], k: u8) -> [u8; 3] {
    colour.map(|level| {
        let product = u32::from(255 - level) * u32::from(k) + 128;
        k.saturating_sub((((product >> 8) + product) >> 8) as u8)
    })
}
