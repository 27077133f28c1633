//! The timesteps of models that were distilled on a coarser schedule (LCM, TCD), and the options of their schedulers.

use super::betas::{BetaSchedule, NoiseSchedule};
use super::clipping::{SampleClipping, Thresholding};
use super::options::{SetTimesteps, Steps};
use super::prediction::PredictionType;
use super::record::invalid_option;
use super::spacing::{Spacing, custom_timesteps};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The options of [`LcmScheduler`](super::LcmScheduler) and [`TcdScheduler`](super::TcdScheduler).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "LCMSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct LcmSchedulerConfig {
    /// betaStart is 0.00085, betaEnd 0.012 and betaSchedule "scaled_linear" by default.
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    /// The number of steps that the model was distilled on. Default 50.
    pub original_inference_steps: usize,
    /// clipSample is false by default.
    #[serde(flatten)]
    pub clipping: SampleClipping,
    /// What diffusers keeps for files; the last step is always free of noise. Default true.
    pub set_alpha_to_one: bool,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    #[serde(flatten)]
    pub thresholding: Thresholding,
    /// What diffusers keeps for files; the timesteps are those of the distillation.
    #[serde(flatten)]
    pub spacing: Spacing,
    /// Sharpens the boundary condition at t = 0 (LCM). Default 10.
    pub timestep_scaling: f64,
    /// Shift the schedule so that the last step is pure noise. Default false.
    pub rescale_betas_zero_snr: bool,
}

impl Default for LcmSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule {
                beta_schedule: BetaSchedule::ScaledLinear,
                ..NoiseSchedule::latent_diffusion()
            },
            original_inference_steps: 50,
            clipping: SampleClipping { clip_sample: false, clip_sample_range: 1.0 },
            set_alpha_to_one: true,
            prediction_type: PredictionType::Epsilon,
            thresholding: Thresholding::default(),
            spacing: Spacing::LEADING,
            timestep_scaling: 10.0,
            rescale_betas_zero_snr: false,
        }
    }
}

impl LcmSchedulerConfig {
    pub fn check(&self) -> Result<()> {
        self.prediction_type.check(PredictionType::OF_NOISE_SCHEDULES)?;
        self.clipping.check()?;
        self.thresholding.check()?;
        let train = self.noise_schedule.num_train_timesteps;
        if (1..=train).contains(&self.original_inference_steps) {
            return Ok(());
        }
        Err(invalid_option("originalInferenceSteps", format!("1 to {train}"), self.original_inference_steps))
    }

    /// The timesteps of a run: some of those of the distillation, evenly chosen from the top.
    pub fn timesteps(&self, options: &SetTimesteps) -> Result<Vec<f64>> {
        let train = self.noise_schedule.num_train_timesteps;
        let strength = options.strength.unwrap_or(1.0);
        if !(strength > 0.0 && strength <= 1.0) {
            return Err(Error::argument("strength", "a number above 0, at most 1", strength));
        }
        match options.steps(train)? {
            Steps::Timesteps(timesteps) => {
                let timesteps = custom_timesteps(timesteps, train)?;
                let kept = (timesteps.len() as f64 * strength) as usize;
                Ok(timesteps.get(timesteps.len() - kept..).unwrap_or_default().to_vec())
            }
            _ => self.chosen_timesteps(options.step_count(train)?, options.original_inference_steps, strength),
        }
    }

    fn chosen_timesteps(&self, count: usize, original: Option<usize>, strength: f64) -> Result<Vec<f64>> {
        let train = self.noise_schedule.num_train_timesteps;
        let original = original.unwrap_or(self.original_inference_steps);
        if !(1..=train).contains(&original) {
            return Err(Error::argument("originalInferenceSteps", format!("1 to {train}"), original));
        }
        let stride = train / original;
        let available = (original as f64 * strength) as usize;
        if count > available {
            let expected = format!("at most originalInferenceSteps·strength = {available}");
            return Err(Error::argument("numInferenceSteps", expected, count));
        }
        let step = available as f64 / count as f64;
        let from_top = |i: usize| (i as f64 * step).floor() as usize;
        Ok((0..count).map(|i| ((available - from_top(i)) * stride - 1) as f64).collect())
    }
}
