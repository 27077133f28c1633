//! DEIS: exponential integration with polynomials in ln ρ, ρ = σ/α (Zhang and Chen 2022, "Fast Sampling of Diffusion
//! Models with Exponential Integrator", ρAB-DEIS).

use super::Scheduler;
use super::betas::NoiseSchedule;
use super::clipping::Thresholding;
use super::dpm_solver::{AlgorithmType, NoiseLevel, OrderRule, OutputConversion, StepWeights, check_order};
use super::elementwise::weighted_sum;
use super::history::History;
use super::options::{SetTimesteps, StepInput, StepOutput};
use super::prediction::PredictionType;
use super::record::{ConfigRecord, Registered};
use super::registry::SchedulerClass;
use super::run::Run;
use super::sigmas::{SigmaSpacing, TrainingSigmas};
use super::solver_steps::{DynamicShifting, FlowSigmas, RunEnd, SolverCurve, solver_run, solver_timesteps};
use super::spacing::Spacing;
use crate::Result;
use serde::{Deserialize, Serialize};

/// There is one. (Algorithm types of the DPM-Solvers mean it here.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub enum DeisAlgorithmType {
    #[serde(rename = "deis")]
    #[serde(alias = "dpmsolver", alias = "dpmsolver++")]
    Deis,
}

/// There is one. (Solver types of other schedulers mean it here.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub enum DeisSolverType {
    /// Polynomials in ln ρ.
    #[serde(rename = "logrho")]
    #[serde(alias = "midpoint", alias = "heun", alias = "bh1", alias = "bh2")]
    LogRho,
}

/// The options of [`DeisMultistepScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "DEISMultistepSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct DeisMultistepSchedulerConfig {
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    /// How many outputs a step uses: 1 to 3. Default 2.
    pub solver_order: usize,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    #[serde(flatten)]
    pub thresholding: Thresholding,
    /// Always "deis".
    pub algorithm_type: DeisAlgorithmType,
    /// Always "logrho".
    pub solver_type: DeisSolverType,
    /// Lower the order in the last steps of runs under 15 steps. Default true.
    pub lower_order_final: bool,
    #[serde(flatten)]
    pub sigma_spacing: SigmaSpacing,
    #[serde(flatten)]
    pub flow: FlowSigmas,
    #[serde(flatten)]
    pub dynamic_shifting: DynamicShifting,
    #[serde(flatten)]
    pub spacing: Spacing,
}

impl Default for DeisMultistepSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule::default(),
            solver_order: 2,
            prediction_type: PredictionType::Epsilon,
            thresholding: Thresholding::default(),
            algorithm_type: DeisAlgorithmType::Deis,
            solver_type: DeisSolverType::LogRho,
            lower_order_final: true,
            sigma_spacing: SigmaSpacing::default(),
            flow: FlowSigmas::default(),
            dynamic_shifting: DynamicShifting::default(),
            spacing: Spacing::LINSPACE,
        }
    }
}

#[derive(Debug, Clone)]
pub struct DeisMultistepScheduler {
    config: Registered<DeisMultistepSchedulerConfig>,
    training: TrainingSigmas,
    run: Run,
    history: History,
}

impl SchedulerClass for DeisMultistepScheduler {
    const NAME: &'static str = "DEISMultistepScheduler";
    type Config = DeisMultistepSchedulerConfig;

    fn new(config: Registered<DeisMultistepSchedulerConfig>) -> Result<Self> {
        config.thresholding.check()?;
        config.flow.check()?;
        config.sigma_spacing.curve()?;
        config.prediction_type.check_with_flow(config.flow.use_flow_sigmas)?;
        check_order(config.solver_order)?;
        let training = TrainingSigmas::new(&config.noise_schedule, false)?;
        let run = training.whole_run();
        Ok(Self { config, training, run, history: History::default() })
    }
}

impl DeisMultistepScheduler {
    fn conversion(&self) -> OutputConversion {
        OutputConversion {
            prediction: self.config.prediction_type,
            thresholding: self.config.thresholding,
            to_original: false,
            outputs_per_value: 1,
        }
    }

    fn level(&self, index: usize) -> NoiseLevel {
        self.config.flow.level(self.run.sigma(index))
    }

    /// ln ρ.
    fn log_rho(&self, index: usize) -> f64 {
        let level = self.level(index);
        f64::from(level.sigma / level.alpha).ln()
    }

    fn order(&self, index: usize) -> usize {
        let rule = OrderRule {
            solver_order: self.config.solver_order,
            lower_order_final: self.config.lower_order_final,
            euler_at_final: false,
        };
        rule.order(index, self.run.timesteps().len()).min(self.history.len())
    }

    fn first_order(&self, index: usize, sample: &[f32]) -> Vec<f32> {
        let weights = StepWeights::new(AlgorithmType::Dpmsolver, self.level(index), self.level(index + 1));
        weighted_sum([(weights.sample, sample), (weights.constant, self.history.get(0))])
    }

    /// α_t·(x/α_s + Σ Cⱼ·εⱼ), where Cⱼ is the integral over ρ of the j-th Lagrange polynomial in ln ρ.
    fn higher_order(&self, index: usize, order: usize, sample: &[f32]) -> Vec<f32> {
        let (from, to) = (self.level(index), self.level(index + 1));
        let nodes: Vec<f64> = (0..order).map(|age| self.history.node(age)).collect();
        let (start, end) = (self.log_rho(index), self.log_rho(index + 1));
        let weight = |j: usize| match nodes.get(j) {
            Some(node) => {
                let others: Vec<f64> = nodes.iter().enumerate().filter(|(k, _)| *k != j).map(|(_, n)| *n).collect();
                to.alpha * (lagrange_integral(end, *node, &others) - lagrange_integral(start, *node, &others)) as f32
            }
            None => 0.0,
        };
        let outputs = [0, 1, 2].map(|age| (weight(age), self.history.get(age)));
        weighted_sum([(to.alpha / from.alpha, sample), outputs[0], outputs[1], outputs[2]])
    }
}

/// The antiderivative over ρ, at ln ρ = `x`, of Π (ln ρ − c)/(b − c) over one or two other nodes c: with ρ = e^x it is
/// e^x·(P(x) − P′(x) + P″(x))/Π (b − c).
fn lagrange_integral(x: f64, node: f64, others: &[f64]) -> f64 {
    let polynomial = match others {
        [c] => x - c - 1.0,
        [c, d] => (x - c) * (x - d) - (2.0 * x - c - d) + 2.0,
        _ => 1.0,
    };
    x.exp() * polynomial / others.iter().map(|other| node - other).product::<f64>()
}

impl Scheduler for DeisMultistepScheduler {
    super::methods::common_methods!();
    super::methods::solver_methods!();

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "mu"]
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let train = self.num_train_timesteps();
        let shift = self.config.dynamic_shifting.shift(&self.config.flow, options.mu)?;
        let curve = SolverCurve::new(self.config.sigma_spacing.curve()?, shift);
        let timesteps = solver_timesteps(&self.config.spacing, train, train, options.step_count(train)?)?;
        self.run = solver_run(&self.training, curve, timesteps, curve.is_karras(), RunEnd::Repeated);
        self.history.clear();
        Ok(())
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let (output, pred_original_sample) = self.conversion().apply(&input, self.level(index));
        self.history.push_at(self.log_rho(index), output, self.config.solver_order);
        let prev_sample = match self.order(index) {
            1 => self.first_order(index, input.sample),
            order => self.higher_order(index, order, input.sample),
        };
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample })
    }
}
