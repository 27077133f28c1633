//! DPM-Solver and DPM-Solver++ as multistep methods (Lu et al. 2022, arXiv 2211.01095, algorithm 2): "DPM++ 2M" and,
//! with noise, "DPM++ 2M SDE".

use super::Scheduler;
use super::betas::{BetaSchedule, NoiseSchedule};
use super::clipping::Thresholding;
use super::dpm_solver::{
    AlgorithmType, History, MultistepUpdate, NoiseLevel, OrderRule, OutputConversion, SolverType, check_final_sigma,
    check_order,
};
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput, Steps};
use super::posterior::VarianceType;
use super::prediction::PredictionType;
use super::record::{ConfigRecord, Registered, invalid_option};
use super::registry::SchedulerClass;
use super::run::Run;
use super::sigmas::{FinalSigmasType, SigmaSpacing, TrainingSigmas};
use super::solver_steps::{
    DynamicShifting, FlowSigmas, RunEnd, SolverCurve, first_unclipped, solver_run, solver_timesteps,
};
use super::spacing::{Spacing, custom_timesteps};

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The options of [`DpmSolverMultistepScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "DPMSolverMultistepSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct DpmSolverMultistepSchedulerConfig {
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    /// How many outputs a step uses: 1 to 3. Default 2.
    pub solver_order: usize,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    #[serde(flatten)]
    pub thresholding: Thresholding,
    /// Which equation is solved. Default "dpmsolver++".
    pub algorithm_type: AlgorithmType,
    /// How a step of order 2 uses the slope. Default "midpoint".
    pub solver_type: SolverType,
    /// Lower the order in the last steps of runs under 15 steps. Default true.
    pub lower_order_final: bool,
    /// Take the last step at order 1 in any run. Default false.
    pub euler_at_final: bool,
    #[serde(flatten)]
    pub sigma_spacing: SigmaSpacing,
    /// Even steps of ln σ between the ends of training. Default false.
    pub use_lu_lambdas: bool,
    #[serde(flatten)]
    pub flow: FlowSigmas,
    #[serde(flatten)]
    pub dynamic_shifting: DynamicShifting,
    /// Where the last step ends. Default "zero".
    pub final_sigmas_type: FinalSigmasType,
    /// Leaves out the timesteps whose λ is lower; null for none (−Infinity in files). Default null.
    pub lambda_min_clipped: Option<f64>,
    /// "learned" or "learned_range" where the model gives a variance as well, which is not used. Default null.
    pub variance_type: Option<VarianceType>,
    #[serde(flatten)]
    pub spacing: Spacing,
    /// Shift the schedule so that the last step is pure noise. Default false.
    pub rescale_betas_zero_snr: bool,
}

impl Default for DpmSolverMultistepSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule::default(),
            solver_order: 2,
            prediction_type: PredictionType::Epsilon,
            thresholding: Thresholding::default(),
            algorithm_type: AlgorithmType::DpmsolverPlusPlus,
            solver_type: SolverType::Midpoint,
            lower_order_final: true,
            euler_at_final: false,
            sigma_spacing: SigmaSpacing::default(),
            use_lu_lambdas: false,
            flow: FlowSigmas::default(),
            dynamic_shifting: DynamicShifting::default(),
            final_sigmas_type: FinalSigmasType::Zero,
            lambda_min_clipped: None,
            variance_type: None,
            spacing: Spacing::LINSPACE,
            rescale_betas_zero_snr: false,
        }
    }
}

#[derive(Debug, Clone)]
pub struct DpmSolverMultistepScheduler {
    config: Registered<DpmSolverMultistepSchedulerConfig>,
    training: TrainingSigmas,
    run: Run,
    history: History,
}

impl SchedulerClass for DpmSolverMultistepScheduler {
    const NAME: &'static str = "DPMSolverMultistepScheduler";
    type Config = DpmSolverMultistepSchedulerConfig;

    fn new(config: Registered<DpmSolverMultistepSchedulerConfig>) -> Result<Self> {
        config.thresholding.check()?;
        config.flow.check()?;
        config.sigma_spacing.curve()?;
        config.prediction_type.check_with_flow(config.flow.use_flow_sigmas)?;
        check_order(config.solver_order)?;
        check_final_sigma(config.algorithm_type, config.final_sigmas_type)?;
        if config.solver_order == 3 && config.algorithm_type == AlgorithmType::SdeDpmsolver {
            return Err(invalid_option("solverOrder", "1 or 2 with algorithmType \"sde-dpmsolver\"", 3));
        }
        let training = TrainingSigmas::new(&config.noise_schedule, config.rescale_betas_zero_snr)?;
        let run = training.whole_run();
        Ok(Self { config, training, run, history: History::default() })
    }
}

impl DpmSolverMultistepScheduler {
    fn level(&self, index: usize) -> NoiseLevel {
        self.config.flow.level(self.run.sigma(index))
    }

    /// Where several are asked for, diffusers' order of preference decides.
    fn curve(&self, mu: Option<f64>) -> Result<SolverCurve> {
        let shift = self.config.dynamic_shifting.shift(&self.config.flow, mu)?;
        let curve = SolverCurve::new(self.config.sigma_spacing.curve()?, shift);
        Ok(if self.config.use_lu_lambdas && !curve.is_karras() { SolverCurve::Lu } else { curve })
    }

    fn timesteps_before_curve(&self, options: &SetTimesteps, curve: SolverCurve) -> Result<Vec<f64>> {
        let train = self.num_train_timesteps();
        match options.steps(train)? {
            Steps::Timesteps(timesteps) if matches!(curve, SolverCurve::Spaced | SolverCurve::Flow(_)) => {
                custom_timesteps(timesteps, train)
            }
            Steps::Timesteps(timesteps) => {
                let expected = "none where an option useKarrasSigmas, useLuLambdas … says the steps";
                Err(Error::argument("timesteps", expected, format!("{timesteps:?}")))
            }
            _ => {
                let end = first_unclipped(&self.training, self.config.lambda_min_clipped);
                solver_timesteps(&self.config.spacing, train, end, options.step_count(train)?)
            }
        }
    }

    /// diffusers rounds the timesteps of these curves unless the schedule is the cosine.
    fn rounds(&self, curve: SolverCurve) -> bool {
        let is_cosine = self.config.noise_schedule.beta_schedule == BetaSchedule::SquaredcosCapV2;
        (curve.is_karras() || curve == SolverCurve::Lu) && !is_cosine
    }

    fn order(&self, index: usize) -> usize {
        let rule = OrderRule {
            solver_order: self.config.solver_order,
            lower_order_final: self.config.lower_order_final,
            euler_at_final: self.config.euler_at_final || self.config.final_sigmas_type == FinalSigmasType::Zero,
        };
        rule.order(index, self.run.timesteps().len()).min(self.history.len())
    }
}

impl Scheduler for DpmSolverMultistepScheduler {
    super::methods::common_methods!();
    super::methods::solver_methods!();

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "timesteps", "mu"]
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let curve = self.curve(options.mu)?;
        let timesteps = self.timesteps_before_curve(options, curve)?;
        let end = RunEnd::Final(self.config.final_sigmas_type);
        self.run = solver_run(&self.training, curve, timesteps, self.rounds(curve), end);
        self.history.clear();
        Ok(())
    }

    fn outputs_per_value(&self) -> usize {
        if self.config.variance_type.is_some_and(VarianceType::is_learned) { 2 } else { 1 }
    }

    fn noise_draws(&self, _timestep: f64, _options: &StepOptions) -> Result<usize> {
        Ok(usize::from(self.config.algorithm_type.is_stochastic()))
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter_prepared(input.timestep)?;
        let (output, _) = input.split_output(self.outputs_per_value());
        let conversion = OutputConversion {
            prediction: self.config.prediction_type,
            thresholding: &self.config.thresholding,
            to_original: self.config.algorithm_type.predicts_original(),
        };
        let (output, pred_original_sample) = conversion.apply(&output, &input, self.level(index));
        self.history.push(output, self.config.solver_order);
        let step = MultistepUpdate {
            algorithm: self.config.algorithm_type,
            solver: self.config.solver_type,
            order: self.order(index),
            history: &self.history,
        };
        let prev_sample = step.solve(input.sample, input.noise, self.level(index + 1), |age| self.level(index - age));
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample })
    }
}
