//! DPM-Solver-2 as in Karras et al. 2022: the slope in the middle of each step, by ln σ, carries the whole step.

use super::Scheduler;
use super::betas::NoiseSchedule;
use super::elementwise::weighted_sum;
use super::options::{SetTimesteps, StepInput, StepOutput};
use super::prediction::{PredictionType, original_of_sigma};
use super::record::{ConfigRecord, Registered};
use super::registry::SchedulerClass;
use super::run::{Run, derivative, doubled_after_first, scale_to_unit_variance};
use super::sigmas::{SigmaCurve, SigmaSpacing, TrainingSigmas};
use super::spacing::Spacing;
use crate::Result;
use serde::{Deserialize, Serialize};

/// The options of [`Kdpm2DiscreteScheduler`] and [`Kdpm2AncestralDiscreteScheduler`](super::Kdpm2AncestralDiscreteScheduler).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "KDPM2DiscreteSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct Kdpm2DiscreteSchedulerConfig {
    /// betaStart is 0.00085 and betaEnd 0.012 by default.
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    #[serde(flatten)]
    pub sigma_spacing: SigmaSpacing,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    #[serde(flatten)]
    pub spacing: Spacing,
}

impl Default for Kdpm2DiscreteSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule::latent_diffusion(),
            sigma_spacing: SigmaSpacing::default(),
            prediction_type: PredictionType::Epsilon,
            spacing: Spacing::LINSPACE,
        }
    }
}

impl Kdpm2DiscreteSchedulerConfig {
    /// The whole steps of a run, without those in between.
    pub(super) fn whole_steps(&self, training: &TrainingSigmas, count: usize) -> Result<Run> {
        let train = self.noise_schedule.num_train_timesteps;
        let curve = self.sigma_spacing.curve()?;
        let run = training.run(self.spacing.float_timesteps(train, count), curve);
        Ok(if curve == Some(SigmaCurve::Karras) { run.with_rounded_timesteps() } else { run })
    }
}

#[derive(Debug, Clone)]
pub struct Kdpm2DiscreteScheduler {
    config: Registered<Kdpm2DiscreteSchedulerConfig>,
    training: TrainingSigmas,
    /// The σ of whole steps, each but the first twice.
    run: Run,
    /// The σ in the middle of the steps, aligned with `run`: entry i lies between the σ of the steps i − 1 and i.
    middle_sigmas: Vec<f32>,
    /// The sample at the start of a step whose middle has been reached.
    start: Option<Vec<f32>>,
}

impl SchedulerClass for Kdpm2DiscreteScheduler {
    const NAME: &'static str = "KDPM2DiscreteScheduler";
    type Config = Kdpm2DiscreteSchedulerConfig;

    fn new(config: Registered<Kdpm2DiscreteSchedulerConfig>) -> Result<Self> {
        config.prediction_type.check(PredictionType::OF_NOISE_SCHEDULES)?;
        config.sigma_spacing.curve()?;
        let training = TrainingSigmas::new(&config.noise_schedule, false)?;
        let run = training.whole_run();
        Self { config, training, run, middle_sigmas: Vec::new(), start: None }.with_all_timesteps()
    }
}

impl Kdpm2DiscreteScheduler {
    fn middle_sigma(&self, index: usize) -> f32 {
        self.middle_sigmas.get(index).copied().unwrap_or_default()
    }
}

impl Scheduler for Kdpm2DiscreteScheduler {
    super::methods::common_methods!();
    super::methods::sigma_methods!();

    fn order(&self) -> usize {
        2
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let whole = self.config.whole_steps(&self.training, options.step_count(self.num_train_timesteps())?)?;
        // The first entry has no step before it; the last step ends at σ = 0 and so does its middle.
        let middles: Vec<f32> =
            std::iter::once(0.0).chain(whole.sigmas().windows(2).map(|pair| (pair[0] * pair[1]).sqrt())).collect();
        let between: Vec<f64> =
            middles[1..middles.len() - 1].iter().map(|sigma| self.training.timestep_of(f64::from(*sigma))).collect();
        self.middle_sigmas = doubled_after_first(&middles);
        self.run = whole.interleaved(&between);
        self.start = None;
        Ok(())
    }

    fn scale_model_input(&mut self, sample: &[f32], timestep: f64) -> Result<Vec<f32>> {
        let index = self.run.enter(timestep)?;
        let sigma = if self.start.is_none() { self.run.sigma(index) } else { self.middle_sigma(index) };
        Ok(scale_to_unit_variance(sample, sigma))
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let prediction = self.config.prediction_type;
        let estimate = |sigma| original_of_sigma(prediction, input.model_output, input.sample, sigma);
        let (prev_sample, original) = match self.start.take() {
            None => {
                let sigma = self.run.sigma(index);
                let original = estimate(sigma);
                let slope = derivative(input.sample, &original, sigma);
                self.start = Some(input.sample.to_vec());
                (weighted_sum([(1.0, input.sample), (self.middle_sigma(index + 1) - sigma, &slope)]), original)
            }
            Some(start) => {
                let (sigma, middle, next) =
                    (self.run.sigma(index - 1), self.middle_sigma(index), self.run.sigma(index));
                let original = estimate(middle);
                let slope = derivative(input.sample, &original, middle);
                (weighted_sum([(1.0, &start), (next - sigma, &slope)]), original)
            }
        };
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: Some(original) })
    }
}
