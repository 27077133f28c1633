//! Pillow's `Image.resize(size, Image.BILINEAR)`, bit by bit: what torchvision's `Resize` does to pictures.
//!
//! Two passes of convolution with a triangle filter, horizontal first, each rounding to bytes. When shrinking, the
//! triangle is stretched by the scale, which is the antialiasing. Weights are fixed point with Pillow's precision
//! (`libImaging/Resample.c`), so the result equals Pillow's and does not depend on the platform. (Pillow 13 starts with
//! the vertical pass where that is less work, which moves some pixels by one level.)

use super::Image;
use crate::{Error, Result};

/// 32-bit sums of bytes: 8 bits of result, 2 of headroom.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// The source pixels that make one result pixel.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

pub fn resize_exact(image: &Image, width: usize, height: usize) -> Result<Image> {
    if width == 0 || height == 0 {
        return Err(Error::argument("resolution", "at least 1 pixel", format!("{height}x{width}")));
    }
    let channels = image.channels();
    let mut data = image.data().to_vec();
    if width != image.width() {
        data = horizontal(&data, image.width(), channels, &windows(image.width(), width));
    }
    if height != image.height() {
        data = vertical(&data, width * channels, &windows(image.height(), height));
    }
    Image::new(width, height, channels, data)
}

/// One window a result pixel: weights `1 - |x|/s` around the pixel's centre, `s = max(1, from/to)`, sum 1.
fn windows(from: usize, to: usize) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    let window = |index: usize| {
        let centre = (index as f64 + 0.5) * scale;
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let inverse = 1.0 / support;
        let triangle = |x: usize| (1.0 - ((x as f64 - centre + 0.5) * inverse).abs()).max(0.0);
        let sum: f64 = (first..end).map(triangle).sum();
        let fixed = |weight: f64| (weight / sum * f64::from(1 << PRECISION_BITS) + 0.5) as i32;
        Window { first, weights: (first..end).map(|x| fixed(triangle(x))).collect() }
    };
    (0..to).map(window).collect()
}

fn horizontal(data: &[u8], width: usize, channels: usize, windows: &[Window]) -> Vec<u8> {
    let mut result = Vec::with_capacity(data.len() / width * windows.len());
    for row in data.chunks_exact(width * channels) {
        for window in windows {
            let start = window.first * channels;
            result.extend((0..channels).map(|channel| {
                let levels = row[start + channel..].iter().step_by(channels);
                to_byte(window.weights.iter().zip(levels).map(|(&weight, &level)| weight * i32::from(level)).sum())
            }));
        }
    }
    result
}

fn vertical(data: &[u8], stride: usize, windows: &[Window]) -> Vec<u8> {
    let mut result = Vec::with_capacity(stride * windows.len());
    let mut sums = vec![0i32; stride];
    for window in windows {
        sums.fill(0);
        for (&weight, row) in window.weights.iter().zip(data.chunks_exact(stride).skip(window.first)) {
            sums.iter_mut().zip(row).for_each(|(sum, &level)| *sum += weight * i32::from(level));
        }
        result.extend(sums.iter().map(|&sum| to_byte(sum)));
    }
    result
}

fn to_byte(sum: i32) -> u8 {
    ((sum + (1 << (PRECISION_BITS - 1))) >> PRECISION_BITS).clamp(0, 255) as u8
}
