//! Pillow's `Image.resize(size, Image.BILINEAR)`, bit by bit: what torchvision's `Resize` does to pictures.
//!
//! Two passes of convolution with a triangle filter, horizontal first, each rounding to bytes. When shrinking, the
//! triangle is stretched by the scale, which is the antialiasing. Weights are fixed point with Pillow's precision
//! (`libImaging/Resample.c`), so the result equals Pillow's and does not depend on the platform. (Pillow 13 starts with
//! the vertical pass where that is less work, which moves some pixels by one level.)
//!
//! Each pixel depends on its own windows alone, so that a part of the result is computed without the rest: what a thin
//! image becomes before it is cropped would not fit the memory.

use super::Image;
use crate::memory::expect_room;
use crate::{Error, Result};
use std::collections::VecDeque;

/// 32-bit sums of bytes: 8 bits of result, 2 of headroom.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// The source pixels that make one result pixel.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

impl Window {
    fn end(&self) -> usize {
        self.first + self.weights.len()
    }
}

pub fn resize_exact(image: &Image, width: usize, height: usize) -> Result<Image> {
    resize_part(image, [height, width], [0, 0], [height, width])
}

/// The part of the image resized to `[height, width]` that begins at `[top, left]` and has `[rows, columns]`.
pub fn resize_part(
    image: &Image,
    [height, width]: [usize; 2],
    [top, left]: [usize; 2],
    [rows, columns]: [usize; 2],
) -> Result<Image> {
    if rows == 0 || columns == 0 {
        return Err(Error::argument("resolution", "at least 1 pixel", format!("{height}x{width}")));
    }
    let stride = columns * image.channels();
    expect_room(format_args!("an image of {columns}x{rows} pixels"), &[rows, stride])?;
    let across = (width != image.width()).then(|| windows(image.width(), width, left, columns));
    let row = |y: usize| -> Vec<u8> {
        let row = &image.data()[y * image.width() * image.channels()..][..image.width() * image.channels()];
        match &across {
            Some(windows) => horizontal(row, image.channels(), windows),
            None => row[left * image.channels()..][..stride].to_vec(),
        }
    };
    let mut data = Vec::with_capacity(rows * stride);
    if height == image.height() {
        (top..top + rows).for_each(|y| data.extend(row(y)));
    } else {
        vertical(&windows(image.height(), height, top, rows), row, stride, &mut data);
    }
    Image::new(columns, rows, image.channels(), data)
}

/// Windows of `count` result pixels from number `start` on: weights `1 - |x|/s` around the pixel's centre,
/// `s = max(1, from/to)`, sum 1.
fn windows(from: usize, to: usize, start: usize, count: usize) -> Vec<Window> {
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
    (start..start + count).map(window).collect()
}

fn horizontal(row: &[u8], channels: usize, windows: &[Window]) -> Vec<u8> {
    let mut result = Vec::with_capacity(windows.len() * channels);
    for window in windows {
        let start = window.first * channels;
        result.extend((0..channels).map(|channel| {
            let levels = row[start + channel..].iter().step_by(channels);
            to_byte(window.weights.iter().zip(levels).map(|(&weight, &level)| weight * i32::from(level)).sum())
        }));
    }
    result
}

/// Rows that the horizontal pass gives are made when a window first asks for them and kept for as long as the next may.
fn vertical(windows: &[Window], row: impl Fn(usize) -> Vec<u8>, stride: usize, result: &mut Vec<u8>) {
    let mut kept: VecDeque<Vec<u8>> = VecDeque::new();
    let mut first = 0;
    let mut sums = vec![0i32; stride];
    for window in windows {
        kept.drain(..(window.first - first).min(kept.len()));
        first = window.first;
        kept.extend((first + kept.len()..window.end()).map(&row));
        sums.fill(0);
        for (&weight, row) in window.weights.iter().zip(&kept) {
            sums.iter_mut().zip(row).for_each(|(sum, &level)| *sum += weight * i32::from(level));
        }
        result.extend(sums.iter().map(|&sum| to_byte(sum)));
    }
}

fn to_byte(sum: i32) -> u8 {
    ((sum + (1 << (PRECISION_BITS - 1))) >> PRECISION_BITS).clamp(0, 255) as u8
}
