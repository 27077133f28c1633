//! What a run is told: diffusers' `train_unconditional.py` and its relatives, by their names.

use super::adamw::AdamWOptions;
use super::ema::EmaOptions;
use super::lr_schedule::{LrScheduleOptions, LrScheduler};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Options of a training run. `epochs` or `steps` says how long it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename_all = "camelCase"))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrainerOptions {
    /// Pictures that go through the model together. Default: 16.
    pub batch_size: usize,
    /// How often each picture is used. Give this or `steps`.
    pub epochs: Option<usize>,
    /// Number of optimizer steps. Give this or `epochs`.
    pub steps: Option<usize>,
    /// Batches whose gradients make one optimizer step, as one large batch would. Default: 1.
    pub gradient_accumulation_steps: usize,
    /// Recomputes activations in the backward pass instead of keeping them: less memory, a third more time.
    /// Default: false.
    pub gradient_checkpointing: bool,
    /// Default: 1e-4.
    pub learning_rate: f64,
    /// How the learning rate changes, counted in optimizer steps. Default: "constant".
    pub lr_scheduler: LrScheduler,
    /// Optimizer steps in which the learning rate rises from 0. Default: 0.
    pub lr_warmup_steps: usize,
    /// Of "cosine_with_restarts". Default: 1.
    pub lr_num_cycles: usize,
    /// Of "polynomial". Default: 1.
    pub lr_power: f64,
    /// Of "piecewise_constant", such as `"1:10,0.1:20,0.01"`: factors, each until a step, and the last one.
    pub step_rules: Option<String>,
    /// Default: 0.9.
    pub adam_beta1: f64,
    /// Default: 0.999.
    pub adam_beta2: f64,
    /// Default: 1e-8.
    pub adam_epsilon: f64,
    /// Default: 0.01.
    pub adam_weight_decay: f64,
    /// Gradients longer than this, all parameters together, are shortened to it. Default: null, none are.
    pub max_grad_norm: Option<f64>,
    /// Keeps an exponential moving average of the weights. Default: false.
    pub use_ema: bool,
    /// The largest decay of the average. Default: 0.9999.
    pub ema_max_decay: f64,
    /// The smallest decay of the average. Default: 0.
    pub ema_min_decay: f64,
    /// The decay rises as 1 − (1 + k/emaInvGamma)^−emaPower. Default: 1.
    pub ema_inv_gamma: f64,
    /// Default: 0.75.
    pub ema_power: f64,
    /// min-SNR-γ weighting of the loss (Hang et al. 2023; they took 5). Default: null, none.
    pub snr_gamma: Option<f64>,
    /// Strength of noise that is the same for all pixels of a channel, so that brightness is learned
    /// (<https://www.crosslabs.org/blog/diffusion-with-offset-noise>). Default: 0.
    pub noise_offset: f64,
    /// Strength of noise that is added to the noise and not to be predicted (Ning et al. 2023; they took 0.1).
    /// Default: 0.
    pub input_perturbation: f64,
    /// What a loss or gradient that is NaN or infinite does: end the run, or only its own step. Default: "stop".
    pub nan: NanPolicy,
}

/// What a step does whose loss or gradient is not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "lowercase")]
pub enum NanPolicy {
    #[default]
    Stop,
    Skip,
}

impl Default for TrainerOptions {
    fn default() -> Self {
        Self {
            batch_size: 16,
            epochs: None,
            steps: None,
            gradient_accumulation_steps: 1,
            gradient_checkpointing: false,
            learning_rate: 1e-4,
            lr_scheduler: LrScheduler::Constant,
            lr_warmup_steps: 0,
            lr_num_cycles: 1,
            lr_power: 1.0,
            step_rules: None,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            adam_epsilon: 1e-8,
            adam_weight_decay: 0.01,
            max_grad_norm: None,
            use_ema: false,
            ema_max_decay: 0.9999,
            ema_min_decay: 0.0,
            ema_inv_gamma: 1.0,
            ema_power: 0.75,
            snr_gamma: None,
            noise_offset: 0.0,
            input_perturbation: 0.0,
            nan: NanPolicy::Stop,
        }
    }
}

impl TrainerOptions {
    pub fn adamw(&self) -> AdamWOptions {
        AdamWOptions {
            learning_rate: self.learning_rate,
            betas: [self.adam_beta1, self.adam_beta2],
            eps: self.adam_epsilon,
            weight_decay: self.adam_weight_decay,
        }
    }

    /// `total_steps`: optimizer steps of the run.
    pub fn lr_schedule(&self, total_steps: usize) -> LrScheduleOptions {
        LrScheduleOptions {
            name: self.lr_scheduler,
            num_warmup_steps: self.lr_warmup_steps,
            num_training_steps: total_steps,
            num_cycles: self.lr_num_cycles,
            power: self.lr_power,
            step_rules: self.step_rules.clone(),
        }
    }

    pub fn ema(&self) -> EmaOptions {
        EmaOptions {
            decay: self.ema_max_decay,
            min_decay: self.ema_min_decay,
            inv_gamma: self.ema_inv_gamma,
            power: self.ema_power,
            ..EmaOptions::default()
        }
    }

    /// Number of steps of the run.
    pub fn total_steps(&self, steps_per_epoch: usize) -> usize {
        self.steps.unwrap_or(self.epochs.unwrap_or(0).saturating_mul(steps_per_epoch))
    }

    pub fn validate(&self) -> Result<()> {
        match (self.epochs, self.steps) {
            (Some(1..), None) | (None, Some(1..)) => {}
            (None, None) => return Err(Error::argument("epochs", "epochs or steps", "neither")),
            (Some(_), Some(_)) => return Err(Error::argument("epochs", "epochs or steps", "both")),
            (Some(_), None) => return Err(Error::argument("epochs", "at least 1", 0)),
            (None, Some(_)) => return Err(Error::argument("steps", "at least 1", 0)),
        }
        if self.gradient_accumulation_steps == 0 {
            return Err(Error::argument("gradientAccumulationSteps", "at least 1", 0));
        }
        let above_zero = [("maxGradNorm", self.max_grad_norm), ("snrGamma", self.snr_gamma)];
        for (name, value) in above_zero {
            if let Some(value) = value.filter(|value| !value.is_finite() || *value <= 0.0) {
                return Err(Error::argument(name, "a number above 0", value));
            }
        }
        let not_negative = [("noiseOffset", self.noise_offset), ("inputPerturbation", self.input_perturbation)];
        for (name, value) in not_negative {
            if !value.is_finite() || value < 0.0 {
                return Err(Error::argument(name, "a number of at least 0", value));
            }
        }
        self.adamw().validate()?;
        if self.use_ema {
            self.ema().validate().map_err(ema_option_named)?;
        }
        Ok(())
    }
}

/// The average's own names for its options are shorter than the run's.
fn ema_option_named(error: Error) -> Error {
    match error {
        Error::InvalidArgument { argument, expected, got } => {
            let argument = match argument.as_str() {
                "decay" => "emaMaxDecay",
                "minDecay" => "emaMinDecay",
                "invGamma" => "emaInvGamma",
                _ => "emaPower",
            };
            Error::argument(argument, expected, got)
        }
        other => other,
    }
}
