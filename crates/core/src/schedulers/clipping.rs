//! Keeping the estimate of x_0 in the range of pictures.

use super::record::invalid_option;
use crate::Result;
use serde::{Deserialize, Serialize};

/// Clipping to a fixed range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SampleClipping {
    /// Clip the estimate of x_0. Default true.
    pub clip_sample: bool,
    /// The largest magnitude that is left. Default 1.
    pub clip_sample_range: f64,
}

impl Default for SampleClipping {
    fn default() -> Self {
        Self { clip_sample: true, clip_sample_range: 1.0 }
    }
}

/// Dynamic thresholding (Saharia et al. 2022, "Imagen", section 2.3): the range follows a quantile of each picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Thresholding {
    /// Use it, in place of clipping to a fixed range; not for latent-space models. Default false.
    pub thresholding: bool,
    /// The quantile of |x_0| that becomes the range. Default 0.995.
    pub dynamic_thresholding_ratio: f64,
    /// The largest range. Default 1.
    pub sample_max_value: f64,
}

impl Default for Thresholding {
    fn default() -> Self {
        Self { thresholding: false, dynamic_thresholding_ratio: 0.995, sample_max_value: 1.0 }
    }
}

impl SampleClipping {
    pub fn check(&self) -> Result<()> {
        if self.clip_sample_range > 0.0 {
            return Ok(());
        }
        Err(invalid_option("clipSampleRange", "a number above 0", self.clip_sample_range))
    }

    pub fn apply(&self, original: &mut [f32]) {
        if self.clip_sample {
            let range = self.clip_sample_range as f32;
            original.iter_mut().for_each(|x| *x = x.clamp(-range, range));
        }
    }
}

impl Thresholding {
    pub fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.dynamic_thresholding_ratio) {
            return Err(invalid_option("dynamicThresholdingRatio", "0 to 1", self.dynamic_thresholding_ratio));
        }
        if self.sample_max_value > 0.0 {
            return Ok(());
        }
        Err(invalid_option("sampleMaxValue", "a number above 0", self.sample_max_value))
    }

    /// Each sample of the batch is clipped to its own range s and divided by it.
    pub fn apply(&self, original: &mut [f32], batch: usize) {
        if !self.thresholding {
            return;
        }
        for sample in original.chunks_mut(original.len() / batch) {
            let magnitudes = sample.iter().map(|x| x.abs()).collect();
            let quantile = quantile(magnitudes, self.dynamic_thresholding_ratio as f32);
            // `sampleMaxValue` wins over the lower bound of 1, as in torch's clamp.
            let range = quantile.max(1.0).min(self.sample_max_value as f32);
            sample.iter_mut().for_each(|x| *x = x.clamp(-range, range) / range);
        }
    }
}

/// Thresholding where it is asked for, else clipping.
pub fn clip_original(original: &mut [f32], batch: usize, thresholding: &Thresholding, clipping: &SampleClipping) {
    if thresholding.thresholding {
        thresholding.apply(original, batch);
    } else {
        clipping.apply(original);
    }
}

/// `torch.quantile`: linear interpolation between the two neighbours.
fn quantile(mut values: Vec<f32>, ratio: f32) -> f32 {
    let rank = ratio * (values.len() - 1) as f32;
    let (_, below, rest) = values.select_nth_unstable_by(rank as usize, f32::total_cmp);
    let below = *below;
    let above = rest.iter().copied().min_by(f32::total_cmp).unwrap_or(below);
    below + rank.fract() * (above - below)
}
