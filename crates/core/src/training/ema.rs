//! The exponential moving average of a model's weights, as diffusers' `EMAModel` keeps it: better samples than the
//! weights themselves (Ho et al. 2020, section 4).

use crate::handle::Footprint;
use crate::kernels::moving_averages;
use crate::models::Parameters;
use crate::{Error, Result};
use burn::tensor::DispatchTensor;
use serde::{Deserialize, Serialize};

/// Options of `EMAModel`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename_all = "camelCase"))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EmaOptions {
    /// The largest decay. Default: 0.9999.
    pub decay: f64,
    /// The smallest decay after the first update. Default: 0.
    pub min_decay: f64,
    /// Updates that only copy the weights. Default: 0.
    pub update_after_step: usize,
    /// The decay rises as 1 − (1 + k/invGamma)^−power, otherwise as (1 + k)/(10 + k). Default: true.
    pub use_ema_warmup: bool,
    /// Default: 1.
    pub inv_gamma: f64,
    /// Default: 3/4, for runs of some ten thousand steps; 2/3 for a million.
    pub power: f64,
}

impl Default for EmaOptions {
    fn default() -> Self {
        Self { decay: 0.9999, min_decay: 0.0, update_after_step: 0, use_ema_warmup: true, inv_gamma: 1.0, power: 0.75 }
    }
}

impl EmaOptions {
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [("decay", self.decay), ("minDecay", self.min_decay)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::argument(name, "a number from 0 to 1", value));
            }
        }
        for (name, value) in [("invGamma", self.inv_gamma), ("power", self.power)] {
            if !value.is_finite() || value <= 0.0 {
                return Err(Error::argument(name, "a number above 0", value));
            }
        }
        Ok(())
    }

    /// The decay of update `optimization_step`, which counts from 1. The first one copies the weights.
    pub fn decay_at(&self, optimization_step: usize) -> f64 {
        let step = optimization_step.saturating_sub(self.update_after_step + 1) as f64;
        if step <= 0.0 {
            return 0.0;
        }
        let rising = if self.use_ema_warmup {
            1.0 - (1.0 + step / self.inv_gamma).powf(-self.power)
        } else {
            (1.0 + step) / (10.0 + step)
        };
        rising.min(self.decay).max(self.min_decay)
    }
}

/// The average with its state.
pub struct Ema {
    options: EmaOptions,
    /// Updates so far.
    optimization_step: usize,
    /// In the order of the model's parameters.
    shadow: Vec<DispatchTensor>,
    bytes: usize,
}

impl Footprint for Ema {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Ema {
    /// Starts from the weights as they are.
    pub fn new(options: EmaOptions, parameters: &Parameters) -> Result<Self> {
        options.validate()?;
        Ok(Self {
            options,
            optimization_step: 0,
            shadow: parameters.constants(),
            bytes: size_of::<f32>() * parameters.count(),
        })
    }

    /// s ← s − (1 − decay)(s − θ); returns the decay.
    pub fn update(&mut self, parameters: &Parameters) -> f64 {
        self.optimization_step += 1;
        let decay = self.options.decay_at(self.optimization_step);
        let weights = parameters.constants();
        // Moved out, so that nobody shares them and they can be changed in place.
        let old = std::mem::replace(&mut self.shadow, weights.clone());
        if decay > 0.0 {
            let trained = |tensors: Vec<DispatchTensor>| {
                let pairs = tensors.into_iter().zip(parameters.list());
                pairs.filter(|(_, parameter)| parameter.trainable).map(|(tensor, _)| tensor).collect()
            };
            let averages = moving_averages(trained(old), trained(weights), decay);
            let places = self.shadow.iter_mut().zip(parameters.list()).filter(|(_, parameter)| parameter.trainable);
            for ((shadow, _), average) in places.zip(averages) {
                *shadow = average;
            }
        }
        decay
    }

    /// The averaged weights, in the order of the model's parameters.
    pub fn weights(&self) -> &[DispatchTensor] {
        &self.shadow
    }

    pub fn options(&self) -> &EmaOptions {
        &self.options
    }

    /// Updates so far.
    pub fn optimization_step(&self) -> usize {
        self.optimization_step
    }

    /// Goes on from an average that was saved.
    pub fn restore(&mut self, weights: Vec<DispatchTensor>, optimization_step: usize) {
        self.shadow = weights;
        self.optimization_step = optimization_step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_decays(options: EmaOptions, expected: &[(usize, f64)]) {
        for (step, expected) in expected {
            let got = options.decay_at(*step);
            assert!((got - expected).abs() < 1e-8, "step {step}: got {got}, want {expected}");
        }
    }

    /// Decays of diffusers' `EMAModel`.
    #[test]
    fn decays_of_diffusers() {
        assert_decays(
            EmaOptions::default(),
            &[
                (1, 0.0),
                (2, 0.40539644),
                (3, 0.56130866),
                (10, 0.82217206),
                (100, 0.96837722),
                (1000, 0.99437659),
                (10001, 0.99900007),
            ],
        );
        assert_decays(
            EmaOptions { use_ema_warmup: false, ..EmaOptions::default() },
            &[
                (1, 0.0),
                (2, 0.18181818),
                (3, 0.25),
                (10, 0.52631579),
                (100, 0.91743119),
                (1000, 0.99108028),
                (10001, 0.9991009),
            ],
        );
    }

    #[test]
    fn limits_hold_after_the_first_updates() {
        let options = EmaOptions { decay: 0.8, min_decay: 0.5, update_after_step: 3, ..EmaOptions::default() };
        assert_decays(options, &[(1, 0.0), (4, 0.0), (5, 0.5), (6, 0.56130866), (100, 0.8)]);
    }

    #[test]
    fn decays_outside_of_zero_to_one_are_refused() {
        let wrong = EmaOptions { decay: 1.5, ..EmaOptions::default() };
        assert_eq!(
            wrong.validate().unwrap_err().to_string(),
            "[InvalidArgument] decay: expected a number from 0 to 1, got 1.5"
        );
        assert!(EmaOptions { power: 0.0, ..EmaOptions::default() }.validate().is_err());
    }
}
