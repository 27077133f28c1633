//! Euler's method on the probability-flow ODE, with the noise of Karras et al. 2022 (algorithm 2) where asked for.

use super::Scheduler;
use super::betas::NoiseSchedule;
use super::churn::{churn, raise_noise};
use super::elementwise::weighted_sum;
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput, Steps};
use super::prediction::{PredictionType, original_of_sigma};
use super::record::{ConfigRecord, Registered, invalid_option};
use super::registry::SchedulerClass;
use super::run::{Run, derivative};
use super::sigmas::{FinalSigmasType, SigmaSpacing, TrainingSigmas, ramp};
use super::spacing::{Spacing, custom_descending};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// How σ lies between the training timesteps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum InterpolationType {
    /// On the line between the neighbouring timesteps.
    Linear,
    /// In even steps of ln σ over the whole run, whatever the timesteps.
    LogLinear,
}

/// What the model takes as timestep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum TimestepType {
    /// The training timestep.
    Discrete,
    /// ¼·ln σ, for models that predict the velocity.
    Continuous,
}

/// The options of [`EulerDiscreteScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct EulerDiscreteSchedulerConfig {
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    /// How σ lies between the training timesteps. Default "linear".
    pub interpolation_type: InterpolationType,
    #[serde(flatten)]
    pub sigma_spacing: SigmaSpacing,
    /// The lowest σ of a curve; null for the lowest of the timesteps. Default null.
    pub sigma_min: Option<f64>,
    /// The highest σ of a curve; null for the highest of the timesteps. Default null.
    pub sigma_max: Option<f64>,
    /// What the model takes as timestep. Default "discrete".
    pub timestep_type: TimestepType,
    #[serde(flatten)]
    pub spacing: Spacing,
    /// Shift the schedule so that the last step is pure noise. Default false.
    pub rescale_betas_zero_snr: bool,
    /// Where the last step ends. Default "zero".
    pub final_sigmas_type: FinalSigmasType,
}

impl Default for EulerDiscreteSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule::default(),
            prediction_type: PredictionType::Epsilon,
            interpolation_type: InterpolationType::Linear,
            sigma_spacing: SigmaSpacing::default(),
            sigma_min: None,
            sigma_max: None,
            timestep_type: TimestepType::Discrete,
            spacing: Spacing::LINSPACE,
            rescale_betas_zero_snr: false,
            final_sigmas_type: FinalSigmasType::Zero,
        }
    }
}

#[derive(Debug, Clone)]
pub struct EulerDiscreteScheduler {
    config: Registered<EulerDiscreteSchedulerConfig>,
    training: TrainingSigmas,
    run: Run,
}

impl SchedulerClass for EulerDiscreteScheduler {
    const NAME: &'static str = "EulerDiscreteScheduler";
    type Config = EulerDiscreteSchedulerConfig;

    fn new(config: Registered<EulerDiscreteSchedulerConfig>) -> Result<Self> {
        config.prediction_type.check(PredictionType::OF_NOISE_SCHEDULES)?;
        config.sigma_spacing.curve()?;
        for (key, sigma) in [("sigmaMin", config.sigma_min), ("sigmaMax", config.sigma_max)] {
            if let Some(sigma) = sigma.filter(|sigma| *sigma <= 0.0) {
                return Err(invalid_option(key, "a number above 0", sigma));
            }
        }
        let training = TrainingSigmas::new(&config.noise_schedule, config.rescale_betas_zero_snr)?;
        let run = training.whole_run();
        let mut scheduler = Self { config, training, run };
        if scheduler.is_continuous() {
            scheduler.run = scheduler.continuous_run(scheduler.run.sigmas().iter().copied().map(f64::from).collect());
        }
        Ok(scheduler)
    }
}

impl EulerDiscreteScheduler {
    fn is_continuous(&self) -> bool {
        let velocity = self.config.prediction_type == PredictionType::VPrediction;
        velocity && self.config.timestep_type == TimestepType::Continuous
    }

    /// The run over these σ for a model that takes ¼·ln σ.
    fn continuous_run(&self, sigmas: Vec<f64>) -> Run {
        let steps = sigmas.len() - 1;
        Run::new(sigmas.iter().take(steps).map(|sigma| 0.25 * sigma.ln()).collect(), sigmas)
    }

    fn custom_timesteps(&self, timesteps: &[f64]) -> Result<Vec<f64>> {
        if self.config.sigma_spacing.curve()?.is_some() || self.is_continuous() {
            let expected =
                "none where useKarrasSigmas, useExponentialSigmas, useBetaSigmas or timestepType say the steps";
            return Err(Error::argument("timesteps", expected, format!("{timesteps:?}")));
        }
        custom_descending("timesteps", timesteps, 0.0..=(self.num_train_timesteps() - 1) as f64)
    }

    /// The timesteps of a run with the σ of each, and the σ that it ends with.
    fn spaced(&self, timesteps: Vec<f64>) -> Result<(Vec<f64>, Vec<f64>)> {
        let count = timesteps.len();
        let mut sigmas: Vec<f64> = match self.config.interpolation_type {
            InterpolationType::Linear => timesteps.iter().map(|t| self.training.at(*t)).collect(),
            InterpolationType::LogLinear => {
                ramp(self.training.log_max(), self.training.log_min(), count + 1).map(f64::exp).collect()
            }
        };
        let mut timesteps = timesteps;
        if let (Some(curve), [max, .., min]) = (self.config.sigma_spacing.curve()?, sigmas.as_slice()) {
            let (min, max) = (self.config.sigma_min.unwrap_or(*min), self.config.sigma_max.unwrap_or(*max));
            sigmas = curve.sigmas(min, max, count);
            timesteps = self.training.timesteps_of(&sigmas);
        }
        sigmas.push(self.training.last(self.config.final_sigmas_type));
        Ok((timesteps, sigmas))
    }
}

impl Scheduler for EulerDiscreteScheduler {
    super::methods::common_methods!();
    super::methods::sigma_methods!();

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "timesteps", "sigmas", "sChurn", "sTmin", "sTmax", "sNoise"]
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let train = self.num_train_timesteps();
        let (timesteps, sigmas) = match options.steps(train)? {
            Steps::Count(count) => self.spaced(self.config.spacing.float_timesteps(train, count))?,
            Steps::Timesteps(timesteps) => self.spaced(self.custom_timesteps(timesteps)?)?,
            Steps::Sigmas(sigmas) => {
                let sigmas = custom_descending("sigmas", sigmas, 0.0..=f64::MAX)?;
                let steps = sigmas.len() - 1;
                if steps == 0 {
                    let expected = "at least two: those that the steps start from, and where the last ends";
                    return Err(Error::argument("sigmas", expected, format!("{sigmas:?}")));
                }
                (self.training.timesteps_of(sigmas.get(..steps).unwrap_or_default()), sigmas)
            }
        };
        self.run = if self.is_continuous() { self.continuous_run(sigmas) } else { Run::new(timesteps, sigmas) };
        Ok(())
    }

    fn scale_model_input(&mut self, sample: &[f32], timestep: f64) -> Result<Vec<f32>> {
        self.run.scale_input(sample, timestep)
    }

    fn noise_draws(&self, timestep: f64, options: &StepOptions) -> Result<usize> {
        let sigma = self.run.sigma(self.run.current(timestep)?);
        Ok(usize::from(churn(options, sigma, self.run.sigmas().len()) > 0.0))
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let (sigma, next) = (self.run.sigma(index), self.run.sigma(index + 1));
        let (raised, sample) = raise_noise(&input, sigma, self.run.sigmas().len());

        // diffusers raises σ for the noise prediction but not for the velocity.
        let sigma_of_prediction =
            if self.config.prediction_type == PredictionType::VPrediction { sigma } else { raised };
        let original = original_of_sigma(self.config.prediction_type, input.model_output, &sample, sigma_of_prediction);
        let slope = derivative(&sample, &original, raised);
        let prev_sample = weighted_sum([(1.0, &sample), (next - raised, &slope)]);
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: Some(original) })
    }

    /// As in diffusers, the step's number in the run, not its timestep, chooses ᾱ.
    fn velocity_coefficients(&self, timestep: f64) -> Result<(f32, f32)> {
        self.training.process().coefficients(self.run.index_of(timestep)? as f64)
    }
}
