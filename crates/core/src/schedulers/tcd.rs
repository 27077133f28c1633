//! Trajectory consistency distillation: each step jumps along the trajectory and, with `eta`, goes back up with fresh
//! noise (Zheng et al. 2024, "Trajectory Consistency Distillation", strategic stochastic sampling).

use super::Scheduler;
use super::distilled_steps::LcmSchedulerConfig;
use super::elementwise::weighted_sum;
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput};
use super::prediction::PredictionType;
use super::process::DiscreteProcess;
use super::record::{ConfigRecord, Registered};
use super::registry::SchedulerClass;
use super::run::Run;
use crate::Result;

/// γ of the paper where no `eta` is given.
const DEFAULT_ETA: f64 = 0.3;

#[derive(Debug, Clone)]
pub struct TcdScheduler {
    config: Registered<LcmSchedulerConfig>,
    process: DiscreteProcess,
    run: Run,
}

impl SchedulerClass for TcdScheduler {
    const NAME: &'static str = "TCDScheduler";
    type Config = LcmSchedulerConfig;

    fn new(config: Registered<LcmSchedulerConfig>) -> Result<Self> {
        config.check()?;
        let process = DiscreteProcess::new(&config.noise_schedule, config.rescale_betas_zero_snr)?;
        let run = Run::new(process.all_timesteps(), []);
        Ok(Self { config, process, run })
    }
}

impl Scheduler for TcdScheduler {
    super::methods::common_methods!();
    super::methods::distilled_methods!();

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "timesteps", "strength", "eta"]
    }

    fn noise_draws(&self, timestep: f64, options: &StepOptions) -> Result<usize> {
        let is_last = self.run.current(timestep)? + 1 == self.run.timesteps().len();
        Ok(usize::from(!is_last && options.eta_or(DEFAULT_ETA)? > 0.0))
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let next = self.run.timesteps().get(index + 1).copied();
        let eta = input.options.eta_or(DEFAULT_ETA)?;
        // The jump goes below the next timestep, so that noise can bring it back there.
        let below = f64::from(((1.0 - eta) * next.unwrap_or(0.0) as f32).floor());

        let prediction = self.config.prediction_type;
        let coefficients = self.process.coefficients(input.timestep)?;
        let original = prediction.original_sample(input.model_output, input.sample, coefficients);
        let epsilon = prediction.noise(input.model_output, input.sample, coefficients);
        let (signal, deviation) = self.process.coefficients(below)?;
        let jumped = weighted_sum([(signal, &original), (deviation, &epsilon)]);
        let prev_sample = match next {
            Some(next) if eta > 0.0 => {
                let ratio = self.process.alpha_cumprod(next)? / self.process.alpha_cumprod(below)?;
                weighted_sum([(ratio.sqrt(), &jumped), ((1.0 - ratio).sqrt(), input.noise)])
            }
            _ => jumped,
        };
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: Some(original) })
    }
}
