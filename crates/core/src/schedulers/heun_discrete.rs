//! Heun's second-order method (Karras et al. 2022, algorithm 1): every step is corrected with the slope at its end.

use super::Scheduler;
use super::betas::NoiseSchedule;
use super::clipping::SampleClipping;
use super::elementwise::weighted_sum;
use super::options::{SetTimesteps, StepInput, StepOutput, Steps};
use super::prediction::{PredictionType, original_of_sigma};
use super::record::{ConfigRecord, Registered};
use super::registry::SchedulerClass;
use super::run::{Run, derivative};
use super::sigmas::{SigmaSpacing, TrainingSigmas};
use super::spacing::{Spacing, custom_descending};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The options of [`HeunDiscreteScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct HeunDiscreteSchedulerConfig {
    /// betaStart is 0.00085 and betaEnd 0.012 by default.
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    #[serde(flatten)]
    pub sigma_spacing: SigmaSpacing,
    /// clipSample is false by default.
    #[serde(flatten)]
    pub clipping: SampleClipping,
    #[serde(flatten)]
    pub spacing: Spacing,
}

impl Default for HeunDiscreteSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule::latent_diffusion(),
            prediction_type: PredictionType::Epsilon,
            sigma_spacing: SigmaSpacing::default(),
            clipping: SampleClipping { clip_sample: false, clip_sample_range: 1.0 },
            spacing: Spacing::LINSPACE,
        }
    }
}

#[derive(Debug, Clone)]
pub struct HeunDiscreteScheduler {
    config: Registered<HeunDiscreteSchedulerConfig>,
    training: TrainingSigmas,
    /// Every σ but the first and the last stands twice: for the prediction and for the correction.
    run: Run,
    /// Between the two halves of a step.
    half_step: Option<HalfStep>,
}

/// The sample, slope and length of the step that is to be corrected.
#[derive(Debug, Clone)]
pub(super) struct HalfStep {
    pub sample: Vec<f32>,
    pub slope: Vec<f32>,
    pub length: f32,
}

impl HalfStep {
    /// The whole step along the mean of the slopes at its start and at its end.
    pub fn correct(self, slope_at_end: &[f32]) -> Vec<f32> {
        let mean = weighted_sum([(0.5, &self.slope), (0.5, slope_at_end)]);
        weighted_sum([(1.0, &self.sample), (self.length, &mean)])
    }
}

impl SchedulerClass for HeunDiscreteScheduler {
    const NAME: &'static str = "HeunDiscreteScheduler";
    type Config = HeunDiscreteSchedulerConfig;

    fn new(config: Registered<HeunDiscreteSchedulerConfig>) -> Result<Self> {
        config.prediction_type.check(PredictionType::OF_NOISE_SCHEDULES)?;
        config.clipping.check()?;
        config.sigma_spacing.curve()?;
        let training = TrainingSigmas::new(&config.noise_schedule, false)?;
        let run = training.whole_run();
        Self { config, training, run, half_step: None }.with_all_timesteps()
    }
}

impl HeunDiscreteScheduler {
    fn custom_timesteps(&self, timesteps: &[f64]) -> Result<Vec<f64>> {
        if self.config.sigma_spacing.curve()?.is_some() {
            let expected = "none where useKarrasSigmas, useExponentialSigmas or useBetaSigmas say the steps";
            return Err(Error::argument("timesteps", expected, format!("{timesteps:?}")));
        }
        custom_descending("timesteps", timesteps, 0.0..=(self.num_train_timesteps() - 1) as f64)
    }

    fn estimate(&self, input: &StepInput, sigma: f32) -> Vec<f32> {
        let prediction = self.config.prediction_type;
        let mut original = original_of_sigma(prediction, input.model_output, input.sample, sigma);
        self.config.clipping.apply(&mut original);
        original
    }
}

impl Scheduler for HeunDiscreteScheduler {
    super::methods::common_methods!();
    super::methods::sigma_methods!();

    fn order(&self) -> usize {
        2
    }

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "timesteps"]
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let train = self.num_train_timesteps();
        let timesteps = match options.steps(train)? {
            Steps::Timesteps(timesteps) => self.custom_timesteps(timesteps)?,
            _ => self.config.spacing.float_timesteps(train, options.step_count(train)?),
        };
        self.run = self.training.run(timesteps, self.config.sigma_spacing.curve()?).doubled();
        self.half_step = None;
        Ok(())
    }

    fn scale_model_input(&mut self, sample: &[f32], timestep: f64) -> Result<Vec<f32>> {
        self.run.scale_input(sample, timestep)
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let sigma = self.run.sigma(index);
        let original = self.estimate(&input, sigma);
        let slope = derivative(input.sample, &original, sigma);
        let prev_sample = match self.half_step.take() {
            None => {
                let length = self.run.sigma(index + 1) - sigma;
                let predicted = weighted_sum([(1.0, input.sample), (length, &slope)]);
                self.half_step = Some(HalfStep { sample: input.sample.to_vec(), slope, length });
                predicted
            }
            Some(first) => first.correct(&slope),
        };
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: Some(original) })
    }
}
