//! Picture files to pixels: PNG, JPEG, WebP, GIF and BMP, whatever the content says it is.
//!
//! The result is what Pillow's `ImageOps.exif_transpose(image).convert("RGB")` gives, except that transparent pixels
//! are laid on white. Of animations the first frame counts.

use super::Image;
use super::jpeg::Jpeg;
use super::png_end::with_end;
use crate::memory::expect_bytes;
use crate::{Error, Result};
use image::codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, ImageDecoder, ImageError, ImageFormat, ImageResult, Limits};
use std::io::Cursor;

/// A small file can claim a picture that fills the memory; larger ones are refused before a pixel is decoded. Pillow
/// refuses as many: twice its `MAX_IMAGE_PIXELS`.
const MAX_PIXELS: u64 = 178_956_970;
/// Room for `MAX_PIXELS` of 16-bit RGBA with some to spare for the decoder itself.
const MAX_BYTES: u64 = MAX_PIXELS * 8 + (64 << 20);

/// Decodes one file; `name` stands in messages only. Grey files give one channel, all others three.
pub fn decode(name: &str, bytes: &[u8]) -> Result<Image> {
    let invalid = |problem| Error::InvalidImage { name: name.into(), problem };
    let mut file = File::open(bytes).map_err(invalid)?;
    let orientation = file.orientation().map_err(invalid)?;
    expect_bytes(name, file.working_bytes(orientation))?;
    turned(file.decode().map_err(invalid)?, orientation)
}

/// A file whose headers were read.
enum File<'a> {
    /// The one format where decoders differ; see its module.
    Jpeg(Box<Jpeg<'a>>),
    Other(Box<dyn ImageDecoder + 'a>),
}

impl<'a> File<'a> {
    fn open(bytes: &'a [u8]) -> std::result::Result<Self, String> {
        let format = picture_format(bytes)?;
        let file = match format {
            ImageFormat::Jpeg => Self::Jpeg(Box::new(Jpeg::open(bytes)?)),
            _ => Self::Other(decoder(format, bytes).map_err(explain)?),
        };
        let (width, height) = file.dimensions();
        if !(1..=MAX_PIXELS).contains(&file.pixels()) {
            return Err(format!("{width}x{height} pixels, expected 1 to {MAX_PIXELS} in all"));
        }
        Ok(file)
    }

    fn dimensions(&self) -> (u32, u32) {
        match self {
            Self::Jpeg(jpeg) => jpeg.dimensions(),
            Self::Other(decoder) => decoder.dimensions(),
        }
    }

    fn pixels(&self) -> u64 {
        pixels(self.dimensions())
    }

    fn orientation(&mut self) -> std::result::Result<Orientation, String> {
        match self {
            Self::Jpeg(jpeg) => {
                Ok(jpeg.exif().and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms))
            }
            Self::Other(decoder) => decoder.orientation().map_err(explain),
        }
    }

    /// Bytes that decoding takes, with the result.
    fn working_bytes(&self, orientation: Orientation) -> u64 {
        let results = if orientation == Orientation::NoTransforms { 1 } else { 2 };
        let before = match self {
            Self::Jpeg(jpeg) => jpeg.working_bytes(),
            Self::Other(decoder) => decoder.total_bytes(),
        };
        before + 3 * results * self.pixels()
    }

    fn decode(self) -> std::result::Result<Image, String> {
        let (width, height) = self.dimensions();
        match self {
            Self::Jpeg(jpeg) => {
                let channels = jpeg.channels();
                let image = Image::new(width as usize, height as usize, channels, jpeg.decode()?);
                image.map_err(|error| error.to_string())
            }
            Self::Other(decoder) => flatten(DynamicImage::from_decoder(decoder).map_err(explain)?),
        }
    }
}

fn pixels((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}

fn decoder(format: ImageFormat, bytes: &[u8]) -> ImageResult<Box<dyn ImageDecoder + '_>> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    let mut decoder: Box<dyn ImageDecoder> = match format {
        ImageFormat::Png => Box::new(PngDecoder::with_limits(Cursor::new(with_end(bytes)), limits.clone())?),
        ImageFormat::WebP => Box::new(WebPDecoder::new(Cursor::new(bytes))?),
        ImageFormat::Gif => Box::new(GifDecoder::new(Cursor::new(bytes))?),
        _ => Box::new(BmpDecoder::new(Cursor::new(bytes))?),
    };
    // A frame of a GIF can claim to be larger than the image that it belongs to.
    limits.max_alloc = Some(MAX_BYTES.min(8 * pixels(decoder.dimensions()) + (16 << 20)));
    decoder.set_limits(limits)?;
    Ok(decoder)
}

fn picture_format(bytes: &[u8]) -> std::result::Result<ImageFormat, String> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    const ADVICE: &str = "is not read: convert it to PNG, JPEG or WebP";
    match image::guess_format(bytes) {
        _ if bytes.is_empty() => Err("the file is empty".into()),
        Ok(format @ (Png | Jpeg | WebP | Gif | Bmp)) => Ok(format),
        other => Err(match (foreign_format(bytes), other) {
            (Some(name), _) => format!("{name} {ADVICE}"),
            (None, Ok(Tiff)) => format!("TIFF {ADVICE}"),
            (None, Ok(other)) => format!("{} {ADVICE}", other.to_mime_type()),
            (None, Err(_)) => "expected PNG, JPEG, WebP, GIF or BMP, got content that is no image".into(),
        }),
    }
}

/// Formats of photographs for which there is no decoder here.
fn foreign_format(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0x0a, ..] | [0, 0, 0, 0x0c, b'J', b'X', b'L', b' ', ..] => Some("JPEG XL"),
        [0xff, 0x4f, 0xff, 0x51, ..] | [0, 0, 0, 0x0c, b'j', b'P', b' ', b' ', ..] => Some("JPEG 2000"),
        [_, _, _, _, b'f', b't', b'y', b'p', brands @ ..] => {
            // The first brand can be that of the container; those that it is compatible with begin at 8.
            let brands = || brands.as_chunks::<4>().0.iter().take(16);
            if brands().any(|brand| matches!(brand, b"avif" | b"avis")) {
                return Some("AVIF");
            }
            brands().any(|brand| matches!(&brand[..3], b"hei" | b"hev" | b"mif" | b"msf")).then_some("HEIC")
        }
        _ => None,
    }
}

fn explain(error: ImageError) -> String {
    match error {
        ImageError::Limits(_) => format!("larger than the {MAX_PIXELS} pixels that are read: {error}"),
        _ => error.to_string(),
    }
}

/// As its EXIF block says that the camera was held.
fn turned(image: Image, orientation: Orientation) -> Result<Image> {
    if orientation == Orientation::NoTransforms {
        return Ok(image);
    }
    let (width, height, channels) = (image.width() as u32, image.height() as u32, image.channels());
    let picture = match channels {
        1 => ImageBuffer::from_raw(width, height, image.into_data()).map(DynamicImage::ImageLuma8),
        _ => ImageBuffer::from_raw(width, height, image.into_data()).map(DynamicImage::ImageRgb8),
    };
    let mut picture = picture.ok_or_else(|| Error::Internal("an image has not the size that it says".into()))?;
    picture.apply_orientation(orientation);
    Image::new(picture.width() as usize, picture.height() as usize, channels, picture.into_bytes())
}

/// Eight bits, no alpha.
fn flatten(picture: DynamicImage) -> std::result::Result<Image, String> {
    let (width, height, colour) = (picture.width() as usize, picture.height() as usize, picture.color());
    let channels = usize::from(colour.channel_count());
    let data = match usize::from(colour.bytes_per_pixel()) / channels {
        1 if matches!(channels, 1 | 3) => picture.into_bytes(),
        1 => without_alpha(picture.as_bytes(), channels, |sample: [u8; 1]| sample[0]),
        // Pillow reads 16-bit colour by its high bytes.
        2 => without_alpha(picture.as_bytes(), 2 * channels, |sample: [u8; 2]| (u16::from_ne_bytes(sample) >> 8) as u8),
        bytes => return Err(format!("expected 8 or 16 bits a sample, got {}", 8 * bytes)),
    };
    Image::new(width, height, if channels < 3 { 1 } else { 3 }, data).map_err(|error| error.to_string())
}

/// The levels of pixels of `size` bytes, with samples of `BYTES` each; where there is alpha, laid on white.
fn without_alpha<const BYTES: usize>(pixels: &[u8], size: usize, level: impl Fn([u8; BYTES]) -> u8) -> Vec<u8> {
    let channels = size / BYTES;
    let has_alpha = channels.is_multiple_of(2);
    let colours = if has_alpha { channels - 1 } else { channels };
    let mut levels = Vec::with_capacity(pixels.len() / size * colours);
    for pixel in pixels.chunks_exact(size) {
        let samples = pixel.as_chunks::<BYTES>().0;
        let alpha = if has_alpha { level(samples[colours]) } else { 255 };
        levels.extend(samples[..colours].iter().map(|&sample| on_white(level(sample), alpha)));
    }
    levels
}

/// Alpha blending with Pillow's rounding.
fn on_white(level: u8, alpha: u8) -> u8 {
    let sum = u32::from(level) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 128;
    (((sum >> 8) + sum) >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparent_pixels_become_white_and_half_transparent_ones_lighter() {
        // Image.alpha_composite(white, (100, 0, 255, alpha)) for alpha 0, 128, 255
        let eight = [100, 0, 255, 0, 100, 0, 255, 128, 100, 0, 255, 255];
        let expected = [255, 255, 255, 177, 127, 255, 100, 0, 255];
        assert_eq!(without_alpha(&eight, 4, |sample: [u8; 1]| sample[0]), expected);
        let sixteen: Vec<u8> = eight.iter().flat_map(|&level| [level, 77]).collect();
        assert_eq!(without_alpha(&sixteen, 8, |sample: [u8; 2]| sample[0]), expected);
        assert_eq!(without_alpha(&[0, 0, 0, 255, 80, 255], 2, |sample: [u8; 1]| sample[0]), [255, 0, 80]);
    }

    #[test]
    fn photographs_in_other_formats_are_called_by_their_name() {
        let boxed = |brands: &[u8]| [&[0, 0, 0, 32], &b"ftyp"[..], brands].concat();
        assert_eq!(foreign_format(&boxed(b"avif\0\0\0\0mif1miaf")), Some("AVIF"));
        assert_eq!(foreign_format(&boxed(b"mif1\0\0\0\0avifmiaf")), Some("AVIF"));
        assert_eq!(foreign_format(&boxed(b"heic\0\0\0\0mif1heic")), Some("HEIC"));
        assert_eq!(foreign_format(&boxed(b"mp42\0\0\0\0isom")), None);
    }
}
