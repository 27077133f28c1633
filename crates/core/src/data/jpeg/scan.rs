//! One pass over the coded data: all of some components (T.81, F.2), or a part of their coefficients (G.2).

use super::Result;
use super::bits::Bits;
use super::blocks::{Block, Blocks};
use super::frame::{Component, Frame, Tables, ZIGZAG};
use super::huffman::Huffman;

pub struct Scan {
    components: Vec<Selected>,
    /// The first and the last coefficient, in the order of the code.
    first: usize,
    last: usize,
    /// The bit that is refined down to, where one was coded before.
    refines: bool,
    low_bit: u32,
}

/// A component of the scan with its Huffman tables.
struct Selected {
    index: usize,
    dc: usize,
    ac: usize,
}

/// What goes on from block to block.
#[derive(Default)]
struct State {
    predictions: [i32; 4],
    /// Blocks without anything new that are still to come.
    empty_blocks: u32,
}

impl Scan {
    pub fn parse(segment: &[u8], frame: &Frame) -> Result<Self> {
        let damaged = || String::from("a scan header is damaged");
        let (&count, rest) = segment.split_first().ok_or_else(damaged)?;
        let (selectors, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or_else(damaged)?;
        let (&[first, last, approximation], _) = rest.split_first_chunk().ok_or_else(damaged)?;
        let mut components: Vec<Selected> = Vec::new();
        for &[id, tables] in selectors.as_chunks().0 {
            let index = frame.components.iter().position(|component| component.id == id).ok_or_else(damaged)?;
            if components.iter().any(|other| other.index == index) {
                return Err(damaged());
            }
            components.push(Selected { index, dc: usize::from(tables >> 4), ac: usize::from(tables & 15) });
        }
        let (first, last, low_bit) = (usize::from(first), usize::from(last), u32::from(approximation & 15));
        if components.is_empty() {
            return Err(damaged());
        }
        if !frame.progressive {
            return Ok(Self { components, first: 0, last: 63, refines: false, low_bit: 0 });
        }
        let only_dc = first == 0 && last == 0;
        let only_ac = first >= 1 && (first..64).contains(&last) && components.len() == 1;
        if low_bit > 13 || !(only_dc || only_ac) {
            return Err(damaged());
        }
        Ok(Self { components, first, last, refines: approximation >> 4 != 0, low_bit })
    }

    /// Decodes what follows the header; the bytes that it takes.
    pub fn decode(&self, data: &[u8], frame: &Frame, tables: &Tables, blocks: &mut Blocks) -> Result<usize> {
        for selected in &self.components {
            blocks.latch(selected.index, &frame.components[selected.index], tables)?;
        }
        let mut bits = Bits::new(data);
        let mut state = State::default();
        let (columns, rows) = self.size(frame);
        let mut mcu = 0;
        while mcu < columns * rows {
            if tables.restart_interval > 0 && mcu > 0 && mcu.is_multiple_of(tables.restart_interval) {
                if !bits.restart() {
                    break;
                }
                state = State::default();
            }
            self.decode_mcu(mcu % columns, mcu / columns, &mut bits, &mut state, frame, tables, blocks)?;
            mcu += 1;
            if bits.exhausted() {
                // What is missing stays as it is, up to where the data go on.
                match tables.restart_interval {
                    0 => break,
                    interval => mcu = mcu.next_multiple_of(interval),
                }
            }
        }
        Ok(bits.position())
    }

    /// Columns and rows of MCUs. One component alone has no padding but its own.
    fn size(&self, frame: &Frame) -> (usize, usize) {
        match &self.components[..] {
            [selected] => {
                let Component { width, height, .. } = frame.components[selected.index];
                (width.div_ceil(8), height.div_ceil(8))
            }
            _ => (frame.mcu_columns, frame.mcu_rows),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the inner loop: what it works with has no name of its own")]
    fn decode_mcu(
        &self,
        column: usize,
        row: usize,
        bits: &mut Bits,
        state: &mut State,
        frame: &Frame,
        tables: &Tables,
        blocks: &mut Blocks,
    ) -> Result<()> {
        let alone = self.components.len() == 1;
        for selected in &self.components {
            let component = &frame.components[selected.index];
            let (across, down) = if alone { (1, 1) } else { (component.across, component.down) };
            for y in row * down..(row + 1) * down {
                for x in column * across..(column + 1) * across {
                    let place = y * component.block_columns + x;
                    blocks.change(selected.index, component, place, |block| {
                        self.decode_block(block, selected, bits, state, tables)
                    })?;
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn decode_block(
        &self,
        block: &mut Block,
        selected: &Selected,
        bits: &mut Bits,
        state: &mut State,
        tables: &Tables,
    ) -> Result<()> {
        if self.first == 0 {
            if self.refines {
                if bits.bit() {
                    block[0] |= 1 << self.low_bit;
                }
                return Ok(());
            }
            let length = u32::from(table(&tables.dc, selected.dc)?.decode(bits)).min(16);
            let prediction = &mut state.predictions[selected.index];
            *prediction = prediction.wrapping_add(bits.signed(length));
            block[0] = (*prediction << self.low_bit) as i16;
            if self.last == 0 {
                return Ok(());
            }
        }
        let table = table(&tables.ac, selected.ac)?;
        if self.refines {
            self.refine(block, bits, &mut state.empty_blocks, table);
        } else {
            self.fill(block, bits, &mut state.empty_blocks, table);
        }
        Ok(())
    }

    /// Coefficients for the first time.
    #[inline]
    fn fill(&self, block: &mut Block, bits: &mut Bits, empty_blocks: &mut u32, table: &Huffman) {
        if *empty_blocks > 0 {
            *empty_blocks -= 1;
            return;
        }
        let mut index = self.first.max(1);
        while index <= self.last {
            let symbol = table.decode(bits);
            let (run, length) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if length == 0 {
                if run < 15 {
                    *empty_blocks = run_of_blocks(bits, run as u32) - 1;
                    return;
                }
                index += 16;
                continue;
            }
            index += run;
            let value = bits.signed(length) << self.low_bit;
            block[usize::from(ZIGZAG[index.min(63)])] = value as i16;
            index += 1;
        }
    }

    /// One more bit of coefficients that are there, and new ones of one bit between them (G.1.2.3).
    fn refine(&self, block: &mut Block, bits: &mut Bits, empty_blocks: &mut u32, table: &Huffman) {
        let bit = 1i16 << self.low_bit;
        let mut index = self.first;
        while *empty_blocks == 0 && index <= self.last {
            let symbol = table.decode(bits);
            let (run, length) = (usize::from(symbol >> 4), symbol & 15);
            let mut new = 0;
            if length != 0 {
                new = if bits.bit() { bit } else { -bit };
            } else if run < 15 {
                *empty_blocks = run_of_blocks(bits, run as u32);
                break;
            }
            index = self.refine_run(block, bits, index, run);
            if new != 0 && index <= self.last {
                block[usize::from(ZIGZAG[index])] = new;
            }
            index += 1;
        }
        if *empty_blocks > 0 {
            self.refine_run(block, bits, index, usize::MAX);
            *empty_blocks -= 1;
        }
    }

    /// Refines on past `zeros` coefficients that are zero; the place of the next zero, or behind the last.
    fn refine_run(&self, block: &mut Block, bits: &mut Bits, from: usize, mut zeros: usize) -> usize {
        let bit = 1i16 << self.low_bit;
        for index in from..=self.last {
            let coefficient = &mut block[usize::from(ZIGZAG[index])];
            if *coefficient == 0 {
                if zeros == 0 {
                    return index;
                }
                zeros -= 1;
            } else if bits.bit() && *coefficient & bit == 0 {
                *coefficient = coefficient.wrapping_add(if *coefficient > 0 { bit } else { -bit });
            }
        }
        self.last + 1
    }
}

fn run_of_blocks(bits: &mut Bits, length: u32) -> u32 {
    if length == 0 { 1 } else { (1 << length) + bits.take(length) }
}

fn table(tables: &[Option<Huffman>; 4], number: usize) -> Result<&Huffman> {
    tables.get(number).and_then(Option::as_ref).ok_or_else(|| format!("Huffman table {number} is missing"))
}
