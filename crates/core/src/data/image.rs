//! A picture in memory, and the two ways between bytes and what a model sees.

use crate::error::check_finite;
use crate::memory::expect_room;
use crate::{Error, Result};
use image::ExtendedColorType;
use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
use image::{ImageEncoder, ImageResult};

/// Eight-bit pixels, row by row, channels side by side (HWC); grey or RGB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    width: usize,
    height: usize,
    channels: usize,
    data: Vec<u8>,
}

impl Image {
    /// `data` holds `height · width · channels` bytes.
    pub fn new(width: usize, height: usize, channels: usize, data: Vec<u8>) -> Result<Self> {
        expect_channels(channels)?;
        if width == 0 || height == 0 {
            return Err(Error::argument("width and height", "at least 1 pixel", format!("{width}x{height}")));
        }
        expect_length("data", data.len(), [height, width, channels])?;
        Ok(Self { width, height, channels, data })
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    /// 1 (grey) or 3 (RGB).
    pub fn channels(&self) -> usize {
        self.channels
    }

    pub fn data(&self) -> &[u8] {
        &self.data
    }

    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// Grey or RGB. Grey is Pillow's `L`: ITU-R 601-2 luma in 16-bit fixed point.
    pub fn to_channels(self, channels: usize) -> Result<Self> {
        expect_channels(channels)?;
        let data = match (self.channels, channels) {
            (3, 1) => self.data.chunks_exact(3).map(|pixel| luma([pixel[0], pixel[1], pixel[2]])).collect(),
            (1, 3) => self.data.iter().flat_map(|&grey| [grey; 3]).collect(),
            _ => self.data,
        };
        Ok(Self { channels, data, ..self })
    }

    pub fn encode_png(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.encode("PNG", PngEncoder::new(&mut bytes))?;
        Ok(bytes)
    }

    /// `quality`: 1 (smallest file) to 100 (best picture).
    pub fn encode_jpeg(&self, quality: u8) -> Result<Vec<u8>> {
        if !(1..=100).contains(&quality) {
            return Err(Error::argument("quality", "a number from 1 to 100", quality));
        }
        let mut bytes = Vec::new();
        self.encode("JPEG", JpegEncoder::new_with_quality(&mut bytes, quality))?;
        Ok(bytes)
    }

    fn encode(&self, format: &str, encoder: impl ImageEncoder) -> Result<()> {
        let colour = if self.channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
        let written: ImageResult<()> = encoder.write_image(&self.data, self.width as u32, self.height as u32, colour);
        written.map_err(|error| Error::Unsupported(format!("a {format} of {}x{}: {error}", self.width, self.height)))
    }
}

fn luma([red, green, blue]: [u8; 3]) -> u8 {
    ((19595 * u32::from(red) + 38470 * u32::from(green) + 7471 * u32::from(blue) + 0x8000) >> 16) as u8
}

/// Model values in [-1, 1], CHW, to bytes, HWC, as diffusers' `numpy_to_pil` does:
/// `clamp(x/2 + 0.5, 0, 1) · 255`, rounded half to even. NaN and infinity are no colour.
pub fn tensor_to_pixels(values: &[f32], channels: usize, height: usize, width: usize) -> Result<Vec<u8>> {
    expect_length("values", values.len(), [channels, height, width])?;
    check_finite("tensor", values)?;
    let level = |value: f32| (unit(value) * 255.0).round_ties_even() as u8;
    let plane = height * width;
    Ok((0..plane).flat_map(|pixel| (0..channels).map(move |channel| level(values[channel * plane + pixel]))).collect())
}

/// Model values in [-1, 1], NCHW, to [0, 1], NHWC: what diffusers' pipelines give for `output_type="np"`.
pub fn to_unit_images(values: &[f32], shape: &[usize]) -> Result<Vec<f32>> {
    let &[batch, channels, height, width] = shape else {
        return Err(Error::shape("shape", "[batch, channels, height, width]", format!("{shape:?}")));
    };
    expect_length("values", values.len(), [batch.saturating_mul(channels), height, width])?;
    check_finite("sample", values)?;
    let plane = height * width;
    let size = (channels * plane).max(1);
    let pixels = |image: &[f32]| -> Vec<f32> {
        (0..plane).flat_map(|pixel| (0..channels).map(move |c| unit(image[c * plane + pixel]))).collect()
    };
    Ok(values.chunks(size).flat_map(pixels).collect())
}

/// From [-1, 1] to [0, 1]; what lies outside is cut off.
fn unit(value: f32) -> f32 {
    (value / 2.0 + 0.5).clamp(0.0, 1.0)
}

/// Bytes, HWC, to model values in [-1, 1], CHW, in torchvision's order of operations
/// (`ToTensor`, then `Normalize(0.5, 0.5)`), so that the floats are the same bit by bit.
pub fn pixels_to_tensor(data: &[u8], channels: usize, height: usize, width: usize) -> Result<Vec<f32>> {
    expect_length("data", data.len(), [channels, height, width])?;
    expect_room(format_args!("a tensor of {channels}x{height}x{width}"), &[data.len(), size_of::<f32>()])?;
    let value = |level: u8| (f32::from(level) / 255.0 - 0.5) / 0.5;
    let plane = height * width;
    let mut values = Vec::with_capacity(data.len());
    for channel in 0..channels {
        values.extend((0..plane).map(|pixel| value(data[pixel * channels + channel])));
    }
    Ok(values)
}

/// The bytes of a mask, HWC, to one plane of 1 (from the middle grey upwards) and 0, as diffusers' inpainting reads
/// masks; colours count by their luma.
pub fn pixels_to_mask(data: &[u8], channels: usize, height: usize, width: usize) -> Result<Vec<f32>> {
    let grey = Image::new(width, height, channels, data.to_vec())?.to_channels(1)?;
    Ok(grey.data().iter().map(|level| if *level >= 128 { 1.0 } else { 0.0 }).collect())
}

fn expect_channels(channels: usize) -> Result<()> {
    if matches!(channels, 1 | 3) { Ok(()) } else { Err(Error::argument("channels", "1 or 3", channels)) }
}

fn expect_length(argument: &str, length: usize, shape: [usize; 3]) -> Result<()> {
    let expected = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let [a, b, c] = shape;
    match expected {
        Some(0) => Err(Error::shape(argument, "at least one value", format!("{a}x{b}x{c}"))),
        Some(expected) if expected == length => Ok(()),
        _ => Err(Error::shape(argument, format!("{a}x{b}x{c} values"), length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_cut_at_the_middle() {
        assert_eq!(pixels_to_mask(&[0, 127, 128, 255], 1, 2, 2).unwrap(), [0.0, 0.0, 1.0, 1.0]);
        // Pure red has luma 76, pure green 150.
        assert_eq!(pixels_to_mask(&[255, 0, 0, 0, 255, 0], 3, 1, 2).unwrap(), [0.0, 1.0]);
    }

    #[test]
    fn grey_is_pillows_luma() {
        // Image.new("RGB", (1, 1), c).convert("L") for each c
        for (colour, grey) in [([255, 0, 0], 76), ([0, 255, 0], 150), ([0, 0, 255], 29), ([12, 200, 99], 132)] {
            assert_eq!(luma(colour), grey, "{colour:?}");
        }
    }

    #[test]
    fn pixels_round_half_to_even_and_clamp() {
        // (np.clip(x / 2 + 0.5, 0, 1) * 255).round() of float32: 0, -0.4, 0.4 and 0.8 are ties, 127.5, 76.5, 178.5, 229.5
        let values = [-1.0, 1.0, 3.0, -7.0, -1.0, 0.0, -0.4, 0.4, 0.79999995];
        assert_eq!(tensor_to_pixels(&values, 1, 3, 3).unwrap(), [0, 255, 255, 0, 0, 128, 76, 178, 230]);
    }

    #[test]
    fn what_is_no_number_is_no_image() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let values = [0.0, bad, 0.0];
            let start = "expected finite numbers, got ";
            let error = tensor_to_pixels(&values, 3, 1, 1).unwrap_err().to_string();
            assert!(error.starts_with(&format!("[NotFinite] tensor: {start}{bad} at index 1")), "{error}");
            let error = to_unit_images(&values, &[1, 3, 1, 1]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("[NotFinite] sample: {start}{bad} at index 1")), "{error}");
        }
    }

    #[test]
    fn every_level_survives_the_way_to_a_tensor_and_back() {
        let levels: Vec<u8> = (0..=255).cycle().take(768).collect();
        let tensor = pixels_to_tensor(&levels, 3, 16, 16).unwrap();
        assert_eq!(tensor_to_pixels(&tensor, 3, 16, 16).unwrap(), levels);
        assert_eq!(
            tensor[256],
            (1.0f32 / 255.0 - 0.5) / 0.5,
            "second channel of the first pixel starts the second plane"
        );
    }

    #[test]
    fn unit_images_are_nhwc() {
        // ((x / 2 + 0.5).clamp(0, 1)).permute(0, 2, 3, 1)
        let values = [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 1.0, 0.0, -1.0, 0.5, -0.5, -3.0];
        let expected = [0.0, 0.5, 1.0, 0.25, 0.75, 1.0, 1.0, 0.0, 0.25, 0.5, 0.75, 0.0];
        assert_eq!(to_unit_images(&values, &[2, 3, 1, 2]).unwrap(), expected);
        assert!(to_unit_images(&values, &[2, 3, 2]).unwrap_err().to_string().contains("[batch, channels"));
    }

    #[test]
    fn a_wrong_number_of_values_is_refused() {
        let error = pixels_to_tensor(&[0; 5], 3, 1, 2).unwrap_err();
        assert_eq!(error.to_string(), "[ShapeMismatch] data: expected 3x1x2 values, got 5");
        assert!(tensor_to_pixels(&[], 0, usize::MAX, 2).unwrap_err().to_string().contains("at least one value"));
        assert!(Image::new(2, 2, 2, vec![0; 8]).is_err());
        assert!(Image::new(usize::MAX, 3, 3, vec![]).is_err());
    }
}
