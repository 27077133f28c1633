//! Huffman tables (T.81, annex C and F.2.2.3).

use super::Result;
use super::bits::Bits;

/// Codes of up to so many bits are looked up at once.
const QUICK: u32 = 9;

pub struct Huffman {
    /// For the next `QUICK` bits: length of the code, then its symbol; 0 where the code is longer.
    quick: [u16; 1 << QUICK],
    /// For each length the code behind the last, at the upper end of 16 bits.
    ends: [u32; 17],
    /// For each length what to add to a code to get the symbol's place.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// A table, and the bytes that it takes.
    pub fn parse(segment: &[u8]) -> Result<(Self, usize)> {
        let cut_off = || String::from("a Huffman table is cut off");
        let (counts, rest) = segment.split_first_chunk::<16>().ok_or_else(cut_off)?;
        let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
        let symbols = rest.get(..total).filter(|symbols| symbols.len() <= 256).ok_or_else(cut_off)?.to_vec();
        let mut table = Self { quick: [0; 1 << QUICK], ends: [0; 17], offsets: [0; 17], symbols };
        let (mut code, mut place) = (0u32, 0usize);
        for length in 1..=16u32 {
            let count = usize::from(counts[length as usize - 1]);
            table.offsets[length as usize] = place as i32 - code as i32;
            for _ in 0..count {
                if code >> length != 0 {
                    return Err("a Huffman table has more codes than there can be".into());
                }
                if length <= QUICK {
                    let first = (code << (QUICK - length)) as usize;
                    let entry = (length as u16) << 8 | u16::from(table.symbols[place]);
                    table.quick[first..first + (1 << (QUICK - length))].fill(entry);
                }
                code += 1;
                place += 1;
            }
            table.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok((table, 16 + total))
    }

    /// The next symbol; 0 where no code fits, which libjpeg takes for the safest one.
    #[inline]
    pub fn decode(&self, bits: &mut Bits) -> u8 {
        let next = bits.peek(16);
        let quick = self.quick[(next >> (16 - QUICK)) as usize];
        if quick != 0 {
            bits.skip(u32::from(quick >> 8));
            return quick as u8;
        }
        for length in QUICK + 1..=16 {
            if next < self.ends[length as usize] {
                bits.skip(length);
                let place = (next >> (16 - length)) as i32 + self.offsets[length as usize];
                return self.symbols.get(place as usize).copied().unwrap_or(0);
            }
        }
        bits.skip(16);
        0
    }
}
