//! Linear multistep method: the slopes of the last steps as a polynomial in σ (Adams-Bashforth on uneven steps).

use super::Scheduler;
use super::betas::NoiseSchedule;
use super::elementwise::add_scaled;
use super::history::History;
use super::options::{SetTimesteps, StepInput, StepOutput};
use super::prediction::{PredictionType, original_of_sigma};
use super::record::{ConfigRecord, Registered};
use super::registry::SchedulerClass;
use super::run::{Run, derivative};
use super::sigmas::{SigmaSpacing, TrainingSigmas};
use super::spacing::Spacing;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The most steps that the method looks back on.
const MAX_ORDER: usize = 4;

/// The options of [`LmsDiscreteScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "LMSDiscreteSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct LmsDiscreteSchedulerConfig {
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    #[serde(flatten)]
    pub sigma_spacing: SigmaSpacing,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    #[serde(flatten)]
    pub spacing: Spacing,
}

impl Default for LmsDiscreteSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule::default(),
            sigma_spacing: SigmaSpacing::default(),
            prediction_type: PredictionType::Epsilon,
            spacing: Spacing::LINSPACE,
        }
    }
}

#[derive(Debug, Clone)]
pub struct LmsDiscreteScheduler {
    config: Registered<LmsDiscreteSchedulerConfig>,
    training: TrainingSigmas,
    run: Run,
    /// Slopes of the steps before, over σ.
    slopes: History,
}

impl SchedulerClass for LmsDiscreteScheduler {
    const NAME: &'static str = "LMSDiscreteScheduler";
    type Config = LmsDiscreteSchedulerConfig;

    fn new(config: Registered<LmsDiscreteSchedulerConfig>) -> Result<Self> {
        config.prediction_type.check(PredictionType::OF_NOISE_SCHEDULES)?;
        config.sigma_spacing.curve()?;
        let training = TrainingSigmas::new(&config.noise_schedule, false)?;
        let run = training.whole_run();
        Ok(Self { config, training, run, slopes: History::default() })
    }
}

impl LmsDiscreteScheduler {
    /// The σ of the last `order` steps, the newest first. A σ that the run has twice (its timesteps are rounded) counts
    /// once, as its slopes do.
    fn nodes(&self, order: usize, step: usize) -> Vec<f64> {
        let mut nodes: Vec<f64> = Vec::with_capacity(order);
        for sigma in (0..=step).rev().map(|index| f64::from(self.run.sigma(index))) {
            if nodes.len() == order {
                break;
            }
            if nodes.last() != Some(&sigma) {
                nodes.push(sigma);
            }
        }
        nodes
    }

    /// ∫ Lⱼ(σ) dσ over the step, where Lⱼ is 1 at node j and 0 at the others.
    fn coefficient(&self, nodes: &[f64], step: usize, j: usize) -> f32 {
        let basis = |x: f64| -> f64 {
            let others = nodes.iter().enumerate().filter(|(k, _)| *k != j);
            others.map(|(_, other)| (x - other) / (nodes[j] - other)).product()
        };
        let sigma = |index: usize| f64::from(self.run.sigma(index));
        integrate_cubic(basis, sigma(step), sigma(step + 1)) as f32
    }
}

impl Scheduler for LmsDiscreteScheduler {
    super::methods::common_methods!();
    super::methods::sigma_methods!();

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "order"]
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let train = self.num_train_timesteps();
        let timesteps = self.config.spacing.float_timesteps(train, options.step_count(train)?);
        self.run = self.training.run(timesteps, self.config.sigma_spacing.curve()?);
        self.slopes.clear();
        Ok(())
    }

    fn scale_model_input(&mut self, sample: &[f32], timestep: f64) -> Result<Vec<f32>> {
        self.run.scale_input(sample, timestep)
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let order = input.options.order.unwrap_or(MAX_ORDER);
        if !(1..=MAX_ORDER).contains(&order) {
            return Err(Error::argument("order", format!("1 to {MAX_ORDER}"), order));
        }
        let step = self.run.enter(input.timestep)?;
        let sigma = self.run.sigma(step);
        let original = original_of_sigma(self.config.prediction_type, input.model_output, input.sample, sigma);
        self.slopes.push_at(f64::from(sigma), derivative(input.sample, &original, sigma), order);

        // A run that starts in the middle has fewer slopes than σ; diffusers takes the same order there.
        let nodes = self.nodes(order, step);
        let mut prev_sample = input.sample.to_vec();
        for j in 0..self.slopes.len().min(nodes.len()) {
            add_scaled(&mut prev_sample, self.coefficient(&nodes, step, j), self.slopes.get(j));
        }
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: Some(original) })
    }
}

/// The integral of a polynomial of degree 3 or less: the two-point Gauss rule is exact.
fn integrate_cubic(f: impl Fn(f64) -> f64, from: f64, to: f64) -> f64 {
    let (middle, half) = (0.5 * (from + to), 0.5 * (to - from));
    let offset = half / 3.0_f64.sqrt();
    half * (f(middle - offset) + f(middle + offset))
}
