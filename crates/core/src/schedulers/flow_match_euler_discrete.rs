//! Euler's method for flow matching: x_t = (1 − σ)·x_0 + σ·ε and the model predicts dx/dσ (Esser et al. 2024, "Scaling
//! Rectified Flow Transformers", used by Stable Diffusion 3 and FLUX).

use super::Scheduler;
use super::elementwise::weighted_sum;
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput};
use super::prediction::PredictionType;
use super::record::{ConfigRecord, Registered, invalid_option};
use super::registry::SchedulerClass;
use super::run::Run;
use super::sigmas::{SigmaSpacing, ramp};
use super::solver_steps::{TimeShiftType, shifted};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The options of [`FlowMatchEulerDiscreteScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct FlowMatchEulerDiscreteSchedulerConfig {
    /// The number of steps that the model was trained on. Default 1000.
    pub num_train_timesteps: usize,
    /// Shifts σ towards noise: s·σ/(1 + (s − 1)·σ). Default 1.
    pub shift: f64,
    /// `setTimesteps` is given the shift as `mu`. Default false.
    pub use_dynamic_shifting: bool,
    /// `mu` at `baseImageSeqLen`, for pipelines that compute it. Default 0.5.
    pub base_shift: Option<f64>,
    /// `mu` at `maxImageSeqLen`, for pipelines that compute it. Default 1.15.
    pub max_shift: Option<f64>,
    /// Default 256.
    pub base_image_seq_len: usize,
    /// Default 4096.
    pub max_image_seq_len: usize,
    /// Run from σ = 0 to 1. Default false.
    pub invert_sigmas: bool,
    /// Stretch the noise levels to end here; null for no stretching. Default null.
    pub shift_terminal: Option<f64>,
    #[serde(flatten)]
    pub sigma_spacing: SigmaSpacing,
    /// How `mu` acts. Default "exponential".
    pub time_shift_type: TimeShiftType,
    /// Go to x_0 in every step and back with fresh noise. Default false.
    pub stochastic_sampling: bool,
}

impl Default for FlowMatchEulerDiscreteSchedulerConfig {
    fn default() -> Self {
        Self {
            num_train_timesteps: 1000,
            shift: 1.0,
            use_dynamic_shifting: false,
            base_shift: Some(0.5),
            max_shift: Some(1.15),
            base_image_seq_len: 256,
            max_image_seq_len: 4096,
            invert_sigmas: false,
            shift_terminal: None,
            sigma_spacing: SigmaSpacing::default(),
            time_shift_type: TimeShiftType::Exponential,
            stochastic_sampling: false,
        }
    }
}

#[derive(Debug, Clone)]
pub struct FlowMatchEulerDiscreteScheduler {
    config: Registered<FlowMatchEulerDiscreteSchedulerConfig>,
    /// The noise levels of training, the lowest and the highest.
    ends: (f64, f64),
    run: Run,
}

impl SchedulerClass for FlowMatchEulerDiscreteScheduler {
    const NAME: &'static str = "FlowMatchEulerDiscreteScheduler";
    type Config = FlowMatchEulerDiscreteSchedulerConfig;

    fn new(config: Registered<FlowMatchEulerDiscreteSchedulerConfig>) -> Result<Self> {
        config.sigma_spacing.curve()?;
        let shift = if config.use_dynamic_shifting { 1.0 } else { config.shift };
        let (ends, run) = training_run(config.num_train_timesteps, shift)?;
        Ok(Self { config, ends, run })
    }
}

/// The ends of the noise levels of training, and a run over all of them.
pub(super) fn training_run(train: usize, shift: f64) -> Result<((f64, f64), Run)> {
    if train == 0 {
        return Err(invalid_option("numTrainTimesteps", "at least 1", train));
    }
    if shift <= 0.0 {
        return Err(invalid_option("shift", "a number above 0", shift));
    }
    // In float32, as diffusers' are: the ends of every run come from here.
    let shifted = |sigma: f32| shift as f32 * sigma / (1.0 + (shift - 1.0) as f32 * sigma);
    let sigmas: Vec<f64> = (1..=train).rev().map(|t| f64::from(shifted(t as f32 / train as f32))).collect();
    let ends = (sigmas.last().copied().unwrap_or_default(), sigmas.first().copied().unwrap_or_default());
    let timesteps = sigmas.iter().map(|sigma| sigma * train as f64).collect();
    Ok((ends, Run::new(timesteps, sigmas.into_iter().chain([0.0]))))
}

impl FlowMatchEulerDiscreteScheduler {
    /// The number of steps and, where the user gave them, σ before any shift.
    fn unshifted(&self, options: &SetTimesteps) -> Result<Vec<f64>> {
        let train = self.config.num_train_timesteps as f64;
        let given = match (&options.sigmas, &options.timesteps) {
            (Some(sigmas), _) => sigmas.clone(),
            (None, Some(timesteps)) => timesteps.iter().map(|t| t / train).collect(),
            (None, None) => {
                let count = options.step_count(self.config.num_train_timesteps)?;
                return Ok(ramp(self.ends.1 * train, self.ends.0 * train, count).map(|t| t / train).collect());
            }
        };
        let name = if options.sigmas.is_some() { "sigmas" } else { "timesteps" };
        let is_valid = given.iter().all(|sigma| *sigma > 0.0 && *sigma <= 1.0) && given.is_sorted_by(|a, b| a > b);
        if given.is_empty() || !is_valid {
            let limit = if name == "sigmas" { 1.0 } else { train };
            let expected = format!("numbers above 0, at most {limit}, strictly descending");
            return Err(Error::argument(name, expected, format!("{given:?}")));
        }
        for (other, length) in [
            ("timesteps", options.timesteps.as_ref().map(Vec::len)),
            ("numInferenceSteps", options.num_inference_steps),
        ] {
            if let Some(length) = length.filter(|length| *length != given.len()) {
                return Err(Error::argument(other, format!("{} steps as in {name}", given.len()), length));
            }
        }
        Ok(given)
    }

    fn shift(&self, sigmas: Vec<f64>, mu: Option<f64>) -> Result<Vec<f64>> {
        let kind = self.config.time_shift_type;
        let mut sigmas: Vec<f64> = match (self.config.use_dynamic_shifting, mu) {
            (true, None) => return Err(Error::argument("mu", "a shift, since useDynamicShifting is set", "nothing")),
            (true, Some(mu)) => sigmas.into_iter().map(|sigma| kind.shift(mu, sigma)).collect(),
            (false, _) => sigmas.into_iter().map(|sigma| shifted(sigma, self.config.shift)).collect(),
        };
        if let (Some(terminal), Some(last)) = (self.config.shift_terminal, sigmas.last().copied()) {
            let scale = (1.0 - last) / (1.0 - terminal);
            sigmas.iter_mut().for_each(|sigma| *sigma = 1.0 - (1.0 - *sigma) / scale);
        }
        Ok(match (self.config.sigma_spacing.curve()?, sigmas.as_slice()) {
            (Some(curve), [max, .., min]) => curve.sigmas(*min, *max, sigmas.len()),
            _ => sigmas,
        })
    }
}

impl Scheduler for FlowMatchEulerDiscreteScheduler {
    super::methods::flow_methods!();

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "timesteps", "sigmas", "mu"]
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let train = self.config.num_train_timesteps as f64;
        let mut sigmas = self.shift(self.unshifted(options)?, options.mu)?;
        if self.config.invert_sigmas {
            sigmas.iter_mut().for_each(|sigma| *sigma = 1.0 - *sigma);
        }
        let timesteps = match &options.timesteps {
            Some(timesteps) if !self.config.invert_sigmas => timesteps.clone(),
            _ => sigmas.iter().map(|sigma| f64::from(*sigma as f32 * train as f32)).collect(),
        };
        let last = if self.config.invert_sigmas { 1.0 } else { 0.0 };
        self.run = Run::new(timesteps, sigmas.into_iter().chain([last]));
        Ok(())
    }

    fn noise_draws(&self, _timestep: f64, _options: &StepOptions) -> Result<usize> {
        Ok(usize::from(self.config.stochastic_sampling))
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let (sigma, next) = (self.run.sigma(index), self.run.sigma(index + 1));
        let original = weighted_sum([(1.0, input.sample), (-sigma, input.model_output)]);
        let prev_sample = if self.config.stochastic_sampling {
            weighted_sum([(1.0 - next, &original), (next, input.noise)])
        } else {
            weighted_sum([(1.0, input.sample), (next - sigma, input.model_output)])
        };
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: Some(original) })
    }
}
