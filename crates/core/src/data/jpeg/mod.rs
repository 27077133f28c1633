//! Baseline and progressive JPEG (ITU-T T.81), to the pixels that libjpeg-turbo gives, level by level.
//!
//! Pillow decodes with libjpeg-turbo's defaults: the accurate integer transform, "fancy" upsampling of chroma, and
//! conversions in 16-bit fixed point. Decoders that differ by a level in each of these differ by five in a pixel, and by
//! forty where they take the padding of the last block for a part of the image.

mod bits;
mod blocks;
mod colour;
mod frame;
mod huffman;
mod idct;
mod scan;
mod upsample;

use frame::{Frame, Tables};

/// A problem in a file; the caller knows its name.
type Result<T> = std::result::Result<T, String>;

/// A decoded file, or so far only its headers.
pub struct Jpeg<'a> {
    bytes: &'a [u8],
    /// Where the frame's header ends.
    position: usize,
    tables: Tables,
    frame: Frame,
}

impl<'a> Jpeg<'a> {
    /// Reads the headers up to the size of the image.
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        let mut tables = Tables::default();
        let mut position = 2;
        loop {
            let (marker, segment) = next_segment(bytes, &mut position)?;
            match marker {
                marker::SOF_BASELINE | marker::SOF_EXTENDED | marker::SOF_PROGRESSIVE => {
                    let frame = Frame::parse(segment, marker == marker::SOF_PROGRESSIVE)?;
                    return Ok(Self { bytes, position, tables, frame });
                }
                0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                    return Err(
                        "expected a baseline or progressive JPEG, got a lossless or arithmetically coded one".into()
                    );
                }
                marker::SOS | marker::EOI => return Err("the JPEG data have no frame header".into()),
                _ => tables.read(marker, segment)?,
            }
        }
    }

    pub fn dimensions(&self) -> (u32, u32) {
        (self.frame.width as u32, self.frame.height as u32)
    }

    /// 1 (grey) or 3 (RGB).
    pub fn channels(&self) -> usize {
        if self.frame.components.len() == 1 { 1 } else { 3 }
    }

    /// Bytes that decoding takes, the pixels left out.
    pub fn working_bytes(&self) -> u64 {
        self.frame.working_bytes()
    }

    /// The EXIF block, as it was found before the frame's header.
    pub fn exif(&self) -> Option<&[u8]> {
        self.tables.exif.as_deref()
    }

    /// Rows of pixels from the top, channels side by side.
    pub fn decode(mut self) -> Result<Vec<u8>> {
        let mut blocks = blocks::Blocks::new(&self.frame);
        loop {
            let (marker, segment) = next_segment(self.bytes, &mut self.position)?;
            match marker {
                marker::SOS => {
                    let scan = scan::Scan::parse(segment, &self.frame)?;
                    let data = self.bytes.get(self.position..).unwrap_or_default();
                    self.position += scan.decode(data, &self.frame, &self.tables, &mut blocks)?;
                }
                marker::EOI => break,
                _ => self.tables.read(marker, segment)?,
            }
        }
        let planes = blocks.into_planes(&self.frame)?;
        let space = colour::Space::of(&self.frame, &self.tables)?;
        Ok(colour::convert(&self.frame, &planes, space))
    }
}

/// The second bytes of markers.
mod marker {
    pub const SOF_BASELINE: u8 = 0xc0;
    pub const SOF_EXTENDED: u8 = 0xc1;
    pub const SOF_PROGRESSIVE: u8 = 0xc2;
    pub const DHT: u8 = 0xc4;
    pub const RST0: u8 = 0xd0;
    pub const RST7: u8 = 0xd7;
    pub const SOI: u8 = 0xd8;
    pub const EOI: u8 = 0xd9;
    pub const SOS: u8 = 0xda;
    pub const DQT: u8 = 0xdb;
    pub const DRI: u8 = 0xdd;
    pub const APP0: u8 = 0xe0;
    pub const APP1: u8 = 0xe1;
    pub const APP14: u8 = 0xee;
}

/// The next marker and what belongs to it; `position` moves behind.
fn next_segment<'a>(bytes: &'a [u8], position: &mut usize) -> Result<(u8, &'a [u8])> {
    let truncated = || String::from("the JPEG data ends too early; the file is truncated");
    loop {
        let rest = bytes.get(*position..).ok_or_else(truncated)?;
        // What is no marker is skipped, as are bytes that fill up before one.
        let begin = rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff));
        let begin = begin.ok_or_else(truncated)?;
        let marker = rest[begin + 1];
        *position += begin + 2;
        match marker {
            0x01 | marker::RST0..=marker::RST7 | marker::SOI => continue,
            marker::EOI => return Ok((marker, &[])),
            _ => {
                let rest = &rest[begin + 2..];
                let &[high, low, ..] = rest else { return Err(truncated()) };
                let length = usize::from(u16::from_be_bytes([high, low]));
                *position += length;
                return Ok((marker, rest.get(2..length.max(2)).ok_or_else(truncated)?));
            }
        }
    }
}
