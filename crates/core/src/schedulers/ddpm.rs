//! DDPM: ancestral sampling (Ho et al. 2020, "Denoising Diffusion Probabilistic Models").

use super::Scheduler;
use super::betas::NoiseSchedule;
use super::clipping::{SampleClipping, Thresholding, clip_original};
use super::elementwise::weighted_sum;
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput, Steps, check_timestep};
use super::posterior::{Posterior, VarianceType};
use super::prediction::PredictionType;
use super::process::DiscreteProcess;
use super::record::{ConfigRecord, Registered};
use super::registry::SchedulerClass;
use super::spacing::{Spacing, custom_timesteps};
use crate::Result;
use serde::{Deserialize, Serialize};

/// The options of [`DdpmScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "DDPMSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct DdpmSchedulerConfig {
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    /// How much noise a step adds. Default "fixed_small".
    pub variance_type: VarianceType,
    #[serde(flatten)]
    pub clipping: SampleClipping,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    #[serde(flatten)]
    pub thresholding: Thresholding,
    #[serde(flatten)]
    pub spacing: Spacing,
    /// Shift the schedule so that the last step is pure noise. Default false.
    pub rescale_betas_zero_snr: bool,
}

impl Default for DdpmSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule::default(),
            variance_type: VarianceType::FixedSmall,
            clipping: SampleClipping::default(),
            prediction_type: PredictionType::Epsilon,
            thresholding: Thresholding::default(),
            spacing: Spacing::LEADING,
            rescale_betas_zero_snr: false,
        }
    }
}

#[derive(Debug, Clone)]
pub struct DdpmScheduler {
    config: Registered<DdpmSchedulerConfig>,
    process: DiscreteProcess,
    timesteps: Vec<f64>,
    /// Before `setTimesteps` every training step is a step, so one can start anywhere.
    prepared: bool,
}

impl SchedulerClass for DdpmScheduler {
    const NAME: &'static str = "DDPMScheduler";
    type Config = DdpmSchedulerConfig;

    fn new(config: Registered<DdpmSchedulerConfig>) -> Result<Self> {
        config.prediction_type.check(PredictionType::OF_NOISE_SCHEDULES)?;
        config.clipping.check()?;
        config.thresholding.check()?;
        let process = DiscreteProcess::new(&config.noise_schedule, config.rescale_betas_zero_snr)?;
        let timesteps = process.all_timesteps();
        Ok(Self { config, process, timesteps, prepared: false })
    }
}

impl DdpmScheduler {
    /// The step after `timestep`; none after the last.
    fn previous_timestep(&self, timestep: f64) -> Result<Option<f64>> {
        if !self.prepared {
            return Ok((timestep > 0.0).then_some(timestep - 1.0));
        }
        check_timestep(&self.timesteps, timestep)?;
        Ok(self.timesteps.iter().copied().skip_while(|t| *t != timestep).nth(1))
    }

    fn posterior(&self, timestep: f64) -> Result<Posterior> {
        let alpha_prod = self.process.alpha_cumprod(timestep)?;
        let previous = self.previous_timestep(timestep)?;
        let alpha_prod_prev = previous.map_or(Ok(1.0), |t| self.process.alpha_cumprod(t))?;
        Ok(Posterior::new(alpha_prod, alpha_prod_prev))
    }
}

impl Scheduler for DdpmScheduler {
    super::methods::common_methods!();
    super::methods::process_methods!();

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "timesteps"]
    }

    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let train = self.num_train_timesteps();
        self.timesteps = match options.steps(train)? {
            Steps::Timesteps(timesteps) => custom_timesteps(timesteps, train)?,
            _ => self.config.spacing.integer_timesteps(train, options)?,
        };
        self.prepared = true;
        Ok(())
    }

    fn outputs_per_value(&self) -> usize {
        if self.config.variance_type.is_learned() { 2 } else { 1 }
    }

    fn noise_draws(&self, timestep: f64, _options: &StepOptions) -> Result<usize> {
        Ok(usize::from(timestep > 0.0))
    }

    /// Equation 7: the mean of q(x_{t-1} | x_t, x_0) at the estimate of x_0, and noise unless t = 0.
    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let posterior = self.posterior(input.timestep)?;
        let (output, predicted_variance) = input.split_output(self.outputs_per_value());
        let coefficients = self.process.coefficients(input.timestep)?;
        let mut original = self.config.prediction_type.original_sample(&output, input.sample, coefficients);
        clip_original(&mut original, input.batch(), &self.config.thresholding, &self.config.clipping);

        let (original_weight, sample_weight) = posterior.mean_weights();
        let mut prev_sample = weighted_sum([(original_weight, &original), (sample_weight, input.sample)]);
        if input.timestep > 0.0 {
            let variance_type = self.config.variance_type;
            posterior.add_noise(variance_type, &mut prev_sample, input.noise, &predicted_variance);
        }
        Ok(StepOutput { prev_sample, pred_original_sample: Some(original) })
    }
}
