//! The variance-exploding SDE with predictor and corrector (Song et al. 2020, "Score-Based Generative Modeling through
//! Stochastic Differential Equations", algorithms 2 and 4).
//!
//! diffusers has two step functions here. In this run every noise level stands once for each correction and then once
//! for the prediction; its timesteps are the σ that the model takes.

use super::Scheduler;
use super::betas::linspace;
use super::elementwise::weighted_sum;
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput};
use super::prediction::PredictionType;
use super::record::{ConfigRecord, Registered, invalid_option};
use super::registry::SchedulerClass;
use super::run::Run;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The options of [`ScoreSdeVeScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct ScoreSdeVeSchedulerConfig {
    /// The number of noise levels that the model was trained on. Default 2000.
    pub num_train_timesteps: usize,
    /// The signal-to-noise ratio that sets the length of a correction. Default 0.15.
    pub snr: f64,
    /// The lowest noise level. Default 0.01.
    pub sigma_min: f64,
    /// The highest noise level. Default 1348.
    pub sigma_max: f64,
    /// The time at which the run ends; it begins at 1. Default 1e-5.
    pub sampling_eps: f64,
    /// The corrections before each prediction. Default 1.
    pub correct_steps: usize,
}

impl Default for ScoreSdeVeSchedulerConfig {
    fn default() -> Self {
        Self {
            num_train_timesteps: 2000,
            snr: 0.15,
            sigma_min: 0.01,
            sigma_max: 1348.0,
            sampling_eps: 1e-5,
            correct_steps: 1,
        }
    }
}

#[derive(Debug, Clone)]
pub struct ScoreSdeVeScheduler {
    config: Registered<ScoreSdeVeSchedulerConfig>,
    /// As many noise levels as the run has predictions, ascending.
    discrete_sigmas: Vec<f32>,
    /// The times of the predictions, from 1 to samplingEps.
    times: Vec<f32>,
    run: Run,
}

impl SchedulerClass for ScoreSdeVeScheduler {
    const NAME: &'static str = "ScoreSdeVeScheduler";
    type Config = ScoreSdeVeSchedulerConfig;

    fn new(config: Registered<ScoreSdeVeSchedulerConfig>) -> Result<Self> {
        let positive = [("snr", config.snr), ("sigmaMin", config.sigma_min), ("samplingEps", config.sampling_eps)];
        for (key, value) in positive {
            if value <= 0.0 {
                return Err(invalid_option(key, "a number above 0", value));
            }
        }
        if config.sigma_max <= config.sigma_min {
            return Err(invalid_option("sigmaMax", "a number above sigmaMin", config.sigma_max));
        }
        let (discrete_sigmas, times) = (Vec::new(), Vec::new());
        Self { config, discrete_sigmas, times, run: Run::new(Vec::new(), []) }.with_all_timesteps()
    }
}

impl ScoreSdeVeScheduler {
    /// The noise level number `index` from below; below the first there is none.
    fn discrete_sigma(&self, index: Option<usize>) -> f32 {
        index.and_then(|index| self.discrete_sigmas.get(index)).copied().unwrap_or_default()
    }

    /// Reverse diffusion (algorithm 2): (the sample, and its mean without the noise).
    fn predict(&self, input: &StepInput, time: f32) -> (Vec<f32>, Vec<f32>) {
        let index = (time * (self.times.len() - 1) as f32) as usize;
        let (sigma, below) = (self.discrete_sigma(Some(index)), self.discrete_sigma(index.checked_sub(1)));
        let variance = sigma * sigma - below * below;
        let mean = weighted_sum([(1.0, input.sample), (variance, input.model_output)]);
        (weighted_sum([(1.0, &mean), (variance.sqrt(), input.noise)]), mean)
    }

    /// Annealed Langevin dynamics (algorithm 4).
    fn correct(&self, input: &StepInput) -> Vec<f32> {
        let ratio = mean_norm(input.noise, input.batch()) / mean_norm(input.model_output, input.batch());
        let length = 2.0 * (self.config.snr as f32 * ratio).powi(2);
        let terms = [(1.0, input.sample), (length, input.model_output), ((2.0 * length).sqrt(), input.noise)];
        weighted_sum(terms)
    }
}

/// The mean over the batch of the samples' Euclidean norms.
fn mean_norm(values: &[f32], batch: usize) -> f32 {
    let norms = values.chunks(values.len() / batch).map(|sample| sample.iter().map(|x| x * x).sum::<f32>().sqrt());
    norms.sum::<f32>() / batch as f32
}

impl Scheduler for ScoreSdeVeScheduler {
    fn record(&self) -> &ConfigRecord {
        self.config.record()
    }

    fn num_train_timesteps(&self) -> usize {
        self.config.num_train_timesteps
    }

    /// The model gives the score, −ε/σ.
    fn prediction_type(&self) -> PredictionType {
        PredictionType::Epsilon
    }

    super::methods::position_methods!();

    fn runs_whole(&self) -> Option<&'static str> {
        Some("corrects the sample before it predicts")
    }

    fn init_noise_sigma(&self) -> f32 {
        self.config.sigma_max as f32
    }

    fn table(&self, name: &str) -> Vec<f32> {
        if name == "sigmas" { self.discrete_sigmas.clone() } else { Vec::new() }
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let count = options.step_count(self.num_train_timesteps())?;
        let (min, max) = (self.config.sigma_min, self.config.sigma_max);
        self.discrete_sigmas = linspace(min.ln() as f32, max.ln() as f32, count).into_iter().map(f32::exp).collect();
        self.times = linspace(1.0, self.config.sampling_eps as f32, count);
        let sigma = |time: &f32| min * (max / min).powf(f64::from(*time));
        let repeated = |time| std::iter::repeat_n(sigma(time), self.config.correct_steps + 1);
        self.run = Run::new(self.times.iter().flat_map(repeated).collect(), []).starting_at_first();
        Ok(())
    }

    fn noise_draws(&self, _timestep: f64, _options: &StepOptions) -> Result<usize> {
        Ok(1)
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let evaluations = self.config.correct_steps + 1;
        let time = self.times.get(index / evaluations).copied().unwrap_or_default();
        let (prev_sample, mean) = if index % evaluations < self.config.correct_steps {
            (self.correct(&input), None)
        } else {
            let (sample, mean) = self.predict(&input, time);
            (sample, Some(mean))
        };
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: mean })
    }

    /// Training counts the noise levels from below.
    fn forward_coefficients(&self, timestep: f64) -> Result<(f32, f32)> {
        let count = self.discrete_sigmas.len();
        if !(0.0..count as f64).contains(&timestep) || timestep.fract() != 0.0 {
            return Err(Error::argument("timestep", format!("an integer from 0 to {}", count - 1), timestep));
        }
        Ok((1.0, self.discrete_sigma(Some(timestep as usize))))
    }
}
