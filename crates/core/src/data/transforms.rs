//! torchvision's transforms of training pictures: same sizes, same offsets, same draws from the generator.

use super::Image;
use super::resample::{resize_exact, resize_part};
use crate::random::Generator;
use crate::{Error, Result};

/// `Resize(size)`: the smallest size of the picture's own proportions that covers `height` x `width`; for a square
/// that makes the shorter side `size` and the longer one `int(size · long / short)`.
pub fn resize_shorter_side(image: &Image, size: [usize; 2]) -> Result<Image> {
    let [height, width] = covering_size([image.height(), image.width()], size)?;
    resize_exact(image, width, height)
}

/// Height and width of an image of `[from_height, from_width]` once it is resized to cover `[height, width]`.
pub fn covering_size([from_height, from_width]: [usize; 2], [height, width]: [usize; 2]) -> Result<[usize; 2]> {
    let [wide, high, to_height, to_width] = [from_width, from_height, height, width].map(|size| size as u128);
    let size = if wide * to_height <= high * to_width {
        [to_width * high / wide, to_width]
    } else {
        [to_height, to_height * wide / high]
    };
    let too_large = || Error::argument("resolution", "a size that images can have", format!("{height}x{width}"));
    Ok([usize::try_from(size[0]).map_err(|_| too_large())?, usize::try_from(size[1]).map_err(|_| too_large())?])
}

/// `CenterCrop((height, width))`: offset `int(round((size - crop) / 2))`, halves to even; a picture that is smaller is
/// padded with black first.
pub fn center_crop(image: &Image, [height, width]: [usize; 2]) -> Result<Image> {
    let padded = pad_to(image, [height, width])?;
    let offsets = center_offsets([padded.height(), padded.width()], [height, width]);
    resize_part(&padded, [padded.height(), padded.width()], offsets, [height, width])
}

/// Row and column at which the centre of `height` x `width` begins in an image that is at least as large.
pub fn center_offsets(from: [usize; 2], [height, width]: [usize; 2]) -> [usize; 2] {
    [center_offset(from[0] - height), center_offset(from[1] - width)]
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

/// Where `RandomCrop((height, width))` begins: nothing is drawn when the size fits already; else the row, then the column.
pub fn random_offsets(from: [usize; 2], [height, width]: [usize; 2], generator: &mut Generator) -> Result<[usize; 2]> {
    if from == [height, width] {
        return Ok([0, 0]);
    }
    if from[0] < height || from[1] < width {
        let got = format!("{}x{}", from[0], from[1]);
        return Err(Error::argument("image", format!("at least {height}x{width} pixels to crop from"), got));
    }
    Ok([random_offset(from[0] - height, generator)?, random_offset(from[1] - width, generator)?])
}

fn random_offset(last: usize, generator: &mut Generator) -> Result<usize> {
    let drawn = generator.randint(0, last as i64 + 1, 1)?;
    Ok(drawn.first().map_or(0, |&offset| offset as usize))
}

/// The choice of `RandomHorizontalFlip(0.5)`: one `rand(1)` a picture.
pub fn draws_flip(generator: &mut Generator) -> bool {
    generator.rand(1).first().is_some_and(|&drawn| drawn < 0.5)
}

/// Mirrors each row of planes (CHW) that are `width` wide.
pub fn flip_rows(values: &mut [f32], width: usize) {
    values.chunks_exact_mut(width).for_each(<[f32]>::reverse);
}
