//! What the DPM-Solvers share: the exact solution of the diffusion ODE or SDE between two noise levels, where the model's
//! output is a polynomial in λ = ln(α/σ) (Lu et al. 2022, "DPM-Solver", and "DPM-Solver++", arXiv 2211.01095).

use super::clipping::Thresholding;
use super::elementwise::{weighted_sum, zip_with};
use super::history::History;
use super::options::StepInput;
use super::posterior::VarianceType;
use super::prediction::{PredictionType, noise_of_original};
use super::record::invalid_option;
use super::sigmas::FinalSigmasType;
use crate::Result;
use serde::{Deserialize, Serialize};

/// Which equation is solved, and in terms of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub enum AlgorithmType {
    /// The ODE in terms of the noise.
    #[serde(rename = "dpmsolver")]
    Dpmsolver,
    /// The ODE in terms of x_0. ("deis" in a configuration of that scheduler means this here.)
    #[serde(rename = "dpmsolver++")]
    #[serde(alias = "deis")]
    DpmsolverPlusPlus,
    /// The SDE in terms of the noise.
    #[serde(rename = "sde-dpmsolver")]
    SdeDpmsolver,
    /// The SDE in terms of x_0.
    #[serde(rename = "sde-dpmsolver++")]
    SdeDpmsolverPlusPlus,
}

impl AlgorithmType {
    pub fn predicts_original(self) -> bool {
        matches!(self, Self::DpmsolverPlusPlus | Self::SdeDpmsolverPlusPlus)
    }

    pub fn is_stochastic(self) -> bool {
        matches!(self, Self::SdeDpmsolver | Self::SdeDpmsolverPlusPlus)
    }
}

/// How a second-order step uses the slope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum SolverType {
    /// As if the output were constant, taken in the middle. (Solver types of other schedulers mean this here.)
    #[serde(alias = "logrho", alias = "bh1", alias = "bh2")]
    Midpoint,
    /// As if it changed evenly.
    Heun,
}

/// A noise level x = α·x_0 + σ·ε.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseLevel {
    pub alpha: f32,
    pub sigma: f32,
    /// ln(α/σ), half the log signal-to-noise ratio.
    pub lambda: f32,
}

impl NoiseLevel {
    fn of(alpha: f32, sigma: f32) -> Self {
        Self { alpha, sigma, lambda: alpha.ln() - sigma.ln() }
    }

    /// From σ/α, with α² + σ² = 1.
    pub fn variance_preserving(ratio: f32) -> Self {
        let alpha = 1.0 / (ratio * ratio + 1.0).sqrt();
        Self::of(alpha, ratio * alpha)
    }

    /// α = 1 − σ.
    pub fn flow(sigma: f32) -> Self {
        Self::of(1.0 - sigma, sigma)
    }

    /// α = 1.
    pub fn variance_exploding(sigma: f32) -> Self {
        Self::of(1.0, sigma)
    }

    pub fn coefficients(&self) -> (f32, f32) {
        (self.alpha, self.sigma)
    }
}

/// x_t as a combination of the sample, the output with its derivatives over the step (in units of h, the change of λ),
/// and noise.
#[derive(Debug, Clone, Copy)]
pub struct StepWeights {
    pub sample: f32,
    pub constant: f32,
    /// Of the first difference, by the midpoint rule.
    pub midpoint: f32,
    /// Of the first difference, integrated.
    pub linear: f32,
    /// Of the second difference, integrated.
    pub quadratic: f32,
    pub noise: f32,
}

impl StepWeights {
    /// DPM-Solver and DPM-Solver++, proposition 4.1; for the SDE the same with its noise integrated.
    pub fn new(algorithm: AlgorithmType, from: NoiseLevel, to: NoiseLevel) -> Self {
        let h = to.lambda - from.lambda;
        match algorithm {
            AlgorithmType::DpmsolverPlusPlus => Self::of_original(from, to, h, 0.0),
            AlgorithmType::SdeDpmsolverPlusPlus => Self::of_original_with_noise(from, to, h),
            AlgorithmType::Dpmsolver => Self::of_noise(from, to, h, 1.0, 0.0),
            AlgorithmType::SdeDpmsolver => Self::of_noise(from, to, h, 2.0, to.sigma * ((2.0 * h).exp() - 1.0).sqrt()),
        }
    }

    fn of_original(from: NoiseLevel, to: NoiseLevel, h: f32, noise: f32) -> Self {
        let phi = (-h).exp() - 1.0;
        Self {
            sample: to.sigma / from.sigma,
            constant: -to.alpha * phi,
            midpoint: -0.5 * to.alpha * phi,
            linear: to.alpha * (phi / h + 1.0),
            quadratic: -to.alpha * ((phi + h) / (h * h) - 0.5),
            noise,
        }
    }

    fn of_original_with_noise(from: NoiseLevel, to: NoiseLevel, h: f32) -> Self {
        let phi = 1.0 - (-2.0 * h).exp();
        Self {
            sample: to.sigma / from.sigma * (-h).exp(),
            constant: to.alpha * phi,
            midpoint: 0.5 * to.alpha * phi,
            linear: to.alpha * (phi / (-2.0 * h) + 1.0),
            quadratic: to.alpha * ((phi - 2.0 * h) / (4.0 * h * h) - 0.5),
            noise: to.sigma * phi.sqrt(),
        }
    }

    /// `factor` is 2 for the SDE, whose drift is twice that of the ODE.
    fn of_noise(from: NoiseLevel, to: NoiseLevel, h: f32, factor: f32, noise: f32) -> Self {
        let phi = h.exp() - 1.0;
        let scale = -factor * to.sigma;
        Self {
            sample: to.alpha / from.alpha,
            constant: scale * phi,
            midpoint: 0.5 * scale * phi,
            linear: scale * (phi / h - 1.0),
            quadratic: scale * ((phi - h) / (h * h) - 0.5),
            noise,
        }
    }

    /// The weight of the first difference in a step of second order.
    pub fn first_difference(&self, solver: SolverType) -> f32 {
        match solver {
            SolverType::Midpoint => self.midpoint,
            SolverType::Heun => self.linear,
        }
    }
}

/// (a − b)/r.
pub fn difference(a: &[f32], b: &[f32], r: f32) -> Vec<f32> {
    zip_with(a, b, |a, b| (a - b) / r)
}

/// Runs of fewer steps lower the order at their end, where `lowerOrderFinal` is set.
const SHORT_RUN: usize = 15;

/// The order of a step by its place in the run.
#[derive(Debug, Clone, Copy)]
pub struct OrderRule {
    pub solver_order: usize,
    pub lower_order_final: bool,
    /// The last step has order 1 in any run.
    pub euler_at_final: bool,
}

impl OrderRule {
    pub fn order(&self, index: usize, steps: usize) -> usize {
        let short = self.lower_order_final && steps < SHORT_RUN;
        let limit = match steps - index {
            1 if self.euler_at_final || short => 1,
            2 if short => 2,
            _ => self.solver_order,
        };
        limit.min(self.solver_order)
    }
}

/// The options of the multistep methods.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct MultistepOptions {
    /// How many outputs a step uses: 1 to 3. Default 2.
    pub solver_order: usize,
    /// Which equation is solved. Default "dpmsolver++".
    pub algorithm_type: AlgorithmType,
    /// How a step of order 2 uses the slope. Default "midpoint".
    pub solver_type: SolverType,
    /// Lower the order in the last steps of runs under 15 steps. Default true.
    pub lower_order_final: bool,
    /// Take the last step at order 1 in any run. Default false.
    pub euler_at_final: bool,
}

impl Default for MultistepOptions {
    fn default() -> Self {
        Self {
            solver_order: 2,
            algorithm_type: AlgorithmType::DpmsolverPlusPlus,
            solver_type: SolverType::Midpoint,
            lower_order_final: true,
            euler_at_final: false,
        }
    }
}

impl MultistepOptions {
    /// The step at `index` of `steps`; a step to σ = 0 is always of order 1.
    pub fn update<'a>(&self, index: usize, steps: usize, to_zero: bool, history: &'a History) -> MultistepUpdate<'a> {
        let rule = OrderRule {
            solver_order: self.solver_order,
            lower_order_final: self.lower_order_final,
            euler_at_final: self.euler_at_final || to_zero,
        };
        let order = rule.order(index, steps).min(history.len());
        MultistepUpdate { algorithm: self.algorithm_type, solver: self.solver_type, order, history }
    }
}

/// From the model's output to what a solver works with.
#[derive(Debug, Clone, Copy)]
pub struct OutputConversion {
    pub prediction: PredictionType,
    pub thresholding: Thresholding,
    /// To the estimate of x_0, else to the noise.
    pub to_original: bool,
    /// Two where the model gives a variance as well, which is left out.
    pub outputs_per_value: usize,
}

/// How many values a model gives for each of the sample.
pub fn outputs_per_value(variance_type: Option<VarianceType>) -> usize {
    if variance_type.is_some_and(VarianceType::is_learned) { 2 } else { 1 }
}

impl OutputConversion {
    /// The converted output, and the estimate of x_0 where it is made.
    pub fn apply(&self, input: &StepInput, level: NoiseLevel) -> (Vec<f32>, Option<Vec<f32>>) {
        let (output, _) = input.split_output(self.outputs_per_value);
        if !self.to_original && !self.thresholding.thresholding {
            return (self.prediction.noise(&output, input.sample, level.coefficients()), None);
        }
        let mut original = self.prediction.original_sample(&output, input.sample, level.coefficients());
        self.thresholding.apply(&mut original, input.batch());
        if self.to_original {
            return (original.clone(), Some(original));
        }
        (noise_of_original(&original, input.sample, level.coefficients()), Some(original))
    }
}

/// A step that uses the outputs of the steps before it (DPM-Solver++, algorithm 2, and its third-order analogue).
#[derive(Debug, Clone, Copy)]
pub struct MultistepUpdate<'a> {
    pub algorithm: AlgorithmType,
    pub solver: SolverType,
    /// 1 to 3, and at most as many as there are outputs.
    pub order: usize,
    pub history: &'a History,
}

impl MultistepUpdate<'_> {
    /// The step from the sample at the noise level `from` to the level `to`; the nodes of the history are λ.
    pub fn solve(&self, sample: &[f32], noise: &[f32], to: NoiseLevel, from: NoiseLevel) -> Vec<f32> {
        let weights = StepWeights::new(self.algorithm, from, to);
        let h = to.lambda - from.lambda;
        let lambda = |age: usize| self.history.node(age) as f32;
        let newest = self.history.get(0);
        let base = [(weights.sample, sample), (weights.constant, newest)];
        // A step of no length leaves the sample as it is, and the differences have no weight.
        match if h == 0.0 { 1 } else { self.order } {
            1 => weighted_sum([base[0], base[1], (weights.noise, noise)]),
            2 => {
                let slope = difference(newest, self.history.get(1), (lambda(0) - lambda(1)) / h);
                let slope = (weights.first_difference(self.solver), slope.as_slice());
                weighted_sum([base[0], base[1], slope, (weights.noise, noise)])
            }
            _ => {
                let r0 = (lambda(0) - lambda(1)) / h;
                let r1 = (lambda(1) - lambda(2)) / h;
                let recent = difference(newest, self.history.get(1), r0);
                let older = difference(self.history.get(1), self.history.get(2), r1);
                let curvature = difference(&recent, &older, r0 + r1);
                let slope = weighted_sum([(1.0, &recent), (r0, &curvature)]);
                let differences = [(weights.linear, slope.as_slice()), (weights.quadratic, curvature.as_slice())];
                weighted_sum([base[0], base[1], differences[0], differences[1], (weights.noise, noise)])
            }
        }
    }
}

pub fn check_order(order: usize) -> Result<()> {
    if (1..=3).contains(&order) { Ok(()) } else { Err(invalid_option("solverOrder", "1 to 3", order)) }
}

/// In terms of the noise, the last step to σ = 0 has no solution.
pub fn check_final_sigma(algorithm: AlgorithmType, last: FinalSigmasType) -> Result<()> {
    if algorithm.predicts_original() || last == FinalSigmasType::SigmaMin {
        return Ok(());
    }
    let got = "\"zero\" with an algorithmType that is not \"dpmsolver++\" or \"sde-dpmsolver++\"";
    Err(invalid_option("finalSigmasType", "\"sigma_min\"", got))
}
