//! Euler's method for models in the wrapping of Karras et al. 2022 (algorithm 2 without the correction).

use super::Scheduler;
use super::churn::{churn, raise_noise};
use super::edm::EdmFormulation;
use super::elementwise::weighted_sum;
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput};
use super::prediction::PredictionType;
use super::record::{ConfigRecord, Registered};
use super::registry::SchedulerClass;
use super::run::{Run, derivative};
use crate::Result;

#[derive(Debug, Clone)]
pub struct EdmEulerScheduler {
    config: Registered<EdmFormulation>,
    run: Run,
}

impl SchedulerClass for EdmEulerScheduler {
    const NAME: &'static str = "EDMEulerScheduler";
    type Config = EdmFormulation;

    fn new(config: Registered<EdmFormulation>) -> Result<Self> {
        config.check()?;
        let run = config.run(config.num_train_timesteps + 1);
        Ok(Self { config, run })
    }
}

impl EdmEulerScheduler {
    fn formulation(&self) -> &EdmFormulation {
        &self.config
    }
}

impl Scheduler for EdmEulerScheduler {
    super::methods::common_methods!(num_train_timesteps, prediction_type);
    super::methods::edm_methods!();

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "sChurn", "sTmin", "sTmax", "sNoise"]
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        self.run = self.config.run(options.step_count(self.num_train_timesteps())?);
        Ok(())
    }

    fn noise_draws(&self, timestep: f64, options: &StepOptions) -> Result<usize> {
        let sigma = self.run.sigma(self.run.current(timestep)?);
        Ok(usize::from(churn(options, sigma, self.run.sigmas().len()) > 0.0))
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let (raised, sample) = raise_noise(&input, self.run.sigma(index), self.run.sigmas().len());
        let original = self.config.original_sample(input.model_output, &sample, raised);
        let slope = derivative(&sample, &original, raised);
        let prev_sample = weighted_sum([(1.0, &sample), (self.run.sigma(index + 1) - raised, &slope)]);
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: Some(original) })
    }
}
