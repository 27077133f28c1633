//! Picture files to pixels: PNG, JPEG, WebP, GIF and BMP, whatever the content says it is.
//!
//! The result is what Pillow's `ImageOps.exif_transpose(image).convert("RGB")` gives, except that transparent pixels
//! are laid on white. Of animations the first frame counts.

use super::Image;
use crate::{Error, Result};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use std::io::Cursor;

/// A small file can claim a picture that fills the memory; larger ones are refused before a pixel is decoded.
const MAX_PIXELS: u64 = 100_000_000;
/// Room for `MAX_PIXELS` of 16-bit RGBA with some to spare for the decoder itself.
const MAX_BYTES: u64 = 1 << 30;

/// Decodes one file; `name` stands in messages only. Grey files give one channel, all others three.
pub fn decode(name: &str, bytes: &[u8]) -> Result<Image> {
    read(bytes).map_err(|problem| Error::InvalidImage { name: name.into(), problem })
}

fn read(bytes: &[u8]) -> std::result::Result<Image, String> {
    let format = picture_format(bytes)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(explain)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if !(1..=MAX_PIXELS).contains(&pixels) {
        return Err(format!("{width}x{height} pixels, expected 1 to {MAX_PIXELS} in all"));
    }
    let orientation = decoder.orientation().map_err(explain)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(explain)?;
    if format == ImageFormat::Jpeg && !jpeg_is_complete(bytes) {
        return Err("the JPEG data ends too early; the file is truncated".into());
    }
    picture.apply_orientation(orientation);
    flatten(picture)
}

fn picture_format(bytes: &[u8]) -> std::result::Result<ImageFormat, String> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, WebP};
    const EXPECTED: &str = "expected PNG, JPEG, WebP, GIF or BMP";
    match image::guess_format(bytes) {
        _ if bytes.is_empty() => Err("the file is empty".into()),
        Ok(format @ (Png | Jpeg | WebP | Gif | Bmp)) => Ok(format),
        Ok(other) => Err(format!("{EXPECTED}, got {}", other.to_mime_type())),
        Err(_) => Err(format!("{EXPECTED}, got content that is no picture")),
    }
}

fn explain(error: ImageError) -> String {
    match error {
        ImageError::Limits(_) => format!("larger than the {MAX_PIXELS} pixels that are read: {error}"),
        _ => error.to_string(),
    }
}

/// Whether the coded pixels of a JPEG are followed by the end-of-image marker. The decoder fills what is missing with
/// grey and says nothing, and half a grey picture must not be trained on.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xff, marker, high, low, ..] = *rest {
        if marker == START_OF_SCAN {
            return rest.windows(2).any(|pair| pair == [0xff, 0xd9]);
        }
        // A filler byte may stand before a marker; else skip the segment, which may hold a whole preview picture.
        let skip = if marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
        rest = rest.get(skip..).unwrap_or_default();
    }
    false
}

/// Eight bits, no alpha.
fn flatten(picture: DynamicImage) -> std::result::Result<Image, String> {
    let (width, height, colour) = (picture.width() as usize, picture.height() as usize, picture.color());
    let samples = match colour.bytes_per_pixel() / colour.channel_count() {
        1 => picture.into_bytes(),
        // Pillow reads 16-bit colour by its high bytes.
        2 => {
            picture.as_bytes().chunks_exact(2).map(|pair| (u16::from_ne_bytes([pair[0], pair[1]]) >> 8) as u8).collect()
        }
        bytes => return Err(format!("expected 8 or 16 bits a sample, got {}", 8 * bytes)),
    };
    let (channels, data) = match usize::from(colour.channel_count()) {
        2 => (1, on_white::<2>(&samples)),
        4 => (3, on_white::<4>(&samples)),
        channels => (channels, samples),
    };
    Image::new(width, height, channels, data).map_err(|error| error.to_string())
}

/// Alpha blending on white with Pillow's rounding; the last of the `CHANNELS` is alpha.
fn on_white<const CHANNELS: usize>(samples: &[u8]) -> Vec<u8> {
    let blend = |level: u8, alpha: u8| {
        let sum = u32::from(level) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 128;
        (((sum >> 8) + sum) >> 8) as u8
    };
    let (pixels, _) = samples.as_chunks::<CHANNELS>();
    pixels.iter().flat_map(|pixel| (0..CHANNELS - 1).map(|c| blend(pixel[c], pixel[CHANNELS - 1]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparent_pixels_become_white_and_half_transparent_ones_lighter() {
        // Image.alpha_composite(white, (100, 0, 255, alpha)) for alpha 0, 128, 255
        let samples = [100, 0, 255, 0, 100, 0, 255, 128, 100, 0, 255, 255];
        assert_eq!(on_white::<4>(&samples), [255, 255, 255, 177, 127, 255, 100, 0, 255]);
        assert_eq!(on_white::<2>(&[0, 0, 0, 255, 80, 255]), [255, 0, 80]);
    }

    #[test]
    fn the_end_of_a_preview_in_the_header_does_not_count() {
        let header = [0xff, 0xd8, 0xff, 0xe1, 0, 4, 0xff, 0xd9, 0xff, 0xda, 0, 2, 1, 2, 3];
        assert!(!jpeg_is_complete(&header));
        assert!(jpeg_is_complete(&[&header[..], &[0xff, 0xd9]].concat()));
    }
}
