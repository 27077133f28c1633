//! Consistency models: each step jumps to x_0 and goes back to the next noise level with fresh noise (Song et al. 2023,
//! "Consistency Models", algorithm 1).

use super::Scheduler;
use super::elementwise::weighted_sum;
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput, Steps};
use super::prediction::PredictionType;
use super::record::{ConfigRecord, Registered, invalid_option};
use super::registry::SchedulerClass;
use super::run::Run;
use super::spacing::{Spacing, custom_timesteps};
use crate::Result;
use serde::{Deserialize, Serialize};

/// The options of [`CmStochasticIterativeScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "CMStochasticIterativeSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct CmStochasticIterativeSchedulerConfig {
    /// The number of noise levels that the model was trained on, at least 2. Default 40.
    pub num_train_timesteps: usize,
    /// The lowest noise level. Default 0.002.
    pub sigma_min: f64,
    /// The highest noise level. Default 80.
    pub sigma_max: f64,
    /// The deviation of the data. Default 0.5.
    pub sigma_data: f64,
    /// The deviation of the noise between the steps. Default 1.
    pub s_noise: f64,
    /// ρ of the Karras schedule. Default 7.
    pub rho: f64,
    /// Clip the estimate of x_0 to [-1, 1]. Default true.
    pub clip_denoised: bool,
}

impl Default for CmStochasticIterativeSchedulerConfig {
    fn default() -> Self {
        Self {
            num_train_timesteps: 40,
            sigma_min: 0.002,
            sigma_max: 80.0,
            sigma_data: 0.5,
            s_noise: 1.0,
            rho: 7.0,
            clip_denoised: true,
        }
    }
}

#[derive(Debug, Clone)]
pub struct CmStochasticIterativeScheduler {
    config: Registered<CmStochasticIterativeSchedulerConfig>,
    run: Run,
}

impl SchedulerClass for CmStochasticIterativeScheduler {
    const NAME: &'static str = "CMStochasticIterativeScheduler";
    type Config = CmStochasticIterativeSchedulerConfig;

    fn new(config: Registered<CmStochasticIterativeSchedulerConfig>) -> Result<Self> {
        if config.num_train_timesteps < 2 {
            return Err(invalid_option("numTrainTimesteps", "at least 2", config.num_train_timesteps));
        }
        for (key, value) in [("sigmaMin", config.sigma_min), ("sigmaData", config.sigma_data), ("rho", config.rho)] {
            if value <= 0.0 {
                return Err(invalid_option(key, "a number above 0", value));
            }
        }
        if config.sigma_max <= config.sigma_min {
            return Err(invalid_option("sigmaMax", "a number above sigmaMin", config.sigma_max));
        }
        let train = config.num_train_timesteps;
        let run = config.run((0..train).rev().map(|t| t as f64));
        Ok(Self { config, run })
    }
}

impl CmStochasticIterativeSchedulerConfig {
    /// The noise levels of these training steps, of which the last is the noisiest. The model takes 250·ln σ.
    fn run(&self, steps: impl DoubleEndedIterator<Item = f64>) -> Run {
        let (low, high) = (self.sigma_min.powf(1.0 / self.rho), self.sigma_max.powf(1.0 / self.rho));
        let last = (self.num_train_timesteps - 1) as f64;
        let sigmas: Vec<f64> = steps.rev().map(|step| (high + step / last * (low - high)).powf(self.rho)).collect();
        let timesteps = sigmas.iter().map(|sigma| 250.0 * sigma.ln()).collect();
        Run::new(timesteps, sigmas.into_iter().chain([self.sigma_min]))
    }

    /// (c_skip, c_out): at σ_min the sample itself is the answer (appendix C).
    fn boundary_scalings(&self, sigma: f32) -> (f32, f32) {
        let (min, data) = (self.sigma_min as f32, self.sigma_data as f32);
        let skip = data * data / ((sigma - min) * (sigma - min) + data * data);
        (skip, (sigma - min) * data / (sigma * sigma + data * data).sqrt())
    }
}

impl Scheduler for CmStochasticIterativeScheduler {
    fn record(&self) -> &ConfigRecord {
        self.config.record()
    }

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "timesteps"]
    }

    fn num_train_timesteps(&self) -> usize {
        self.config.num_train_timesteps
    }

    fn prediction_type(&self) -> PredictionType {
        PredictionType::Sample
    }

    super::methods::position_methods!();

    fn init_noise_sigma(&self) -> f32 {
        self.config.sigma_max as f32
    }

    fn table(&self, name: &str) -> Vec<f32> {
        self.run.table(name)
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let train = self.num_train_timesteps();
        let steps = match options.steps(train)? {
            Steps::Timesteps(timesteps) => custom_timesteps(timesteps, train)?,
            _ => Spacing::LEADING.descending(train, options.step_count(train)?),
        };
        self.run = self.config.run(steps.into_iter());
        Ok(())
    }

    fn scale_model_input(&mut self, sample: &[f32], timestep: f64) -> Result<Vec<f32>> {
        let index = self.run.enter(timestep)?;
        let (sigma, data) = (self.run.sigma(index), self.config.sigma_data as f32);
        let deviation = (sigma * sigma + data * data).sqrt();
        Ok(sample.iter().map(|x| x / deviation).collect())
    }

    fn noise_draws(&self, _timestep: f64, _options: &StepOptions) -> Result<usize> {
        Ok(usize::from(self.run.timesteps().len() > 1))
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let (skip, out) = self.config.boundary_scalings(self.run.sigma(index));
        let mut denoised = weighted_sum([(out, input.model_output), (skip, input.sample)]);
        if self.config.clip_denoised {
            denoised.iter_mut().for_each(|x| *x = x.clamp(-1.0, 1.0));
        }
        let (min, max) = (self.config.sigma_min as f32, self.config.sigma_max as f32);
        let next = self.run.sigma(index + 1).clamp(min, max);
        let deviation = (next * next - min * min).sqrt() * self.config.s_noise as f32;
        let prev_sample = weighted_sum([(1.0, &denoised), (deviation, input.noise)]);
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: Some(denoised) })
    }

    fn forward_coefficients(&self, timestep: f64) -> Result<(f32, f32)> {
        Ok((1.0, self.run.sigma(self.run.index_of(timestep)?)))
    }
}
