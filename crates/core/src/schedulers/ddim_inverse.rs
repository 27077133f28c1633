//! DDIM run backwards: from a picture to the noise that DDIM would make it from (Song et al. 2020, section 4.3).

use super::Scheduler;
use super::betas::NoiseSchedule;
use super::clipping::SampleClipping;
use super::elementwise::weighted_sum;
use super::options::{SetTimesteps, StepInput, StepOutput, check_timestep, not_prepared};
use super::prediction::PredictionType;
use super::process::DiscreteProcess;
use super::record::{ConfigRecord, Registered, invalid_option};
use super::registry::SchedulerClass;
use super::spacing::{Spacing, TimestepSpacing};
use crate::Result;
use serde::{Deserialize, Serialize};

/// The options of [`DdimInverseScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "DDIMInverseSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct DdimInverseSchedulerConfig {
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    #[serde(flatten)]
    pub clipping: SampleClipping,
    /// The picture itself is free of noise (ᾱ = 1); else it has ᾱ_0. Default true.
    pub set_alpha_to_one: bool,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    /// "linspace" is not possible here.
    #[serde(flatten)]
    pub spacing: Spacing,
    /// Shift the schedule so that the last step is pure noise. Default false.
    pub rescale_betas_zero_snr: bool,
}

impl Default for DdimInverseSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule::default(),
            clipping: SampleClipping::default(),
            set_alpha_to_one: true,
            prediction_type: PredictionType::Epsilon,
            spacing: Spacing::LEADING,
            rescale_betas_zero_snr: false,
        }
    }
}

#[derive(Debug, Clone)]
pub struct DdimInverseScheduler {
    config: Registered<DdimInverseSchedulerConfig>,
    process: DiscreteProcess,
    /// Ascending.
    timesteps: Vec<f64>,
    /// T // n, once `setTimesteps` has said n.
    stride: Option<usize>,
}

impl SchedulerClass for DdimInverseScheduler {
    const NAME: &'static str = "DDIMInverseScheduler";
    type Config = DdimInverseSchedulerConfig;

    fn new(config: Registered<DdimInverseSchedulerConfig>) -> Result<Self> {
        config.prediction_type.check(PredictionType::OF_NOISE_SCHEDULES)?;
        config.clipping.check()?;
        if config.spacing.timestep_spacing == TimestepSpacing::Linspace {
            return Err(invalid_option("timestepSpacing", "\"leading\" or \"trailing\"", "\"linspace\""));
        }
        let process = DiscreteProcess::new(&config.noise_schedule, config.rescale_betas_zero_snr)?;
        let mut timesteps = process.all_timesteps();
        timesteps.reverse();
        Ok(Self { config, process, timesteps, stride: None })
    }
}

impl DdimInverseScheduler {
    /// ᾱ of the sample that a step to `timestep` starts from.
    fn current_alpha_prod(&self, timestep: f64) -> Result<f32> {
        let current = timestep - self.stride.ok_or_else(not_prepared)? as f64;
        check_timestep(&self.timesteps, timestep)?;
        self.process.alpha_cumprod_or_final(current, self.config.set_alpha_to_one)
    }
}

impl Scheduler for DdimInverseScheduler {
    super::methods::common_methods!();
    super::methods::process_methods!();

    fn runs_whole(&self) -> Option<&'static str> {
        Some("runs from a picture to noise")
    }

    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let train = self.num_train_timesteps();
        self.timesteps = self.config.spacing.integer_timesteps(train, options)?;
        self.timesteps.reverse();
        self.stride = Some(train / self.timesteps.len());
        Ok(())
    }

    /// Equation 12 of DDIM with the roles of the two timesteps exchanged.
    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let prediction = self.config.prediction_type;
        let alpha_prod = self.current_alpha_prod(input.timestep)?;
        let alpha_prod_next = self.process.alpha_cumprod(input.timestep)?;
        let coefficients = (alpha_prod.sqrt(), (1.0 - alpha_prod).sqrt());
        let mut original = prediction.original_sample(input.model_output, input.sample, coefficients);
        let epsilon = prediction.noise(input.model_output, input.sample, coefficients);
        self.config.clipping.apply(&mut original);
        let prev_sample =
            weighted_sum([(alpha_prod_next.sqrt(), &original), ((1.0 - alpha_prod_next).sqrt(), &epsilon)]);
        Ok(StepOutput { prev_sample, pred_original_sample: Some(original) })
    }
}
