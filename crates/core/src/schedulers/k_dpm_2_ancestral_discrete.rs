//! DPM-Solver-2 as in Karras et al. 2022 with ancestral noise: the whole step goes below the next σ and comes back by
//! fresh noise.

use super::Scheduler;
use super::elementwise::weighted_sum;
use super::k_dpm_2_discrete::Kdpm2DiscreteSchedulerConfig;
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput};
use super::prediction::{PredictionType, original_of_sigma};
use super::record::{ConfigRecord, Registered};
use super::registry::SchedulerClass;
use super::run::{Run, ancestral_sigmas, derivative, doubled_after_first, scale_to_unit_variance};
use super::sigmas::TrainingSigmas;
use crate::Result;

#[derive(Debug, Clone)]
pub struct Kdpm2AncestralDiscreteScheduler {
    config: Registered<Kdpm2DiscreteSchedulerConfig>,
    training: TrainingSigmas,
    /// The σ of whole steps, each but the first twice.
    run: Run,
    /// Of each step, aligned with `run`.
    steps: AncestralSteps,
    /// The sample at the start of a step whose middle has been reached.
    start: Option<Vec<f32>>,
}

/// Where the deterministic part of each step ends, the middle of the way there, and the noise that is added.
#[derive(Debug, Clone, Default)]
struct AncestralSteps {
    middle: Vec<f32>,
    down: Vec<f32>,
    up: Vec<f32>,
}

impl AncestralSteps {
    fn at(values: &[f32], index: usize) -> f32 {
        values.get(index).copied().unwrap_or_default()
    }
}

impl SchedulerClass for Kdpm2AncestralDiscreteScheduler {
    const NAME: &'static str = "KDPM2AncestralDiscreteScheduler";
    type Config = Kdpm2DiscreteSchedulerConfig;

    fn new(config: Registered<Kdpm2DiscreteSchedulerConfig>) -> Result<Self> {
        config.prediction_type.check(PredictionType::OF_NOISE_SCHEDULES)?;
        config.sigma_spacing.curve()?;
        let training = TrainingSigmas::new(&config.noise_schedule, false)?;
        let run = training.whole_run();
        Self { config, training, run, steps: AncestralSteps::default(), start: None }.with_all_timesteps()
    }
}

/// √(σ·σ_down) on the way from σ to the next. Where rounding leaves nothing of σ_down = next²/σ, that is the next σ.
fn middle(pair: &[f32], down: f32) -> f32 {
    if down == 0.0 { pair[1] } else { (pair[0] * down).sqrt() }
}

impl Kdpm2AncestralDiscreteScheduler {
    /// σ at the start of the step and in its middle; `index` is that of either half.
    fn start_and_middle(&self, index: usize) -> (f32, f32) {
        let first_half = if self.start.is_some() { index - 1 } else { index };
        (self.run.sigma(first_half), AncestralSteps::at(&self.steps.middle, first_half))
    }
}

impl Scheduler for Kdpm2AncestralDiscreteScheduler {
    super::methods::common_methods!();
    super::methods::sigma_methods!();

    fn order(&self) -> usize {
        2
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let count = options.step_count(self.num_train_timesteps())?;
        let whole = self.config.whole_steps(&self.training, count)?;
        let ancestral: Vec<(f32, f32)> =
            whole.sigmas().windows(2).map(|pair| ancestral_sigmas(pair[0], pair[1])).collect();
        let middles: Vec<f32> =
            whole.sigmas().windows(2).zip(&ancestral).map(|(pair, (down, _))| middle(pair, *down)).collect();
        let between: Vec<f64> =
            middles.iter().take(count - 1).map(|sigma| self.training.timestep_of(f64::from(*sigma))).collect();
        self.steps = AncestralSteps {
            middle: doubled_after_first(&middles),
            down: doubled_after_first(&ancestral.iter().map(|(down, _)| *down).collect::<Vec<_>>()),
            up: doubled_after_first(&ancestral.iter().map(|(_, up)| *up).collect::<Vec<_>>()),
        };
        self.run = whole.interleaved(&between);
        self.start = None;
        Ok(())
    }

    fn scale_model_input(&mut self, sample: &[f32], timestep: f64) -> Result<Vec<f32>> {
        let index = self.run.enter(timestep)?;
        let (sigma, middle) = self.start_and_middle(index);
        Ok(scale_to_unit_variance(sample, if self.start.is_none() { sigma } else { middle }))
    }

    /// Noise is added when a step is complete.
    fn noise_draws(&self, _timestep: f64, _options: &StepOptions) -> Result<usize> {
        Ok(usize::from(self.start.is_some()))
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let (sigma, middle) = self.start_and_middle(index);
        let prediction = self.config.prediction_type;
        let estimate = |sigma| original_of_sigma(prediction, input.model_output, input.sample, sigma);
        let (prev_sample, original) = match self.start.take() {
            None => {
                let original = estimate(sigma);
                let slope = derivative(input.sample, &original, sigma);
                self.start = Some(input.sample.to_vec());
                (weighted_sum([(1.0, input.sample), (middle - sigma, &slope)]), original)
            }
            Some(start) => {
                let original = estimate(middle);
                let slope = derivative(input.sample, &original, middle);
                let (down, up) =
                    (AncestralSteps::at(&self.steps.down, index - 1), AncestralSteps::at(&self.steps.up, index - 1));
                (weighted_sum([(1.0, &start), (down - sigma, &slope), (up, input.noise)]), original)
            }
        };
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: Some(original) })
    }
}
