//! DPM-Solver and DPM-Solver++ as singlestep methods (Lu et al. 2022, arXiv 2211.01095, algorithm 1): a step of order k
//! uses k evaluations, the last of which starts again from the first one's sample.

use super::Scheduler;
use super::betas::NoiseSchedule;
use super::clipping::Thresholding;
use super::dpm_solver::{
    AlgorithmType, MultistepUpdate, NoiseLevel, OutputConversion, SolverType, StepWeights, check_final_sigma,
    check_order, difference, outputs_per_value,
};
use super::elementwise::weighted_sum;
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

/// The options of [`DpmSolverSinglestepScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "DPMSolverSinglestepSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct DpmSolverSinglestepSchedulerConfig {
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    /// How many evaluations a step has: 1 to 3. Default 2.
    pub solver_order: usize,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    #[serde(flatten)]
    pub thresholding: Thresholding,
    /// Which equation is solved; "sde-dpmsolver" has no singlestep form. Default "dpmsolver++".
    pub algorithm_type: AlgorithmType,
    /// How a step uses the slope. Default "midpoint".
    pub solver_type: SolverType,
    /// Lower the order of the last steps. Where the number of steps or the end of the run asks for it, it is done
    /// anyway. Default false.
    pub lower_order_final: bool,
    #[serde(flatten)]
    pub sigma_spacing: SigmaSpacing,
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
}

impl Default for DpmSolverSinglestepSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule::default(),
            solver_order: 2,
            prediction_type: PredictionType::Epsilon,
            thresholding: Thresholding::default(),
            algorithm_type: AlgorithmType::DpmsolverPlusPlus,
            solver_type: SolverType::Midpoint,
            lower_order_final: false,
            sigma_spacing: SigmaSpacing::default(),
            flow: FlowSigmas::default(),
            dynamic_shifting: DynamicShifting::default(),
            final_sigmas_type: FinalSigmasType::Zero,
            lambda_min_clipped: None,
            variance_type: None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct DpmSolverSinglestepScheduler {
    config: Registered<DpmSolverSinglestepSchedulerConfig>,
    training: TrainingSigmas,
    run: Run,
    /// Of each evaluation: which one it is of its step.
    orders: Vec<usize>,
    /// The outputs of the current step.
    history: History,
    /// How many evaluations the current step has had.
    evaluations: usize,
    /// The sample where the current step began.
    start: Vec<f32>,
}

impl SchedulerClass for DpmSolverSinglestepScheduler {
    const NAME: &'static str = "DPMSolverSinglestepScheduler";
    type Config = DpmSolverSinglestepSchedulerConfig;

    fn new(config: Registered<DpmSolverSinglestepSchedulerConfig>) -> Result<Self> {
        config.thresholding.check()?;
        config.flow.check()?;
        config.sigma_spacing.curve()?;
        config.prediction_type.check_with_flow(config.flow.use_flow_sigmas)?;
        check_order(config.solver_order)?;
        check_final_sigma(config.algorithm_type, config.final_sigmas_type)?;
        if config.algorithm_type == AlgorithmType::SdeDpmsolver {
            let expected = "\"dpmsolver++\", \"sde-dpmsolver++\" or \"dpmsolver\"";
            return Err(invalid_option("algorithmType", expected, "\"sde-dpmsolver\""));
        }
        let training = TrainingSigmas::new(&config.noise_schedule, false)?;
        let run = training.whole_run();
        let (orders, history, start) = (Vec::new(), History::default(), Vec::new());
        Ok(Self { config, training, run, orders, history, evaluations: 0, start })
    }
}

impl DpmSolverSinglestepScheduler {
    fn conversion(&self) -> OutputConversion {
        OutputConversion {
            prediction: self.config.prediction_type,
            thresholding: self.config.thresholding,
            to_original: self.config.algorithm_type.predicts_original(),
            outputs_per_value: self.outputs_per_value(),
        }
    }

    fn level(&self, index: usize) -> NoiseLevel {
        self.config.flow.level(self.run.sigma(index))
    }

    fn curve(&self, mu: Option<f64>) -> Result<SolverCurve> {
        let shift = self.config.dynamic_shifting.shift(&self.config.flow, mu)?;
        Ok(SolverCurve::new(self.config.sigma_spacing.curve()?, shift))
    }

    fn timesteps_before_curve(&self, options: &SetTimesteps, curve: SolverCurve) -> Result<Vec<f64>> {
        let train = self.num_train_timesteps();
        match (options.steps(train)?, curve) {
            (Steps::Timesteps(timesteps), SolverCurve::Curve(_)) => {
                let expected = "none where useKarrasSigmas, useExponentialSigmas or useBetaSigmas say the steps";
                Err(Error::argument("timesteps", expected, format!("{timesteps:?}")))
            }
            (Steps::Timesteps(timesteps), _) => custom_timesteps(timesteps, train),
            _ => {
                let end = first_unclipped(&self.training, self.config.lambda_min_clipped);
                solver_timesteps(&Spacing::LINSPACE, train, end, options.step_count(train)?)
            }
        }
    }

    /// 1, 2, …, k again and again. A run that must end low does not end with a full step.
    fn orders(&self, steps: usize) -> Vec<usize> {
        let full = self.config.solver_order;
        let to_zero = self.config.final_sigmas_type == FinalSigmasType::Zero;
        let mut orders: Vec<usize> = (0..steps).map(|index| index % full + 1).collect();
        if let Some(last) = orders.last_mut() {
            let lowered = self.config.lower_order_final && *last == full;
            if to_zero || lowered {
                *last = 1;
            }
        }
        orders
    }

    /// The last evaluation of a step of order 2 or 3, from the sample at its start to the noise level `to`.
    fn full_step(&self, from: NoiseLevel, to: NoiseLevel, noise: &[f32]) -> Vec<f32> {
        let weights = StepWeights::new(self.config.algorithm_type, from, to);
        let h = to.lambda - from.lambda;
        let order = self.history.len();
        let first = self.history.get(order - 1);
        let since_first = |age: usize| {
            let ratio = (self.history.node(age) as f32 - from.lambda) / h;
            (difference(self.history.get(age), first, ratio), ratio)
        };
        let (last_slope, r0) = since_first(0);
        let base = [(weights.sample, self.start.as_slice()), (weights.constant, first), (weights.noise, noise)];
        match (order, self.config.solver_type) {
            (2, solver) => {
                let slope = (weights.first_difference(solver), last_slope.as_slice());
                weighted_sum([base[0], base[1], slope, base[2]])
            }
            (_, SolverType::Midpoint) => {
                weighted_sum([base[0], base[1], (weights.linear, last_slope.as_slice()), base[2]])
            }
            (_, SolverType::Heun) => {
                let (middle_slope, r1) = since_first(1);
                let slope = weighted_sum([(r0 / (r0 - r1), &middle_slope), (-r1 / (r0 - r1), &last_slope)]);
                let curvature = difference(&last_slope, &middle_slope, 0.5 * (r0 - r1));
                let differences = [(weights.linear, slope.as_slice()), (weights.quadratic, curvature.as_slice())];
                weighted_sum([base[0], base[1], differences[0], differences[1], base[2]])
            }
        }
    }
}

impl Scheduler for DpmSolverSinglestepScheduler {
    super::methods::common_methods!();
    super::methods::solver_methods!();

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "timesteps", "mu"]
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let curve = self.curve(options.mu)?;
        let timesteps = self.timesteps_before_curve(options, curve)?;
        let end = RunEnd::Final(self.config.final_sigmas_type);
        self.run = solver_run(&self.training, curve, timesteps, curve.is_karras(), end);
        self.orders = self.orders(self.run.timesteps().len());
        self.history.clear();
        self.evaluations = 0;
        Ok(())
    }

    fn outputs_per_value(&self) -> usize {
        outputs_per_value(self.config.variance_type)
    }

    fn noise_draws(&self, _timestep: f64, _options: &StepOptions) -> Result<usize> {
        Ok(usize::from(self.config.algorithm_type.is_stochastic()))
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let level = self.level(index);
        let (output, pred_original_sample) = self.conversion().apply(&input, level);
        let evaluation = self.orders.get(index).copied().unwrap_or(1).min(self.evaluations + 1);
        if evaluation == 1 {
            self.start = input.sample.to_vec();
            self.history.clear();
        }
        self.evaluations = evaluation;
        self.history.push_at(f64::from(level.lambda), output, self.config.solver_order);
        let (from, to) = (self.level(index + 1 - evaluation), self.level(index + 1));
        let prev_sample = if self.history.len() == 1 {
            let (algorithm, solver) = (self.config.algorithm_type, self.config.solver_type);
            let update = MultistepUpdate { algorithm, solver, order: 1, history: &self.history };
            update.solve(&self.start, input.noise, to, from)
        } else {
            self.full_step(from, to, input.noise)
        };
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample })
    }
}
