//! DPM-Solver++ as a multistep method for models in the wrapping of Karras et al. 2022.

use super::Scheduler;
use super::clipping::Thresholding;
use super::dpm_solver::{MultistepOptions, NoiseLevel, check_order};
use super::edm::EdmFormulation;
use super::history::History;
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput};
use super::prediction::PredictionType;
use super::record::{ConfigRecord, Registered, invalid_option};
use super::registry::SchedulerClass;
use super::run::Run;
use super::sigmas::FinalSigmasType;
use crate::Result;
use serde::{Deserialize, Serialize};

/// The options of [`EdmDpmSolverMultistepScheduler`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "EDMDPMSolverMultistepSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct EdmDpmSolverMultistepSchedulerConfig {
    #[serde(flatten)]
    pub formulation: EdmFormulation,
    /// algorithmType is "dpmsolver++" or, with noise, "sde-dpmsolver++".
    #[serde(flatten)]
    pub multistep: MultistepOptions,
    #[serde(flatten)]
    pub thresholding: Thresholding,
}

#[derive(Debug, Clone)]
pub struct EdmDpmSolverMultistepScheduler {
    config: Registered<EdmDpmSolverMultistepSchedulerConfig>,
    run: Run,
    /// `setTimesteps` has been called.
    history: History,
}

impl SchedulerClass for EdmDpmSolverMultistepScheduler {
    const NAME: &'static str = "EDMDPMSolverMultistepScheduler";
    type Config = EdmDpmSolverMultistepSchedulerConfig;

    fn new(config: Registered<EdmDpmSolverMultistepSchedulerConfig>) -> Result<Self> {
        config.formulation.check()?;
        config.thresholding.check()?;
        check_order(config.multistep.solver_order)?;
        if !config.multistep.algorithm_type.predicts_original() {
            let got = crate::json::to_json(&config.multistep.algorithm_type);
            return Err(invalid_option("algorithmType", "\"dpmsolver++\" or \"sde-dpmsolver++\"", got));
        }
        let run = config.formulation.run(config.formulation.num_train_timesteps);
        Ok(Self { config, run, history: History::default() })
    }
}

impl EdmDpmSolverMultistepScheduler {
    fn formulation(&self) -> &EdmFormulation {
        &self.config.formulation
    }

    fn level(&self, index: usize) -> NoiseLevel {
        NoiseLevel::variance_exploding(self.run.sigma(index))
    }
}

impl Scheduler for EdmDpmSolverMultistepScheduler {
    super::methods::common_methods!(formulation.num_train_timesteps, formulation.prediction_type);
    super::methods::edm_methods!();

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        self.run = self.config.formulation.run(options.step_count(self.num_train_timesteps())?);
        self.history.clear();
        Ok(())
    }

    fn noise_draws(&self, _timestep: f64, _options: &StepOptions) -> Result<usize> {
        Ok(usize::from(self.config.multistep.algorithm_type.is_stochastic()))
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let sigma = self.run.sigma(index);
        let mut original = self.config.formulation.original_sample(input.model_output, input.sample, sigma);
        self.config.thresholding.apply(&mut original, input.batch());
        let level = self.level(index);
        self.history.push_at(f64::from(level.lambda), original.clone(), self.config.multistep.solver_order);
        let to_zero = self.formulation().final_sigmas_type == FinalSigmasType::Zero;
        let steps = self.run.timesteps().len();
        let update = self.config.multistep.update(index, steps, to_zero, &self.history);
        let prev_sample = update.solve(input.sample, input.noise, self.level(index + 1), level);
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: Some(original) })
    }
}
