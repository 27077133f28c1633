//! DDIM: deterministic sampling in few steps (Song et al. 2020, "Denoising Diffusion Implicit Models").

use super::Scheduler;
use super::betas::NoiseSchedule;
use super::clipping::{SampleClipping, Thresholding, clip_original};
use super::elementwise::{add_scaled, weighted_sum};
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput, check_timestep, not_prepared};
use super::prediction::{PredictionType, noise_of_original};
use super::process::DiscreteProcess;
use super::record::{ConfigRecord, Registered};
use super::registry::SchedulerClass;
use super::spacing::Spacing;
use crate::Result;
use serde::{Deserialize, Serialize};

/// The options of [`DdimScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "DDIMSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct DdimSchedulerConfig {
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    #[serde(flatten)]
    pub clipping: SampleClipping,
    /// The step before the first is free of noise (ᾱ = 1); else it has ᾱ_0. Default true.
    pub set_alpha_to_one: bool,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    #[serde(flatten)]
    pub thresholding: Thresholding,
    #[serde(flatten)]
    pub spacing: Spacing,
    /// Shift the schedule so that the last step is pure noise. Default false.
    pub rescale_betas_zero_snr: bool,
}

impl Default for DdimSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule::default(),
            clipping: SampleClipping::default(),
            set_alpha_to_one: true,
            prediction_type: PredictionType::Epsilon,
            thresholding: Thresholding::default(),
            spacing: Spacing::LEADING,
            rescale_betas_zero_snr: false,
        }
    }
}

#[derive(Debug, Clone)]
pub struct DdimScheduler {
    config: Registered<DdimSchedulerConfig>,
    process: DiscreteProcess,
    timesteps: Vec<f64>,
    /// T // n, once `setTimesteps` has said n. The previous step is this far away whatever the spacing.
    stride: Option<usize>,
}

impl SchedulerClass for DdimScheduler {
    const NAME: &'static str = "DDIMScheduler";
    type Config = DdimSchedulerConfig;

    fn new(config: Registered<DdimSchedulerConfig>) -> Result<Self> {
        config.prediction_type.check(PredictionType::OF_NOISE_SCHEDULES)?;
        config.clipping.check()?;
        config.thresholding.check()?;
        let process = DiscreteProcess::new(&config.noise_schedule, config.rescale_betas_zero_snr)?;
        let timesteps = process.all_timesteps();
        Ok(Self { config, process, timesteps, stride: None })
    }
}

impl DdimScheduler {
    /// ᾱ of the step after `timestep`.
    fn previous_alpha_prod(&self, timestep: f64) -> Result<f32> {
        let previous = timestep - self.stride.ok_or_else(not_prepared)? as f64;
        check_timestep(&self.timesteps, timestep)?;
        self.process.alpha_cumprod_or_final(previous, self.config.set_alpha_to_one)
    }
}

impl Scheduler for DdimScheduler {
    super::methods::common_methods!();
    super::methods::process_methods!();

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "eta", "useClippedModelOutput"]
    }

    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let train = self.num_train_timesteps();
        self.timesteps = self.config.spacing.integer_timesteps(train, options)?;
        self.stride = Some(train / self.timesteps.len());
        Ok(())
    }

    fn noise_draws(&self, _timestep: f64, options: &StepOptions) -> Result<usize> {
        Ok(usize::from(options.eta_or(0.0)? > 0.0))
    }

    /// Equation 12: the estimate of x_0, the direction back to x_t, and noise of deviation σ_t (equation 16).
    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let eta = input.options.eta_or(0.0)?;
        let prediction = self.config.prediction_type;
        let alpha_prod = self.process.alpha_cumprod(input.timestep)?;
        let alpha_prod_prev = self.previous_alpha_prod(input.timestep)?;
        let coefficients = self.process.coefficients(input.timestep)?;

        let mut original = prediction.original_sample(input.model_output, input.sample, coefficients);
        let mut epsilon = prediction.noise(input.model_output, input.sample, coefficients);
        clip_original(&mut original, input.batch(), &self.config.thresholding, &self.config.clipping);
        if input.options.use_clipped_model_output == Some(true) {
            epsilon = noise_of_original(&original, input.sample, coefficients);
        }

        let (deviation, direction_weight) = ddim_deviations(alpha_prod, alpha_prod_prev, eta);
        let mut prev_sample = weighted_sum([(alpha_prod_prev.sqrt(), &original), (direction_weight, &epsilon)]);
        add_scaled(&mut prev_sample, deviation, input.noise);
        Ok(StepOutput { prev_sample, pred_original_sample: Some(original) })
    }
}

/// σ_t (equation 16), which is DDPM's at η = 1, and the weight of the direction back to x_t. That one is the root of a
/// difference that rounding can take below zero.
pub(super) fn ddim_deviations(alpha_prod: f32, alpha_prod_prev: f32, eta: f32) -> (f32, f32) {
    let variance = (1.0 - alpha_prod_prev) / (1.0 - alpha_prod) * (1.0 - alpha_prod / alpha_prod_prev);
    let deviation = if eta == 0.0 { 0.0 } else { eta * variance.sqrt() };
    let left = 1.0 - alpha_prod_prev - deviation * deviation;
    (deviation, if left < 0.0 { 0.0 } else { left.sqrt() })
}
