//! What convolutions do to their output while it is in the cache.

use core::ops::Range;

use super::parallel::Shared;

/// What is done to a convolution's output before it is stored: `(y + bias + sample_bias + residual) * scale`.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a> {
    /// `[c_out]`.
    pub bias: Option<&'a [f32]>,
    /// `[batch][c_out]`, the time embedding.
    pub sample_bias: Option<&'a [f32]>,
    /// Same extents as the output.
    pub residual: Option<&'a [f32]>,
    pub scale: f32,
}

impl Default for Epilogue<'_> {
    fn default() -> Self {
        Epilogue { bias: None, sample_bias: None, residual: None, scale: 1.0 }
    }
}

impl Epilogue<'_> {
    pub(crate) fn assert_lengths(&self, batch: usize, channels: usize, output: usize) {
        assert!(self.bias.is_none_or(|bias| bias.len() == channels), "convolution bias");
        assert!(self.sample_bias.is_none_or(|bias| bias.len() == batch * channels), "convolution bias per sample");
        assert!(self.residual.is_none_or(|residual| residual.len() == output), "convolution residual");
    }

    /// Applies itself to some rows and columns of the output `y` `[rows][channels]`, which has `pixels` rows to an image.
    /// # Safety
    /// No other job may touch these rows and columns.
    pub(crate) unsafe fn apply(
        &self,
        rows: Range<usize>,
        columns: Range<usize>,
        pixels: usize,
        channels: usize,
        y: Shared,
    ) {
        let add = |y: &mut [f32], values: &[f32]| y.iter_mut().zip(values).for_each(|(y, x)| *y += x);
        for row in rows {
            let at = row * channels;
            // SAFETY: the caller's promise.
            let y = unsafe { y.range(at + columns.start..at + columns.end) };
            if let Some(bias) = self.bias {
                add(y, &bias[columns.clone()]);
            }
            if let Some(bias) = self.sample_bias {
                add(y, &bias[row / pixels * channels..][columns.clone()]);
            }
            if let Some(residual) = self.residual {
                add(y, &residual[at..][columns.clone()]);
            }
            if self.scale != 1.0 {
                y.iter_mut().for_each(|y| *y *= self.scale);
            }
        }
    }
}
