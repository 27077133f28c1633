//! Latent consistency models: each step jumps to x_0 and goes back to the next noise level with fresh noise (Luo et al.
//! 2023, "Latent Consistency Models").

use super::Scheduler;
use super::clipping::clip_original;
use super::distilled_steps::LcmSchedulerConfig;
use super::elementwise::weighted_sum;
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput};
use super::prediction::PredictionType;
use super::process::DiscreteProcess;
use super::record::{ConfigRecord, Registered};
use super::registry::SchedulerClass;
use super::run::Run;
use crate::Result;

/// The deviation of the data that the boundary condition assumes.
const SIGMA_DATA: f64 = 0.5;

#[derive(Debug, Clone)]
pub struct LcmScheduler {
    config: Registered<LcmSchedulerConfig>,
    process: DiscreteProcess,
    run: Run,
}

impl SchedulerClass for LcmScheduler {
    const NAME: &'static str = "LCMScheduler";
    type Config = LcmSchedulerConfig;

    fn new(config: Registered<LcmSchedulerConfig>) -> Result<Self> {
        config.check()?;
        let process = DiscreteProcess::new(&config.noise_schedule, config.rescale_betas_zero_snr)?;
        let run = Run::new(process.all_timesteps(), []);
        Ok(Self { config, process, run })
    }
}

impl LcmScheduler {
    /// (c_skip, c_out): at t = 0 the sample itself is the answer.
    fn boundary_scalings(&self, timestep: f64) -> (f32, f32) {
        let scaled = timestep * self.config.timestep_scaling;
        let variance = scaled * scaled + SIGMA_DATA * SIGMA_DATA;
        ((SIGMA_DATA * SIGMA_DATA / variance) as f32, (scaled / variance.sqrt()) as f32)
    }
}

impl Scheduler for LcmScheduler {
    super::methods::common_methods!();
    super::methods::distilled_methods!();

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "timesteps", "originalInferenceSteps", "strength"]
    }

    fn noise_draws(&self, timestep: f64, _options: &StepOptions) -> Result<usize> {
        Ok(usize::from(self.run.current(timestep)? + 1 < self.run.timesteps().len()))
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let coefficients = self.process.coefficients(input.timestep)?;
        let mut original = self.config.prediction_type.original_sample(input.model_output, input.sample, coefficients);
        clip_original(&mut original, input.batch(), &self.config.thresholding, &self.config.clipping);
        let (skip, out) = self.boundary_scalings(input.timestep);
        let denoised = weighted_sum([(out, &original), (skip, input.sample)]);
        let prev_sample = match self.run.timesteps().get(index + 1) {
            Some(next) => {
                let (signal, deviation) = self.process.coefficients(*next)?;
                weighted_sum([(signal, &denoised), (deviation, input.noise)])
            }
            None => denoised.clone(),
        };
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: Some(denoised) })
    }
}
