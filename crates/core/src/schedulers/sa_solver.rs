//! SA-Solver: stochastic Adams methods, a predictor and a corrector of variance-controlled SDEs (Xue et al. 2023,
//! "SA-Solver: Stochastic Adams Solver for Fast Sampling of Diffusion Models").

use super::Scheduler;
use super::betas::NoiseSchedule;
use super::clipping::Thresholding;
use super::dpm_solver::{NoiseLevel, OutputConversion, outputs_per_value};
use super::elementwise::add_scaled;
use super::history::History;
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput};
use super::posterior::VarianceType;
use super::prediction::PredictionType;
use super::record::{ConfigRecord, Registered, invalid_option};
use super::registry::SchedulerClass;
use super::run::Run;
use super::sigmas::{SigmaSpacing, TrainingSigmas};
use super::solver_steps::{FlowSigmas, RunEnd, SolverCurve, first_unclipped, solver_run, solver_timesteps};
use super::spacing::Spacing;
use crate::Result;
use serde::{Deserialize, Serialize};

/// What the equation is solved in terms of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum SaAlgorithmType {
    /// The estimate of x_0.
    DataPrediction,
    /// The noise.
    NoisePrediction,
}

/// The options of [`SaSolverScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "SASolverSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct SaSolverSchedulerConfig {
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    /// How many outputs the predictor uses: 1 to 4. Default 2.
    pub predictor_order: usize,
    /// How many outputs the corrector uses: 1 to 4. Default 2.
    pub corrector_order: usize,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    /// Always null: τ, how much noise there is, is 1 for timesteps from 200 to 800 and 0 elsewhere.
    pub tau_func: (),
    #[serde(flatten)]
    pub thresholding: Thresholding,
    /// What the equation is solved in terms of. Default "data_prediction".
    pub algorithm_type: SaAlgorithmType,
    /// Lower the orders in the last steps. Default true.
    pub lower_order_final: bool,
    #[serde(flatten)]
    pub sigma_spacing: SigmaSpacing,
    #[serde(flatten)]
    pub flow: FlowSigmas,
    /// Leaves out the timesteps whose λ is lower; null for none (−Infinity in files). Default null.
    pub lambda_min_clipped: Option<f64>,
    /// "learned" or "learned_range" where the model gives a variance as well, which is not used. Default null.
    pub variance_type: Option<VarianceType>,
    #[serde(flatten)]
    pub spacing: Spacing,
}

impl Default for SaSolverSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule::default(),
            predictor_order: 2,
            corrector_order: 2,
            prediction_type: PredictionType::Epsilon,
            tau_func: (),
            thresholding: Thresholding::default(),
            algorithm_type: SaAlgorithmType::DataPrediction,
            lower_order_final: true,
            sigma_spacing: SigmaSpacing::default(),
            flow: FlowSigmas::default(),
            lambda_min_clipped: None,
            variance_type: None,
            spacing: Spacing::LINSPACE,
        }
    }
}

#[derive(Debug, Clone)]
pub struct SaSolverScheduler {
    config: Registered<SaSolverSchedulerConfig>,
    training: TrainingSigmas,
    run: Run,
    history: History,
    last_step: Option<LastStep>,
}

/// What the correction of a step needs to know of it.
#[derive(Debug, Clone)]
struct LastStep {
    sample: Vec<f32>,
    noise: Vec<f32>,
    tau: f64,
    corrector_order: usize,
}

impl SchedulerClass for SaSolverScheduler {
    const NAME: &'static str = "SASolverScheduler";
    type Config = SaSolverSchedulerConfig;

    fn new(config: Registered<SaSolverSchedulerConfig>) -> Result<Self> {
        config.thresholding.check()?;
        config.sigma_spacing.curve()?;
        config.prediction_type.check_with_flow(config.flow.use_flow_sigmas)?;
        for (key, order) in [("predictorOrder", config.predictor_order), ("correctorOrder", config.corrector_order)] {
            if !(1..=4).contains(&order) {
                return Err(invalid_option(key, "1 to 4", order));
            }
        }
        config.flow.check()?;
        let training = TrainingSigmas::new(&config.noise_schedule, false)?;
        let run = training.whole_run();
        Ok(Self { config, training, run, history: History::default(), last_step: None })
    }
}

/// τ(t): noise in the middle of the run only.
fn tau(timestep: f64) -> f64 {
    if (200.0..=800.0).contains(&timestep) { 1.0 } else { 0.0 }
}

impl SaSolverScheduler {
    fn conversion(&self) -> OutputConversion {
        OutputConversion {
            prediction: self.config.prediction_type,
            thresholding: self.config.thresholding,
            to_original: self.config.algorithm_type == SaAlgorithmType::DataPrediction,
            outputs_per_value: self.outputs_per_value(),
        }
    }

    fn level(&self, index: usize) -> NoiseLevel {
        self.config.flow.level(self.run.sigma(index))
    }

    fn lambda(&self, index: usize) -> f64 {
        f64::from(self.level(index).lambda)
    }

    /// By how much λ grows in the step at `index`: not at all where the run stands at one noise level twice.
    fn length(&self, index: usize) -> f64 {
        self.lambda(index + 1) - self.lambda(index)
    }

    fn update(&self, from: usize, to: usize, tau: f64) -> AdamsUpdate {
        let in_terms_of_original = self.config.algorithm_type == SaAlgorithmType::DataPrediction;
        AdamsUpdate { from: self.level(from), to: self.level(to), tau, in_terms_of_original }
    }

    /// SA-Predictor: from the sample at `index` to the next.
    fn predict(&self, index: usize, sample: &[f32], noise: &[f32], order: usize, tau: f64) -> Vec<f32> {
        let update = self.update(index, index + 1, tau);
        let nodes: Vec<f64> = (0..order).map(|age| self.history.node(age)).collect();
        let mut weights = update.output_weights(&nodes);
        if let [newest, before] = nodes.as_slice() {
            update.add_second_order(&mut weights, update.h() / (newest - before));
        }
        let mut next = update.without_outputs(sample, noise);
        weights.iter().enumerate().for_each(|(age, weight)| add_scaled(&mut next, *weight, self.history.get(age)));
        next
    }

    /// SA-Corrector: the sample at `index` again, now that the model's output there is known.
    fn correct(&self, index: usize, output: &[f32], last: &LastStep) -> Vec<f32> {
        let update = self.update(index - 1, index, last.tau);
        let before = (1..last.corrector_order).map(|age| self.history.node(age - 1));
        let nodes: Vec<f64> = std::iter::once(self.lambda(index)).chain(before).collect();
        let mut weights = update.output_weights(&nodes);
        if nodes.len() == 2 {
            update.add_second_order(&mut weights, 1.0);
        }
        let mut sample = update.without_outputs(&last.sample, &last.noise);
        for (age, weight) in weights.iter().enumerate() {
            let output = if age == 0 { output } else { self.history.get(age - 1) };
            add_scaled(&mut sample, *weight, output);
        }
        sample
    }

    /// The orders of the step's predictor and of the correction that follows it.
    fn orders(&self, index: usize) -> (usize, usize) {
        let left = if self.config.lower_order_final { self.run.timesteps().len() - index } else { usize::MAX - 1 };
        let limit = if self.length(index) == 0.0 { 1 } else { self.config.predictor_order };
        let predictor = limit.min(left).min(self.history.len());
        (predictor, self.config.corrector_order.min(left + 1).min(self.history.len() + 1))
    }
}

impl Scheduler for SaSolverScheduler {
    super::methods::common_methods!();
    super::methods::run_methods!();

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let train = self.num_train_timesteps();
        let curve = SolverCurve::new(self.config.sigma_spacing.curve()?, self.config.flow.shift());
        let end = first_unclipped(&self.training, self.config.lambda_min_clipped);
        let timesteps = solver_timesteps(&self.config.spacing, train, end, options.step_count(train)?)?;
        self.run = solver_run(&self.training, curve, timesteps, curve.is_karras(), RunEnd::Repeated);
        self.history.clear();
        self.last_step = None;
        Ok(())
    }

    fn outputs_per_value(&self) -> usize {
        outputs_per_value(self.config.variance_type)
    }

    fn noise_draws(&self, _timestep: f64, _options: &StepOptions) -> Result<usize> {
        Ok(1)
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let (output, pred_original_sample) = self.conversion().apply(&input, self.level(index));
        let sample = match self.last_step.take() {
            Some(last) if self.length(index - 1) != 0.0 => self.correct(index, &output, &last),
            _ => input.sample.to_vec(),
        };
        let kept = self.config.predictor_order.max(self.config.corrector_order - 1);
        self.history.push_at(self.lambda(index), output, kept);
        let (order, corrector_order) = self.orders(index);
        let tau = tau(input.timestep);
        let prev_sample = self.predict(index, &sample, input.noise, order, tau);
        self.last_step = Some(LastStep { sample, noise: input.noise.to_vec(), tau, corrector_order });
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample })
    }

    fn forward_coefficients(&self, timestep: f64) -> Result<(f32, f32)> {
        self.training.process().coefficients(timestep)
    }
}

/// The exact solution between two noise levels where the model's output is a polynomial in λ.
struct AdamsUpdate {
    from: NoiseLevel,
    to: NoiseLevel,
    tau: f64,
    in_terms_of_original: bool,
}

impl AdamsUpdate {
    fn h(&self) -> f64 {
        f64::from(self.to.lambda) - f64::from(self.from.lambda)
    }

    /// 1 + τ².
    fn rate(&self) -> f64 {
        1.0 + self.tau * self.tau
    }

    /// What is common to all outputs' weights.
    fn scale(&self) -> f64 {
        if self.in_terms_of_original {
            let decay = (-self.tau * self.tau * f64::from(self.to.lambda)).exp();
            self.rate() * f64::from(self.to.sigma) * decay
        } else {
            -self.rate() * f64::from(self.to.alpha)
        }
    }

    /// For each node the integral of its Lagrange polynomial against e^((1+τ²)·λ), or e^(−λ) in terms of the noise.
    fn output_weights(&self, nodes: &[f64]) -> Vec<f32> {
        let rate = if self.in_terms_of_original { self.rate() } else { -1.0 };
        let moments = moments(rate, f64::from(self.from.lambda), f64::from(self.to.lambda), nodes.len());
        let weight = |j: usize| -> f64 {
            lagrange_polynomial(nodes, j).iter().zip(&moments).map(|(coefficient, moment)| coefficient * moment).sum()
        };
        (0..nodes.len()).map(|j| (self.scale() * weight(j)) as f32).collect()
    }

    /// The second-order terms in which the authors' code differs from the plain expansion, in terms of x_0 only.
    fn add_second_order(&self, weights: &mut [f32], ratio: f64) {
        if !self.in_terms_of_original {
            return;
        }
        let (h, rate) = (self.h(), self.rate());
        let remainder = h / 2.0 - (h * rate - 1.0 + (-rate * h).exp()) / (rate * rate * h);
        let term = self.scale() * (rate * f64::from(self.to.lambda)).exp() * remainder * ratio;
        if let [first, second] = weights {
            *first += term as f32;
            *second -= term as f32;
        }
    }

    /// The sample's and the noise's part.
    fn without_outputs(&self, sample: &[f32], noise: &[f32]) -> Vec<f32> {
        let (h, squared) = (self.h(), self.tau * self.tau);
        let (kept, deviation) = if self.in_terms_of_original {
            let kept = (-squared * h).exp() * f64::from(self.to.sigma / self.from.sigma);
            (kept, f64::from(self.to.sigma) * (1.0 - (-2.0 * squared * h).exp()).sqrt())
        } else {
            let deviation = self.tau * f64::from(self.to.sigma) * ((2.0 * h).exp() - 1.0).sqrt();
            (f64::from(self.to.alpha / self.from.alpha), deviation)
        };
        super::weighted_sum([(kept as f32, sample), (deviation as f32, noise)])
    }
}

/// ∫ λ^k·e^(c·λ) dλ for k = 0, 1, …: ([λ^k·e^(c·λ)] − k·(the one before))/c.
fn moments(rate: f64, start: f64, end: f64, count: usize) -> Vec<f64> {
    let mut moments: Vec<f64> = Vec::with_capacity(count);
    for k in 0..count as i32 {
        let boundary = end.powi(k) * (rate * end).exp() - start.powi(k) * (rate * start).exp();
        let before = moments.last().map_or(0.0, |before| f64::from(k) * before);
        moments.push((boundary - before) / rate);
    }
    moments
}

/// The coefficients, of λ⁰ first, of the polynomial that is 1 at node j and 0 at the others.
fn lagrange_polynomial(nodes: &[f64], j: usize) -> Vec<f64> {
    let mut coefficients = vec![1.0];
    let node = nodes.get(j).copied().unwrap_or_default();
    for (_, other) in nodes.iter().enumerate().filter(|(index, _)| *index != j) {
        let shifted = std::iter::once(0.0).chain(coefficients.iter().copied());
        let scaled = coefficients.iter().map(|c| -other * c).chain([0.0]);
        coefficients = shifted.zip(scaled).map(|(a, b)| (a + b) / (node - other)).collect();
    }
    coefficients
}
