//! unCLIP: DDPM as the prior and decoder of DALL·E 2 run it (Ramesh et al. 2022, "Hierarchical Text-Conditional Image
//! Generation with CLIP Latents"): both ends of training are visited.

use super::Scheduler;
use super::betas::{BetaSchedule, NoiseSchedule};
use super::clipping::SampleClipping;
use super::elementwise::weighted_sum;
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput};
use super::posterior::{Posterior, VarianceType};
use super::prediction::PredictionType;
use super::process::DiscreteProcess;
use super::record::{ConfigRecord, Registered, invalid_option};
use super::registry::SchedulerClass;
use super::run::Run;
use super::spacing::linspace_descending;
use crate::Result;
use serde::{Deserialize, Serialize};

/// The options of [`UnClipScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "UnCLIPSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct UnClipSchedulerConfig {
    /// The number of steps that the model was trained on. Default 1000.
    pub num_train_timesteps: usize,
    /// "fixed_small_log", "fixed_small" (the same, as DDPM calls it) or "learned_range". Default "fixed_small_log".
    pub variance_type: VarianceType,
    #[serde(flatten)]
    pub clipping: SampleClipping,
    /// What the model predicts: "epsilon" or "sample". Default "epsilon".
    pub prediction_type: PredictionType,
    /// Always "squaredcos_cap_v2".
    pub beta_schedule: BetaSchedule,
}

impl Default for UnClipSchedulerConfig {
    fn default() -> Self {
        Self {
            num_train_timesteps: 1000,
            variance_type: VarianceType::FixedSmallLog,
            clipping: SampleClipping::default(),
            prediction_type: PredictionType::Epsilon,
            beta_schedule: BetaSchedule::SquaredcosCapV2,
        }
    }
}

#[derive(Debug, Clone)]
pub struct UnClipScheduler {
    config: Registered<UnClipSchedulerConfig>,
    process: DiscreteProcess,
    run: Run,
}

impl SchedulerClass for UnClipScheduler {
    const NAME: &'static str = "UnCLIPScheduler";
    type Config = UnClipSchedulerConfig;

    fn new(config: Registered<UnClipSchedulerConfig>) -> Result<Self> {
        config.prediction_type.check(&[PredictionType::Epsilon, PredictionType::Sample])?;
        config.clipping.check()?;
        use VarianceType::{FixedSmall, FixedSmallLog, LearnedRange};
        if !matches!(config.variance_type, FixedSmallLog | FixedSmall | LearnedRange) {
            let got = crate::json::to_json(&config.variance_type);
            return Err(invalid_option("varianceType", "\"fixed_small_log\" or \"learned_range\"", got));
        }
        if config.beta_schedule != BetaSchedule::SquaredcosCapV2 {
            let got = crate::json::to_json(&config.beta_schedule);
            return Err(invalid_option("betaSchedule", "\"squaredcos_cap_v2\"", got));
        }
        let schedule = NoiseSchedule {
            num_train_timesteps: config.num_train_timesteps,
            beta_schedule: config.beta_schedule,
            ..NoiseSchedule::default()
        };
        let process = DiscreteProcess::new(&schedule, false)?;
        let run = Run::new(process.all_timesteps(), []);
        Ok(Self { config, process, run })
    }
}

impl UnClipScheduler {
    /// To the next step of the run; after the last to the timestep before it.
    fn posterior(&self, index: usize, timestep: f64) -> Result<Posterior> {
        let alpha_prod = self.process.alpha_cumprod(timestep)?;
        let previous = self.run.timesteps().get(index + 1).copied().unwrap_or(timestep - 1.0);
        let alpha_prod_prev = if previous >= 0.0 { self.process.alpha_cumprod(previous)? } else { 1.0 };
        // For neighbours the table has β without the rounding errors of the quotient.
        let is_neighbour = previous == timestep - 1.0;
        let beta = if is_neighbour { self.process.beta(timestep)? } else { 1.0 - alpha_prod / alpha_prod_prev };
        Ok(Posterior::with_beta(alpha_prod, alpha_prod_prev, beta))
    }
}

impl Scheduler for UnClipScheduler {
    super::methods::common_methods!(num_train_timesteps, prediction_type);
    super::methods::process_methods!();

    super::methods::position_methods!();

    fn runs_unprepared(&self) -> bool {
        true
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let train = self.num_train_timesteps();
        let timesteps = linspace_descending(train, options.step_count(train)?);
        self.run = Run::new(timesteps.into_iter().map(f64::round_ties_even).collect(), []);
        Ok(())
    }

    fn outputs_per_value(&self) -> usize {
        if self.config.variance_type.is_learned() { 2 } else { 1 }
    }

    fn noise_draws(&self, timestep: f64, _options: &StepOptions) -> Result<usize> {
        Ok(usize::from(timestep > 0.0))
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let posterior = self.posterior(index, input.timestep)?;
        let (output, predicted_variance) = input.split_output(self.outputs_per_value());
        let coefficients = self.process.coefficients(input.timestep)?;
        let mut original = self.config.prediction_type.original_sample(&output, input.sample, coefficients);
        self.config.clipping.apply(&mut original);
        let (original_weight, sample_weight) = posterior.mean_weights();
        let mut prev_sample = weighted_sum([(original_weight, &original), (sample_weight, input.sample)]);
        if input.timestep > 0.0 {
            posterior.add_noise(self.config.variance_type, &mut prev_sample, input.noise, &predicted_variance);
        }
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: Some(original) })
    }
}
