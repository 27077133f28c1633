//! torchvision's transforms of training pictures: same sizes, same offsets, same draws from the generator.

use super::Image;
use super::resample::resize_exact;
use crate::random::Generator;
use crate::{Error, Result};

/// `Resize(size)`: the smallest size of the picture's own proportions that covers `height` x `width`; for a square
/// that makes the shorter side `size` and the longer one `int(size · long / short)`.
pub fn resize_shorter_side(image: &Image, [height, width]: [usize; 2]) -> Result<Image> {
    let (from_height, from_width) = (image.height(), image.width());
    let [height, width] = if from_width * height <= from_height * width {
        [width * from_height / from_width, width]
    } else {
        [height, height * from_width / from_height]
    };
    resize_exact(image, width, height)
}

/// `CenterCrop((height, width))`: offset `int(round((size - crop) / 2))`, halves to even; a picture that is smaller is
/// padded with black first.
pub fn center_crop(image: &Image, [height, width]: [usize; 2]) -> Result<Image> {
    let padded = pad_to(image, [height, width])?;
    let top = center_offset(padded.height() - height);
    let left = center_offset(padded.width() - width);
    crop(&padded, [top, left], [height, width])
}

/// Python's `int(round(difference / 2.0))`: rounds half to even.
fn center_offset(difference: usize) -> usize {
    difference / 2 + usize::from(difference % 4 == 3)
}

/// The padding inside `CenterCrop`: `(crop - size) // 2` pixels before, `(crop - size + 1) // 2` after.
fn pad_to(image: &Image, [height, width]: [usize; 2]) -> Result<Image> {
    let (old_height, old_width, channels) = (image.height(), image.width(), image.channels());
    if old_height >= height && old_width >= width {
        return Ok(image.clone());
    }
    let (new_height, new_width) = (height.max(old_height), width.max(old_width));
    let (top, left) = ((new_height - old_height) / 2, (new_width - old_width) / 2);
    let mut data = vec![0; new_height * new_width * channels];
    let rows = data.chunks_exact_mut(new_width * channels).skip(top);
    for (to, from) in rows.zip(image.data().chunks_exact(old_width * channels)) {
        to[left * channels..][..from.len()].copy_from_slice(from);
    }
    Image::new(new_width, new_height, channels, data)
}

/// `RandomCrop((height, width))`: nothing is drawn when the size fits already; else the row, then the column.
pub fn random_crop(image: &Image, [height, width]: [usize; 2], generator: &mut Generator) -> Result<Image> {
    if [image.height(), image.width()] == [height, width] {
        return Ok(image.clone());
    }
    if image.height() < height || image.width() < width {
        let got = format!("{}x{}", image.height(), image.width());
        return Err(Error::argument("image", format!("at least {height}x{width} pixels to crop from"), got));
    }
    let top = random_offset(image.height() - height, generator)?;
    let left = random_offset(image.width() - width, generator)?;
    crop(image, [top, left], [height, width])
}

fn random_offset(last: usize, generator: &mut Generator) -> Result<usize> {
    let drawn = generator.randint(0, last as i64 + 1, 1)?;
    Ok(drawn.first().map_or(0, |&offset| offset as usize))
}

fn crop(image: &Image, [top, left]: [usize; 2], [height, width]: [usize; 2]) -> Result<Image> {
    let channels = image.channels();
    let rows = image.data().chunks_exact(image.width() * channels).skip(top).take(height);
    let data = rows.flat_map(|row| &row[left * channels..(left + width) * channels]).copied().collect();
    Image::new(width, height, channels, data)
}

/// The choice of `RandomHorizontalFlip(0.5)`: one `rand(1)` a picture.
pub fn draws_flip(generator: &mut Generator) -> bool {
    generator.rand(1).first().is_some_and(|&drawn| drawn < 0.5)
}

/// Mirrors each row of planes (CHW) that are `width` wide.
pub fn flip_rows(values: &mut [f32], width: usize) {
    values.chunks_exact_mut(width).for_each(<[f32]>::reverse);
}
