//! Heun's second-order method (Karras et al. 2022, algorithm 1) for flow matching.

use super::Scheduler;
use super::churn::{churn, raise_noise};
use super::elementwise::weighted_sum;
use super::flow_match_euler_discrete::training_run;
use super::heun_discrete::HalfStep;
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput};
use super::prediction::PredictionType;
use super::record::{ConfigRecord, Registered};
use super::registry::SchedulerClass;
use super::run::Run;
use super::sigmas::ramp;
use super::solver_steps::shifted;
use crate::Result;
use serde::{Deserialize, Serialize};

/// The options of [`FlowMatchHeunDiscreteScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct FlowMatchHeunDiscreteSchedulerConfig {
    /// The number of steps that the model was trained on. Default 1000.
    pub num_train_timesteps: usize,
    /// Shifts σ towards noise: s·σ/(1 + (s − 1)·σ). Default 1.
    pub shift: f64,
}

impl Default for FlowMatchHeunDiscreteSchedulerConfig {
    fn default() -> Self {
        Self { num_train_timesteps: 1000, shift: 1.0 }
    }
}

#[derive(Debug, Clone)]
pub struct FlowMatchHeunDiscreteScheduler {
    config: Registered<FlowMatchHeunDiscreteSchedulerConfig>,
    /// The noise levels of training, the lowest and the highest.
    ends: (f64, f64),
    run: Run,
    half_step: Option<HalfStep>,
}

impl SchedulerClass for FlowMatchHeunDiscreteScheduler {
    const NAME: &'static str = "FlowMatchHeunDiscreteScheduler";
    type Config = FlowMatchHeunDiscreteSchedulerConfig;

    fn new(config: Registered<FlowMatchHeunDiscreteSchedulerConfig>) -> Result<Self> {
        let (ends, run) = training_run(config.num_train_timesteps, config.shift)?;
        Ok(Self { config, ends, run: run.doubled(), half_step: None })
    }
}

impl FlowMatchHeunDiscreteScheduler {
    /// σ at the start of the step; `index` is that of either half.
    fn start_sigma(&self, index: usize) -> f32 {
        self.run.sigma(if self.half_step.is_some() { index - 1 } else { index })
    }
}

impl Scheduler for FlowMatchHeunDiscreteScheduler {
    super::methods::flow_methods!();

    fn order(&self) -> usize {
        2
    }

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "sChurn", "sTmin", "sTmax", "sNoise"]
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let train = self.config.num_train_timesteps as f64;
        let count = options.step_count(self.config.num_train_timesteps)?;
        let unshifted = ramp(self.ends.1 * train, self.ends.0 * train, count).map(|t| t / train);
        let sigmas: Vec<f64> = unshifted.map(|sigma| shifted(sigma, self.config.shift)).collect();
        let timesteps = sigmas.iter().map(|sigma| f64::from(*sigma as f32 * train as f32)).collect();
        self.run = Run::new(timesteps, sigmas.into_iter().chain([0.0])).doubled();
        self.half_step = None;
        Ok(())
    }

    fn noise_draws(&self, timestep: f64, options: &StepOptions) -> Result<usize> {
        let sigma = self.start_sigma(self.run.current(timestep)?);
        Ok(usize::from(churn(options, sigma, self.run.sigmas().len()) > 0.0))
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let start = self.start_sigma(index);
        let (raised, sample) = raise_noise(&input, start, self.run.sigmas().len());
        let prev_sample = match self.half_step.take() {
            None => {
                let slope: Vec<f32> = input.model_output.iter().map(|output| output * start / raised).collect();
                let length = self.run.sigma(index + 1) - raised;
                let predicted = weighted_sum([(1.0, &sample), (length, &slope)]);
                self.half_step = Some(HalfStep { sample, slope, length });
                predicted
            }
            Some(first) => first.correct(input.model_output),
        };
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: None })
    }
}
