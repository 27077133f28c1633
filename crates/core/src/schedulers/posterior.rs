//! q(x_{t-1} | x_t, x_0), which one step of DDPM draws from (Ho et al. 2020, equations 6 and 7), and its variance where a
//! model learns it (Nichol and Dhariwal 2021, "Improved Denoising Diffusion Probabilistic Models").

use super::elementwise::add_scaled;
use serde::{Deserialize, Serialize};

/// The variance of p(x_{t-1} | x_t).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum VarianceType {
    /// β̃_t, the variance of q(x_{t-1} | x_t, x_0): the lower bound.
    FixedSmall,
    /// The same by way of its logarithm.
    FixedSmallLog,
    /// β_t: the upper bound.
    FixedLarge,
    /// The same by way of its logarithm.
    FixedLargeLog,
    /// The model's second half of channels is the variance.
    Learned,
    /// The model's second half of channels lies between the bounds' logarithms (Nichol and Dhariwal 2021, equation 15).
    LearnedRange,
}

impl VarianceType {
    /// The model gives a second value for each of the sample.
    pub fn is_learned(self) -> bool {
        matches!(self, Self::Learned | Self::LearnedRange)
    }
}

/// Between two steps of a run, which need not be neighbours in training.
#[derive(Debug, Clone, Copy)]
pub struct Posterior {
    alpha_prod: f32,
    alpha_prod_prev: f32,
    /// 1 − β.
    alpha: f32,
    beta: f32,
}

impl Posterior {
    pub fn new(alpha_prod: f32, alpha_prod_prev: f32) -> Self {
        let alpha = alpha_prod / alpha_prod_prev;
        Self { alpha_prod, alpha_prod_prev, alpha, beta: 1.0 - alpha }
    }

    /// With β from elsewhere, and α = 1 − β.
    pub fn with_beta(alpha_prod: f32, alpha_prod_prev: f32, beta: f32) -> Self {
        Self { alpha_prod, alpha_prod_prev, alpha: 1.0 - beta, beta }
    }

    /// The weights of x_0 and x_t in the mean.
    pub fn mean_weights(&self) -> (f32, f32) {
        let beta_prod = 1.0 - self.alpha_prod;
        let original = self.alpha_prod_prev.sqrt() * self.beta / beta_prod;
        let sample = self.alpha.sqrt() * (1.0 - self.alpha_prod_prev) / beta_prod;
        (original, sample)
    }

    /// β̃_t, kept above zero for its logarithm.
    fn variance(&self) -> f32 {
        ((1.0 - self.alpha_prod_prev) / (1.0 - self.alpha_prod) * self.beta).max(1e-20)
    }

    /// x + σ·z; `predicted` is what the model says of the variance, empty where it is fixed.
    pub fn add_noise(&self, variance_type: VarianceType, sample: &mut [f32], noise: &[f32], predicted: &[f32]) {
        let (small, large) = (self.variance(), self.beta);
        match variance_type {
            VarianceType::FixedSmall | VarianceType::FixedSmallLog => add_scaled(sample, small.sqrt(), noise),
            VarianceType::FixedLarge | VarianceType::FixedLargeLog => add_scaled(sample, large.sqrt(), noise),
            VarianceType::Learned => add_learned_noise(sample, noise, predicted, f32::sqrt),
            VarianceType::LearnedRange => {
                let (min_log, max_log) = (small.ln(), large.ln());
                add_learned_noise(sample, noise, predicted, |predicted| {
                    let fraction = (predicted + 1.0) / 2.0;
                    (0.5 * (fraction * max_log + (1.0 - fraction) * min_log)).exp()
                });
            }
        }
    }
}

fn add_learned_noise(sample: &mut [f32], noise: &[f32], predicted: &[f32], deviation: impl Fn(f32) -> f32) {
    for ((x, z), predicted) in sample.iter_mut().zip(noise).zip(predicted) {
        *x += deviation(*predicted) * z;
    }
}
