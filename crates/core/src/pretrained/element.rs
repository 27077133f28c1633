//! The number formats of weight files. Everything becomes `f32` on reading.

use half::{bf16, f16};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ElementType {
    F32,
    F16,
    BF16,
    F64,
    I64,
    /// Four bits of exponent, three of mantissa, no infinities: torch's `float8_e4m3fn`.
    F8E4M3,
    /// Five bits of exponent, two of mantissa: torch's `float8_e5m2`.
    F8E5M2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ElementType {
    pub fn size(self) -> usize {
        match self {
            Self::F8E4M3 | Self::F8E5M2 => 1,
            Self::F16 | Self::BF16 => 2,
            Self::F32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }

    /// Bytes after the last whole element are left out.
    pub fn decode(self, bytes: &[u8], order: ByteOrder) -> Vec<f32> {
        match self {
            Self::F32 => decode(bytes, order, f32::from_le_bytes),
            Self::F16 => decode(bytes, order, |element| f16::from_le_bytes(element).to_f32()),
            Self::BF16 => decode(bytes, order, |element| bf16::from_le_bytes(element).to_f32()),
            Self::F64 => decode(bytes, order, |element| f64::from_le_bytes(element) as f32),
            Self::I64 => decode(bytes, order, |element| i64::from_le_bytes(element) as f32),
            Self::F8E4M3 => decode(bytes, order, |[bits]| f8_e4m3(bits)),
            // The upper half of a float16.
            Self::F8E5M2 => decode(bytes, order, |[bits]| f16::from_bits(u16::from(bits) << 8).to_f32()),
        }
    }
}

/// As a float16 it has the same digits and an exponent that is 8 too small (Micikevicius et al. 2022, table 1).
fn f8_e4m3(bits: u8) -> f32 {
    let (sign, magnitude) = (u16::from(bits & 0x80) << 8, bits & 0x7F);
    if magnitude == 0x7F {
        return f32::from_bits((u32::from(sign) << 16) | 0x7FF0_0000);
    }
    f16::from_bits(sign | (u16::from(magnitude) << 7)).to_f32() * 256.0
}

fn decode<const SIZE: usize>(bytes: &[u8], order: ByteOrder, from_le: impl Fn([u8; SIZE]) -> f32) -> Vec<f32> {
    let (elements, _) = bytes.as_chunks::<SIZE>();
    match order {
        ByteOrder::Little => elements.iter().map(|element| from_le(*element)).collect(),
        ByteOrder::Big => elements
            .iter()
            .map(|element| {
                let mut reversed = *element;
                reversed.reverse();
                from_le(reversed)
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_in_both_byte_orders() {
        for (element, little) in [
            (ElementType::F32, vec![0x00, 0x00, 0xC0, 0xBF]),
            (ElementType::F16, vec![0x00, 0xBE]),
            (ElementType::BF16, vec![0xC0, 0xBF]),
            (ElementType::F64, vec![0, 0, 0, 0, 0, 0, 0xF8, 0xBF]),
        ] {
            assert_eq!(little.len(), element.size());
            assert_eq!(element.decode(&little, ByteOrder::Little), [-1.5]);
            let big: Vec<u8> = little.into_iter().rev().collect();
            assert_eq!(element.decode(&big, ByteOrder::Big), [-1.5]);
        }
        assert_eq!(ElementType::I64.decode(&(-7i64).to_le_bytes(), ByteOrder::Little), [-7.0]);
    }
}
