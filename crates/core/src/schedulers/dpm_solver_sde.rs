//! DPM-Solver-2 on the SDE, with noise in both halves of each step ("DPM++ SDE", after Karras et al. 2022 and Lu et al.
//! 2022).

use super::Scheduler;
use super::betas::NoiseSchedule;
use super::elementwise::weighted_sum;
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput};
use super::prediction::{PredictionType, original_of_sigma};
use super::record::{ConfigRecord, Registered};
use super::registry::SchedulerClass;
use super::run::{Run, ancestral_sigmas, derivative, scale_to_unit_variance};
use super::sigmas::{SigmaSpacing, TrainingSigmas};
use super::spacing::Spacing;
use crate::Result;
use serde::{Deserialize, Serialize};

/// The options of [`DpmSolverSdeScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "DPMSolverSDESchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct DpmSolverSdeSchedulerConfig {
    /// betaStart is 0.00085 and betaEnd 0.012 by default.
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    #[serde(flatten)]
    pub sigma_spacing: SigmaSpacing,
    /// What diffusers keeps for files; the noise is the caller's. Default null.
    pub noise_sampler_seed: Option<u32>,
    #[serde(flatten)]
    pub spacing: Spacing,
}

impl Default for DpmSolverSdeSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule::latent_diffusion(),
            prediction_type: PredictionType::Epsilon,
            sigma_spacing: SigmaSpacing::default(),
            noise_sampler_seed: None,
            spacing: Spacing::LINSPACE,
        }
    }
}

#[derive(Debug, Clone)]
pub struct DpmSolverSdeScheduler {
    config: Registered<DpmSolverSdeSchedulerConfig>,
    training: TrainingSigmas,
    /// Every σ but the first and the last stands twice: for the two halves of a step.
    run: Run,
    /// Between the two halves of a step: the sample at its start and the noise of its first half.
    half_step: Option<(Vec<f32>, Vec<f32>)>,
}

impl SchedulerClass for DpmSolverSdeScheduler {
    const NAME: &'static str = "DPMSolverSDEScheduler";
    type Config = DpmSolverSdeSchedulerConfig;

    fn new(config: Registered<DpmSolverSdeSchedulerConfig>) -> Result<Self> {
        config.prediction_type.check(PredictionType::OF_NOISE_SCHEDULES)?;
        config.sigma_spacing.curve()?;
        let training = TrainingSigmas::new(&config.noise_schedule, false)?;
        let run = training.whole_run();
        Self { config, training, run, half_step: None }.with_all_timesteps()
    }
}

/// The σ of one step.
#[derive(Clone, Copy)]
struct StepSigmas {
    start: f32,
    middle: f32,
    end: f32,
}

impl StepSigmas {
    /// Brownian motion over the whole step, from the unit noises of its halves: their variances add up.
    fn whole_noise(&self, first: &[f32], second: &[f32]) -> Vec<f32> {
        let length = self.start - self.end;
        if length == 0.0 {
            return vec![0.0; second.len()];
        }
        let first_weight = ((self.start - self.middle) / length).sqrt();
        let second_weight = ((self.middle - self.end) / length).sqrt();
        weighted_sum([(first_weight, first), (second_weight, second)])
    }
}

impl DpmSolverSdeScheduler {
    /// `index` is that of either half.
    fn step_sigmas(&self, index: usize) -> StepSigmas {
        let first = if self.half_step.is_some() { index - 1 } else { index };
        let (start, end) = (self.run.sigma(first), self.run.sigma(first + 1));
        StepSigmas { start, middle: (start * end).sqrt(), end }
    }

    /// From `sample` at σ `from` towards x_0, below σ `to`, and back there by noise.
    fn noisy_step(&self, from: f32, to: f32, sample: &[f32], original: &[f32], noise: (f32, &[f32])) -> Vec<f32> {
        let (down, up) = ancestral_sigmas(from, to);
        let kept = down / from;
        weighted_sum([(kept, sample), (1.0 - kept, original), (noise.0 * up, noise.1)])
    }
}

impl Scheduler for DpmSolverSdeScheduler {
    super::methods::common_methods!();
    super::methods::sigma_methods!();

    fn order(&self) -> usize {
        2
    }

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "sNoise"]
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let train = self.num_train_timesteps();
        let timesteps = self.config.spacing.descending(train, options.step_count(train)?);
        let whole = self.training.run(timesteps, self.config.sigma_spacing.curve()?);
        let middle = |pair: &[f32]| self.training.timestep_of((f64::from(pair[0]) * f64::from(pair[1])).sqrt());
        let between: Vec<f64> = whole.sigmas().windows(2).take(whole.timesteps().len() - 1).map(middle).collect();
        self.run = whole.doubled().with_middle_timesteps(&between);
        self.half_step = None;
        Ok(())
    }

    fn scale_model_input(&mut self, sample: &[f32], timestep: f64) -> Result<Vec<f32>> {
        let index = self.run.enter(timestep)?;
        let sigmas = self.step_sigmas(index);
        let sigma = if self.half_step.is_none() { sigmas.start } else { sigmas.middle };
        Ok(scale_to_unit_variance(sample, sigma))
    }

    fn noise_draws(&self, timestep: f64, _options: &StepOptions) -> Result<usize> {
        let sigmas = self.step_sigmas(self.run.current(timestep)?);
        Ok(usize::from(sigmas.end > 0.0))
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let sigmas = self.step_sigmas(index);
        let scale = input.options.s_noise.unwrap_or(1.0) as f32;
        let prediction = self.config.prediction_type;
        let estimate = |sigma| original_of_sigma(prediction, input.model_output, input.sample, sigma);
        let (prev_sample, original) = match self.half_step.take() {
            Some((start, first_noise)) => {
                let original = estimate(sigmas.middle);
                let noise = sigmas.whole_noise(&first_noise, input.noise);
                (self.noisy_step(sigmas.start, sigmas.end, &start, &original, (scale, &noise)), original)
            }
            None if sigmas.end == 0.0 => {
                let original = estimate(sigmas.start);
                let slope = derivative(input.sample, &original, sigmas.start);
                (weighted_sum([(1.0, input.sample), (-sigmas.start, &slope)]), original)
            }
            None => {
                let original = estimate(sigmas.start);
                let noise = (scale, input.noise);
                let middle = self.noisy_step(sigmas.start, sigmas.middle, input.sample, &original, noise);
                self.half_step = Some((input.sample.to_vec(), input.noise.to_vec()));
                (middle, original)
            }
        };
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: Some(original) })
    }
}
