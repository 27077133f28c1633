//! Euler's method with ancestral noise: each step goes below the next σ and comes back by fresh noise.

use super::Scheduler;
use super::betas::NoiseSchedule;
use super::elementwise::weighted_sum;
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput};
use super::prediction::{PredictionType, original_of_sigma};
use super::record::{ConfigRecord, Registered};
use super::registry::SchedulerClass;
use super::run::{Run, ancestral_sigmas, derivative};
use super::sigmas::TrainingSigmas;
use super::spacing::Spacing;
use crate::Result;
use serde::{Deserialize, Serialize};

/// The options of [`EulerAncestralDiscreteScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct EulerAncestralDiscreteSchedulerConfig {
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    #[serde(flatten)]
    pub spacing: Spacing,
    /// Shift the schedule so that the last step is pure noise. Default false.
    pub rescale_betas_zero_snr: bool,
}

impl Default for EulerAncestralDiscreteSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule::default(),
            prediction_type: PredictionType::Epsilon,
            spacing: Spacing::LINSPACE,
            rescale_betas_zero_snr: false,
        }
    }
}

#[derive(Debug, Clone)]
pub struct EulerAncestralDiscreteScheduler {
    config: Registered<EulerAncestralDiscreteSchedulerConfig>,
    training: TrainingSigmas,
    run: Run,
}

impl SchedulerClass for EulerAncestralDiscreteScheduler {
    const NAME: &'static str = "EulerAncestralDiscreteScheduler";
    type Config = EulerAncestralDiscreteSchedulerConfig;

    fn new(config: Registered<EulerAncestralDiscreteSchedulerConfig>) -> Result<Self> {
        config.prediction_type.check(PredictionType::OF_NOISE_SCHEDULES)?;
        let training = TrainingSigmas::new(&config.noise_schedule, config.rescale_betas_zero_snr)?;
        let run = training.whole_run();
        Ok(Self { config, training, run })
    }
}

impl Scheduler for EulerAncestralDiscreteScheduler {
    super::methods::common_methods!();
    super::methods::sigma_methods!();

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let train = self.num_train_timesteps();
        let timesteps = self.config.spacing.float_timesteps(train, options.step_count(train)?);
        self.run = self.training.run(timesteps, None);
        Ok(())
    }

    fn scale_model_input(&mut self, sample: &[f32], timestep: f64) -> Result<Vec<f32>> {
        self.run.scale_input(sample, timestep)
    }

    fn noise_draws(&self, _timestep: f64, _options: &StepOptions) -> Result<usize> {
        Ok(1)
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let (sigma, next) = (self.run.sigma(index), self.run.sigma(index + 1));
        let original = original_of_sigma(self.config.prediction_type, input.model_output, input.sample, sigma);
        let slope = derivative(input.sample, &original, sigma);
        let (down, up) = ancestral_sigmas(sigma, next);
        let prev_sample = weighted_sum([(1.0, input.sample), (down - sigma, &slope), (up, input.noise)]);
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: Some(original) })
    }
}
