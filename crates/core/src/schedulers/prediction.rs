//! What a model predicts, and how x_0 and the noise follow from it.

use super::elementwise::zip_with;
use super::record::invalid_option;
use crate::Result;
use serde::{Deserialize, Serialize};

/// What the model's output stands for, where x_t = a·x_0 + s·ε.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum PredictionType {
    /// The noise ε.
    Epsilon,
    /// The clean sample x_0.
    Sample,
    /// The velocity v = a·ε − s·x_0 (Salimans and Ho 2022).
    VPrediction,
    /// The velocity ε − x_0 of a flow, where a = 1 − s.
    FlowPrediction,
}

impl PredictionType {
    /// What models of a noise schedule predict.
    pub const OF_NOISE_SCHEDULES: &[Self] = &[Self::Epsilon, Self::Sample, Self::VPrediction];

    /// The velocity of a flow goes with the noise levels of a flow.
    pub fn check_with_flow(self, use_flow_sigmas: bool) -> Result<()> {
        if self == Self::FlowPrediction && use_flow_sigmas { Ok(()) } else { self.check(Self::OF_NOISE_SCHEDULES) }
    }

    /// Refuses what the scheduler has no formula for.
    pub fn check(self, supported: &[Self]) -> Result<()> {
        if supported.contains(&self) {
            return Ok(());
        }
        let names: Vec<String> = supported.iter().map(|kind| crate::json::to_json(kind).replace('"', "")).collect();
        Err(invalid_option("predictionType", format!("one of {}", names.join(", ")), crate::json::to_json(&self)))
    }

    /// The estimate of x_0.
    pub fn original_sample(self, output: &[f32], sample: &[f32], (signal, deviation): (f32, f32)) -> Vec<f32> {
        match self {
            Self::Epsilon => zip_with(sample, output, |x, epsilon| (x - deviation * epsilon) / signal),
            Self::Sample => output.to_vec(),
            Self::VPrediction => zip_with(sample, output, |x, v| signal * x - deviation * v),
            Self::FlowPrediction => zip_with(sample, output, |x, v| x - deviation * v),
        }
    }

    /// The estimate of the noise ε.
    pub fn noise(self, output: &[f32], sample: &[f32], (signal, deviation): (f32, f32)) -> Vec<f32> {
        match self {
            Self::Epsilon => output.to_vec(),
            Self::Sample => noise_of_original(output, sample, (signal, deviation)),
            Self::VPrediction => zip_with(sample, output, |x, v| signal * v + deviation * x),
            Self::FlowPrediction => zip_with(sample, output, |x, v| x + signal * v),
        }
    }
}

/// The estimate of x_0 where x_t = x_0 + σ·ε; the velocity is that of the sample scaled to unit variance.
pub fn original_of_sigma(prediction: PredictionType, output: &[f32], sample: &[f32], sigma: f32) -> Vec<f32> {
    let variance = sigma * sigma + 1.0;
    match prediction {
        PredictionType::VPrediction => {
            let weight = -sigma / variance.sqrt();
            zip_with(sample, output, |x, v| v * weight + x / variance)
        }
        _ => prediction.original_sample(output, sample, (1.0, sigma)),
    }
}

/// ε = (x_t − a·x_0)/s.
pub fn noise_of_original(original: &[f32], sample: &[f32], (signal, deviation): (f32, f32)) -> Vec<f32> {
    zip_with(sample, original, |x, original| (x - signal * original) / deviation)
}
