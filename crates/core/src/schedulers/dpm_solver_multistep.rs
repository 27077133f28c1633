//! DPM-Solver and DPM-Solver++ as multistep methods (Lu et al. 2022, arXiv 2211.01095, algorithm 2): "DPM++ 2M" and,
//! with noise, "DPM++ 2M SDE".

use super::Scheduler;
use super::betas::{BetaSchedule, NoiseSchedule};
use super::clipping::Thresholding;
use super::dpm_solver::{
    AlgorithmType, MultistepOptions, NoiseLevel, OutputConversion, check_final_sigma, check_order, outputs_per_value,
};
use super::history::History;
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
    #[serde(flatten)]
    pub multistep: MultistepOptions,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    #[serde(flatten)]
    pub thresholding: Thresholding,
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
            multistep: MultistepOptions::default(),
            prediction_type: PredictionType::Epsilon,
            thresholding: Thresholding::default(),
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
        check_order(config.multistep.solver_order)?;
        check_final_sigma(config.multistep.algorithm_type, config.final_sigmas_type)?;
        if config.multistep.solver_order == 3 && config.multistep.algorithm_type == AlgorithmType::SdeDpmsolver {
            return Err(invalid_option("solverOrder", "1 or 2 with algorithmType \"sde-dpmsolver\"", 3));
        }
        let training = TrainingSigmas::new(&config.noise_schedule, config.rescale_betas_zero_snr)?;
        let run = training.whole_run();
        Ok(Self { config, training, run, history: History::default() })
    }
}

impl DpmSolverMultistepScheduler {
    fn conversion(&self) -> OutputConversion {
        OutputConversion {
            prediction: self.config.prediction_type,
            thresholding: self.config.thresholding,
            to_original: self.config.multistep.algorithm_type.predicts_original(),
            outputs_per_value: self.outputs_per_value(),
        }
    }

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
        outputs_per_value(self.config.variance_type)
    }

    fn noise_draws(&self, _timestep: f64, _options: &StepOptions) -> Result<usize> {
        Ok(usize::from(self.config.multistep.algorithm_type.is_stochastic()))
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let level = self.level(index);
        let (output, pred_original_sample) = self.conversion().apply(&input, level);
        self.history.push_at(f64::from(level.lambda), output, self.config.multistep.solver_order);
        let to_zero = self.config.final_sigmas_type == FinalSigmasType::Zero;
        let steps = self.run.timesteps().len();
        let update = self.config.multistep.update(index, steps, to_zero, &self.history);
        let prev_sample = update.solve(input.sample, input.noise, self.level(index + 1), level);
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample })
    }
}
