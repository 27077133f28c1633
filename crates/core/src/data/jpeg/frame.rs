//! What the segments before the coded data say: size, components, tables.

use super::huffman::Huffman;
use super::{Result, marker};

/// The order in which coefficients are coded, as places in the block.
pub const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// A quantisation table, in the order of the block.
pub type Quantisation = [u16; 64];

/// What may change between scans.
#[derive(Default)]
pub struct Tables {
    pub quantisation: [Option<Quantisation>; 4],
    pub dc: [Option<Huffman>; 4],
    pub ac: [Option<Huffman>; 4],
    /// MCUs between two restart markers; 0 is none.
    pub restart_interval: usize,
    pub jfif: bool,
    /// The colour transform that an Adobe segment names.
    pub adobe: Option<u8>,
    pub exif: Option<Vec<u8>>,
}

impl Tables {
    /// Takes in a segment; those without a meaning for the pixels are passed over.
    pub fn read(&mut self, marker: u8, segment: &[u8]) -> Result<()> {
        match marker {
            marker::DQT => self.read_quantisation(segment),
            marker::DHT => self.read_huffman(segment),
            marker::DRI => {
                let &[high, low, ..] = segment else { return Err("a restart interval is cut off".into()) };
                self.restart_interval = usize::from(u16::from_be_bytes([high, low]));
                Ok(())
            }
            marker::APP0 => {
                self.jfif |= segment.len() >= 14 && segment.starts_with(b"JFIF\0");
                Ok(())
            }
            marker::APP1 => {
                if let Some(exif) = segment.strip_prefix(b"Exif\0\0").filter(|_| self.exif.is_none()) {
                    self.exif = Some(exif.to_vec());
                }
                Ok(())
            }
            marker::APP14 => {
                self.adobe = segment.strip_prefix(b"Adobe").and_then(|rest| rest.get(6)).copied().or(self.adobe);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn read_quantisation(&mut self, mut segment: &[u8]) -> Result<()> {
        let cut_off = || String::from("a quantisation table is cut off");
        while let [which, rest @ ..] = segment {
            let (wide, number) = (which >> 4 != 0, usize::from(which & 15));
            let (table, rest) = rest.split_at_checked(if wide { 128 } else { 64 }).ok_or_else(cut_off)?;
            let place = self.quantisation.get_mut(number).ok_or("there are 4 quantisation tables at most")?;
            let mut values = [0; 64];
            for (index, &place) in ZIGZAG.iter().enumerate() {
                values[usize::from(place)] = if wide {
                    u16::from_be_bytes([table[2 * index], table[2 * index + 1]])
                } else {
                    u16::from(table[index])
                };
            }
            *place = Some(values);
            segment = rest;
        }
        Ok(())
    }

    fn read_huffman(&mut self, mut segment: &[u8]) -> Result<()> {
        while let [which, rest @ ..] = segment {
            let (table, used) = Huffman::parse(rest)?;
            let tables = if which >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let place =
                tables.get_mut(usize::from(which & 15)).ok_or("there are 4 Huffman tables of a kind at most")?;
            *place = Some(table);
            segment = &rest[used..];
        }
        Ok(())
    }
}

pub struct Component {
    pub id: u8,
    /// Sampling factors: columns and rows of blocks in an MCU.
    pub across: usize,
    pub down: usize,
    /// Number of its quantisation table.
    pub quantisation: usize,
    /// Samples that belong to the image.
    pub width: usize,
    pub height: usize,
    /// Blocks with all that pads the last MCUs.
    pub block_columns: usize,
    pub block_rows: usize,
}

pub struct Frame {
    pub width: usize,
    pub height: usize,
    pub progressive: bool,
    pub components: Vec<Component>,
    /// The largest sampling factors.
    pub across: usize,
    pub down: usize,
    pub mcu_columns: usize,
    pub mcu_rows: usize,
}

impl Frame {
    pub fn parse(segment: &[u8], progressive: bool) -> Result<Self> {
        let cut_off = || String::from("the frame header is cut off");
        let (&[precision, h1, h0, w1, w0, count], rest) = segment.split_first_chunk().ok_or_else(cut_off)?;
        if precision != 8 {
            return Err(format!("expected 8 bits a sample, got {precision}"));
        }
        let (width, height) = (usize::from(u16::from_be_bytes([w1, w0])), usize::from(u16::from_be_bytes([h1, h0])));
        if !matches!(count, 1 | 3 | 4) {
            return Err(format!("expected 1, 3 or 4 components, got {count}"));
        }
        let described: Vec<&[u8; 3]> = rest.as_chunks().0.iter().take(count.into()).collect();
        if described.len() < count.into() {
            return Err(cut_off());
        }
        let factors = |component: &[u8; 3]| [component[1] >> 4, component[1] & 15].map(usize::from);
        let largest = |axis: usize| described.iter().map(|component| factors(component)[axis]).max().unwrap_or(1);
        let (across, down) = (largest(0), largest(1));
        if described.iter().any(|component| {
            let [own_across, own_down] = factors(component);
            !(1..=4).contains(&own_across)
                || !(1..=4).contains(&own_down)
                || !across.is_multiple_of(own_across)
                || !down.is_multiple_of(own_down)
        }) {
            return Err("expected components that are sampled at whole fractions of the image".into());
        }
        let (mcu_columns, mcu_rows) = (width.div_ceil(8 * across), height.div_ceil(8 * down));
        let component = |described: &[u8; 3]| {
            let [own_across, own_down] = factors(described);
            Component {
                id: described[0],
                across: own_across,
                down: own_down,
                quantisation: usize::from(described[2]),
                width: (width * own_across).div_ceil(across),
                height: (height * own_down).div_ceil(down),
                block_columns: mcu_columns * own_across,
                block_rows: mcu_rows * own_down,
            }
        };
        let components = described.into_iter().map(component).collect();
        Ok(Self { width, height, progressive, components, across, down, mcu_columns, mcu_rows })
    }

    /// Bytes of the planes, and of all coefficients where they come in parts.
    pub fn working_bytes(&self) -> u64 {
        let bytes_of_a_sample = if self.progressive { 3 } else { 1 };
        let samples =
            self.components.iter().map(|component| (component.block_columns * component.block_rows) as u64 * 64);
        samples.sum::<u64>() * bytes_of_a_sample
    }
}
