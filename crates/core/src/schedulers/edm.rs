//! The model wrapping of Karras et al. 2022, table 1 ("EDM"): noise levels, and what goes into and comes out of a model
//! that was trained with it.

use super::elementwise::zip_with;
use super::prediction::PredictionType;
use super::record::invalid_option;
use super::run::Run;
use super::sigmas::{FinalSigmasType, SigmaCurve, karras_sigmas};
use crate::Result;
use serde::{Deserialize, Serialize};

/// How the noise levels fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum SigmaSchedule {
    /// Evenly in σ^(1/ρ).
    Karras,
    /// Evenly in ln σ.
    Exponential,
}

/// The options of [`EdmEulerScheduler`](super::EdmEulerScheduler), and part of those of
/// [`EdmDpmSolverMultistepScheduler`](super::EdmDpmSolverMultistepScheduler).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "EDMEulerSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct EdmFormulation {
    /// The lowest noise level. Default 0.002.
    pub sigma_min: f64,
    /// The highest noise level. Default 80.
    pub sigma_max: f64,
    /// The deviation of the data. Default 0.5.
    pub sigma_data: f64,
    /// How the noise levels fall. Default "karras".
    pub sigma_schedule: SigmaSchedule,
    /// The number of steps before `setTimesteps`. Default 1000.
    pub num_train_timesteps: usize,
    /// What the model predicts: "epsilon", or "v_prediction" for the opposite sign. Default "epsilon".
    pub prediction_type: PredictionType,
    /// ρ of the Karras schedule. Default 7.
    pub rho: f64,
    /// Where the last step ends. Default "zero".
    pub final_sigmas_type: FinalSigmasType,
}

impl Default for EdmFormulation {
    fn default() -> Self {
        Self {
            sigma_min: 0.002,
            sigma_max: 80.0,
            sigma_data: 0.5,
            sigma_schedule: SigmaSchedule::Karras,
            num_train_timesteps: 1000,
            prediction_type: PredictionType::Epsilon,
            rho: 7.0,
            final_sigmas_type: FinalSigmasType::Zero,
        }
    }
}

impl EdmFormulation {
    pub fn check(&self) -> Result<()> {
        self.prediction_type.check(&[PredictionType::Epsilon, PredictionType::VPrediction])?;
        let positive = [
            ("sigmaMin", self.sigma_min),
            ("sigmaData", self.sigma_data),
            ("rho", self.rho),
            ("numTrainTimesteps", self.num_train_timesteps as f64),
        ];
        for (key, value) in positive {
            if value <= 0.0 {
                return Err(invalid_option(key, "a number above 0", value));
            }
        }
        if self.sigma_max > self.sigma_min {
            return Ok(());
        }
        Err(invalid_option("sigmaMax", format!("a number above sigmaMin = {}", self.sigma_min), self.sigma_max))
    }

    /// A run of `count` steps: the model takes ¼·ln σ as timestep.
    pub fn run(&self, count: usize) -> Run {
        let sigmas: Vec<f64> = match self.sigma_schedule {
            SigmaSchedule::Karras => karras_sigmas(self.sigma_min, self.sigma_max, self.rho, count),
            SigmaSchedule::Exponential => SigmaCurve::Exponential.sigmas(self.sigma_min, self.sigma_max, count),
        };
        let timesteps = sigmas.iter().map(|sigma| f64::from(0.25 * (*sigma as f32).ln())).collect();
        let last = match self.final_sigmas_type {
            FinalSigmasType::Zero => 0.0,
            FinalSigmasType::SigmaMin => self.sigma_min,
        };
        Run::new(timesteps, sigmas.into_iter().chain([last]))
    }

    pub fn init_noise_sigma(&self) -> f32 {
        (self.sigma_max * self.sigma_max + 1.0).sqrt() as f32
    }

    /// σ² + σ_data²: the variance of a sample at this noise level.
    fn variance(&self, sigma: f32) -> f32 {
        sigma * sigma + (self.sigma_data * self.sigma_data) as f32
    }

    /// c_in·x.
    pub fn scale_input(&self, sample: &[f32], sigma: f32) -> Vec<f32> {
        let scale = 1.0 / self.variance(sigma).sqrt();
        sample.iter().map(|x| x * scale).collect()
    }

    /// The estimate of x_0: c_skip·x + c_out·F(c_in·x).
    pub fn original_sample(&self, output: &[f32], sample: &[f32], sigma: f32) -> Vec<f32> {
        let data = self.sigma_data as f32;
        let skip = data * data / self.variance(sigma);
        let magnitude = sigma * data / self.variance(sigma).sqrt();
        let out = if self.prediction_type == PredictionType::VPrediction { -magnitude } else { magnitude };
        zip_with(sample, output, |x, output| skip * x + out * output)
    }
}
