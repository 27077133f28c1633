//! Blocks of 8x8 coefficients on their way to samples.

use super::Result;
use super::frame::{Component, Frame, Quantisation, Tables};
use super::idct::idct;

/// Coefficients in the order of the block, not of the code.
pub type Block = [i16; 64];

/// The blocks of all components.
pub struct Blocks(Vec<ComponentBlocks>);

/// Those of one component. A progressive file gives a block's coefficients in parts, so that they are all kept; otherwise
/// each block is transformed as it comes.
struct ComponentBlocks {
    quantisation: Option<Quantisation>,
    coefficients: Vec<Block>,
    samples: Vec<u8>,
}

impl Blocks {
    pub fn new(frame: &Frame) -> Self {
        Self(frame.components.iter().map(|component| ComponentBlocks::new(component, frame.progressive)).collect())
    }

    /// The quantisation table of a component is the one that stands at its first scan.
    pub fn latch(&mut self, index: usize, component: &Component, tables: &Tables) -> Result<()> {
        let blocks = &mut self.0[index];
        if blocks.quantisation.is_none() {
            let table = tables.quantisation.get(component.quantisation).copied().flatten();
            let missing = || format!("quantisation table {} is missing", component.quantisation);
            blocks.quantisation = Some(table.ok_or_else(missing)?);
        }
        Ok(())
    }

    /// Lets `decode` change block number `place` of a component.
    #[inline]
    pub fn change(
        &mut self,
        index: usize,
        component: &Component,
        place: usize,
        decode: impl FnOnce(&mut Block) -> Result<()>,
    ) -> Result<()> {
        let blocks = &mut self.0[index];
        if let Some(block) = blocks.coefficients.get_mut(place) {
            return decode(block);
        }
        let mut block = [0; 64];
        decode(&mut block)?;
        blocks.transform(component, place, &block);
        Ok(())
    }

    /// The samples of each component.
    pub fn into_planes(self, frame: &Frame) -> Result<Vec<Vec<u8>>> {
        let plane = |(mut blocks, component): (ComponentBlocks, &Component)| {
            if blocks.quantisation.is_none() {
                return Err("the JPEG data end before all components came".to_string());
            }
            let coefficients = std::mem::take(&mut blocks.coefficients);
            if !coefficients.is_empty() {
                blocks.samples = vec![0; 64 * coefficients.len()];
            }
            for (place, block) in coefficients.iter().enumerate() {
                blocks.transform(component, place, block);
            }
            Ok(blocks.samples)
        };
        self.0.into_iter().zip(&frame.components).map(plane).collect()
    }
}

impl ComponentBlocks {
    fn new(component: &Component, progressive: bool) -> Self {
        let count = component.block_columns * component.block_rows;
        let (coefficients, samples) = if progressive { (count, 0) } else { (0, 64 * count) };
        // Grey, which is 0 for coefficients.
        Self { quantisation: None, coefficients: vec![[0; 64]; coefficients], samples: vec![128; samples] }
    }

    fn transform(&mut self, component: &Component, place: usize, block: &Block) {
        let Some(quantisation) = &self.quantisation else { return };
        let (row, column) = (place / component.block_columns, place % component.block_columns);
        let stride = 8 * component.block_columns;
        idct(block, quantisation, &mut self.samples[8 * (row * stride + column)..], stride);
    }
}
