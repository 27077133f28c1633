//! DPM-Solver++ as a multistep method for models in the wrapping of Karras et al. 2022.

use super::Scheduler;
use super::clipping::Thresholding;
use super::dpm_solver::{AlgorithmType, History, MultistepUpdate, NoiseLevel, OrderRule, SolverType, check_order};
use super::edm::EdmFormulation;
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput, not_prepared};
use super::prediction::PredictionType;
use super::record::{ConfigRecord, Registered, invalid_option};
use super::registry::SchedulerClass;
use super::run::Run;
use super::sigmas::FinalSigmasType;
use crate::Result;
use serde::{Deserialize, Serialize};

/// The options of [`EdmDpmSolverMultistepScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "EDMDPMSolverMultistepSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct EdmDpmSolverMultistepSchedulerConfig {
    #[serde(flatten)]
    pub formulation: EdmFormulation,
    /// How many outputs a step uses: 1 to 3. Default 2.
    pub solver_order: usize,
    #[serde(flatten)]
    pub thresholding: Thresholding,
    /// "dpmsolver++" or, with noise, "sde-dpmsolver++". Default "dpmsolver++".
    pub algorithm_type: AlgorithmType,
    /// How a step of order 2 uses the slope. Default "midpoint".
    pub solver_type: SolverType,
    /// Lower the order in the last steps of runs under 15 steps. Default true.
    pub lower_order_final: bool,
    /// Take the last step at order 1 in any run. Default false.
    pub euler_at_final: bool,
}

impl Default for EdmDpmSolverMultistepSchedulerConfig {
    fn default() -> Self {
        Self {
            formulation: EdmFormulation::default(),
            solver_order: 2,
            thresholding: Thresholding::default(),
            algorithm_type: AlgorithmType::DpmsolverPlusPlus,
            solver_type: SolverType::Midpoint,
            lower_order_final: true,
            euler_at_final: false,
        }
    }
}

#[derive(Debug, Clone)]
pub struct EdmDpmSolverMultistepScheduler {
    config: Registered<EdmDpmSolverMultistepSchedulerConfig>,
    run: Run,
    /// `setTimesteps` has been called.
    is_prepared: bool,
    history: History,
}

impl SchedulerClass for EdmDpmSolverMultistepScheduler {
    const NAME: &'static str = "EDMDPMSolverMultistepScheduler";
    type Config = EdmDpmSolverMultistepSchedulerConfig;

    fn new(config: Registered<EdmDpmSolverMultistepSchedulerConfig>) -> Result<Self> {
        config.formulation.check()?;
        config.thresholding.check()?;
        check_order(config.solver_order)?;
        if !config.algorithm_type.predicts_original() {
            let got = crate::json::to_json(&config.algorithm_type);
            return Err(invalid_option("algorithmType", "\"dpmsolver++\" or \"sde-dpmsolver++\"", got));
        }
        let run = config.formulation.run(config.formulation.num_train_timesteps);
        Ok(Self { config, run, is_prepared: false, history: History::default() })
    }
}

impl EdmDpmSolverMultistepScheduler {
    fn formulation(&self) -> &EdmFormulation {
        &self.config.formulation
    }

    fn level(&self, index: usize) -> NoiseLevel {
        NoiseLevel::variance_exploding(self.run.sigma(index))
    }

    fn order(&self, index: usize) -> usize {
        let to_zero = self.config.formulation.final_sigmas_type == FinalSigmasType::Zero;
        let rule = OrderRule {
            solver_order: self.config.solver_order,
            lower_order_final: self.config.lower_order_final,
            euler_at_final: self.config.euler_at_final || to_zero,
        };
        rule.order(index, self.run.timesteps().len()).min(self.history.len())
    }
}

impl Scheduler for EdmDpmSolverMultistepScheduler {
    super::methods::common_methods!(formulation.num_train_timesteps, formulation.prediction_type);
    super::methods::edm_methods!();

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        self.run = self.config.formulation.run(options.step_count(self.num_train_timesteps())?);
        self.is_prepared = true;
        self.history.clear();
        Ok(())
    }

    fn noise_draws(&self, _timestep: f64, _options: &StepOptions) -> Result<usize> {
        Ok(usize::from(self.config.algorithm_type.is_stochastic()))
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        if !self.is_prepared {
            return Err(not_prepared());
        }
        let index = self.run.enter(input.timestep)?;
        let sigma = self.run.sigma(index);
        let mut original = self.config.formulation.original_sample(input.model_output, input.sample, sigma);
        self.config.thresholding.apply(&mut original, input.batch());
        self.history.push(original.clone(), self.config.solver_order);
        let update = MultistepUpdate {
            algorithm: self.config.algorithm_type,
            solver: self.config.solver_type,
            order: self.order(index),
            history: &self.history,
        };
        let prev_sample = update.solve(input.sample, input.noise, self.level(index + 1), |age| self.level(index - age));
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: Some(original) })
    }
}
