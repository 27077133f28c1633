//! Where the steps of the multistep solvers lie (DPM-Solver, UniPC, DEIS): integer timesteps with the end left out.

use super::dpm_solver::NoiseLevel;
use super::record::invalid_option;
use super::run::Run;
use super::sigmas::{FinalSigmasType, SigmaCurve, TrainingSigmas, ramp};
use super::spacing::{Spacing, TimestepSpacing, linspace_descending, trailing};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// How a resolution-dependent shift μ acts on the noise levels of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum TimeShiftType {
    /// By e^μ.
    Exponential,
    /// By μ itself.
    Linear,
}

impl TimeShiftType {
    /// s/(s + 1/σ − 1) with s = e^μ or μ (Esser et al. 2024, "Scaling Rectified Flow Transformers").
    pub fn shift(self, mu: f64, sigma: f64) -> f64 {
        let shift = match self {
            Self::Exponential => mu.exp(),
            Self::Linear => mu,
        };
        shift / (shift + (1.0 / sigma - 1.0))
    }
}

/// The options of models that were trained as flows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct FlowSigmas {
    /// x_t = (1 − σ)·x_0 + σ·ε with σ from 1 to 0, in place of the noise schedule. Default false.
    pub use_flow_sigmas: bool,
    /// Shifts σ towards noise: s·σ/(1 + (s − 1)·σ). Default 1.
    pub flow_shift: f64,
}

impl Default for FlowSigmas {
    fn default() -> Self {
        Self { use_flow_sigmas: false, flow_shift: 1.0 }
    }
}

impl FlowSigmas {
    pub fn check(&self) -> Result<()> {
        if self.flow_shift > 0.0 {
            return Ok(());
        }
        Err(invalid_option("flowShift", "a number above 0", self.flow_shift))
    }

    /// The noise level that σ of a run stands for.
    pub fn level(&self, sigma: f32) -> NoiseLevel {
        if self.use_flow_sigmas { NoiseLevel::flow(sigma) } else { NoiseLevel::variance_preserving(sigma) }
    }

    /// The shift of a flow, if it is one.
    pub fn shift(&self) -> Option<f64> {
        self.use_flow_sigmas.then_some(self.flow_shift)
    }
}

/// The options of a shift that depends on the resolution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct DynamicShifting {
    /// `setTimesteps` is given the shift as `mu`. Default false.
    pub use_dynamic_shifting: bool,
    /// How `mu` acts. Default "exponential".
    pub time_shift_type: TimeShiftType,
}

impl Default for DynamicShifting {
    fn default() -> Self {
        Self { use_dynamic_shifting: false, time_shift_type: TimeShiftType::Exponential }
    }
}

impl DynamicShifting {
    /// `mu` belongs to dynamic shifting.
    pub fn check(&self, mu: Option<f64>) -> Result<()> {
        match mu.filter(|_| !self.use_dynamic_shifting) {
            Some(mu) => Err(Error::argument("mu", "none: useDynamicShifting is false", mu)),
            None => Ok(()),
        }
    }

    /// The shift of a flow: e^μ where μ is given.
    pub fn shift(&self, flow: &FlowSigmas, mu: Option<f64>) -> Result<Option<f64>> {
        self.check(mu)?;
        Ok(flow.shift().map(|shift| mu.map_or(shift, f64::exp)))
    }
}

/// s·σ/(1 + (s − 1)·σ).
pub fn shifted(sigma: f64, shift: f64) -> f64 {
    shift * sigma / (1.0 + (shift - 1.0) * sigma)
}

/// How the noise levels of a run follow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SolverCurve {
    /// From the timesteps.
    Spaced,
    Curve(SigmaCurve),
    /// Even steps of ln σ (Lu et al. 2022), between the ends of training.
    Lu,
    /// Those of a flow with this shift.
    Flow(f64),
}

/// A run: the timesteps, not yet rounded where a curve gave them, and the noise levels without the last.
pub fn solver_steps(training: &TrainingSigmas, curve: SolverCurve, timesteps: Vec<f64>) -> (Vec<f64>, Vec<f64>) {
    let count = timesteps.len();
    let sigmas: Vec<f64> = match curve {
        SolverCurve::Spaced => timesteps.iter().map(|t| training.at(*t)).collect(),
        SolverCurve::Curve(curve) => curve.sigmas(training.min(), training.max(), count),
        SolverCurve::Lu => ramp(training.log_max(), training.log_min(), count).map(f64::exp).collect(),
        SolverCurve::Flow(shift) => {
            let train = training.len() as f64;
            // σ = 1 − α with α from 1/T to 1, as numpy computes it: the products with T are cut to integers.
            let mut sigmas: Vec<f64> = ramp(1.0, 1.0 / train, count + 1).skip(1).map(|alpha| 1.0 - alpha).collect();
            sigmas.reverse();
            return flow_steps(train, sigmas.into_iter().map(|sigma| shifted(sigma, shift)));
        }
    };
    match curve {
        SolverCurve::Spaced => (timesteps, sigmas),
        _ => (training.timesteps_of(&sigmas), sigmas),
    }
}

/// The timesteps T·σ of a flow's noise levels.
pub fn flow_steps(train: f64, sigmas: impl Iterator<Item = f64>) -> (Vec<f64>, Vec<f64>) {
    let sigmas: Vec<f64> = sigmas.collect();
    (sigmas.iter().map(|sigma| sigma * train).collect(), sigmas)
}

/// `count` integer timesteps below `end`, which is T unless the first steps are left out.
pub fn solver_timesteps(spacing: &Spacing, train: usize, end: usize, count: usize) -> Result<Vec<f64>> {
    let timesteps: Vec<f64> = match spacing.timestep_spacing {
        TimestepSpacing::Linspace => {
            let with_end = linspace_descending(end, count + 1);
            with_end.into_iter().take(count).map(f64::round_ties_even).collect()
        }
        TimestepSpacing::Leading => {
            let stride = end / (count + 1);
            if stride == 0 {
                return Err(too_many_leading(end, count));
            }
            (1..=count).rev().map(|i| (i * stride + spacing.steps_offset) as f64).collect()
        }
        TimestepSpacing::Trailing => trailing(train, end, count),
    };
    match timesteps.first() {
        Some(first) if *first >= train as f64 => {
            let expected =
                format!("fewer steps: with stepsOffset {} the first timestep is {first}", spacing.steps_offset);
            Err(Error::argument("numInferenceSteps", expected, count))
        }
        _ => Ok(timesteps),
    }
}

/// "leading" spacing of the solvers leaves out one step more than it takes.
pub fn too_many_leading(end: usize, count: usize) -> Error {
    let expected = format!("less than {end} with timestepSpacing \"leading\", or another timestepSpacing");
    Error::argument("numInferenceSteps", expected, count)
}

/// Below which timestep a run starts where the noisiest have a λ below the limit: T, less as many as have.
pub fn first_unclipped(training: &TrainingSigmas, limit: Option<f64>) -> usize {
    let train = training.len();
    let Some(limit) = limit else { return train };
    let lambda = |alpha: &f32| f64::from(alpha.sqrt().ln() - (1.0 - alpha).sqrt().ln());
    let clipped = training.process().alphas_cumprod().iter().rev().take_while(|alpha| lambda(alpha) < limit).count();
    (train - clipped).max(1)
}

/// Where a run of a solver ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    Final(FinalSigmasType),
    /// At its last noise level, again; with spaced timesteps at the lowest of training.
    Repeated,
}

/// The run over a curve. Some curves' timesteps are rounded, the others' are cut, as in diffusers.
pub fn solver_run(
    training: &TrainingSigmas,
    curve: SolverCurve,
    timesteps: Vec<f64>,
    rounds: bool,
    end: RunEnd,
) -> Run {
    let (timesteps, sigmas) = solver_steps(training, curve, timesteps);
    let whole = |t: f64| if rounds { t.round_ties_even() } else { t.trunc() };
    let last = match end {
        RunEnd::Final(kind) => training.last(kind),
        RunEnd::Repeated if curve == SolverCurve::Spaced => training.min(),
        RunEnd::Repeated => sigmas.last().copied().unwrap_or_default(),
    };
    Run::new(timesteps.into_iter().map(whole).collect(), sigmas.into_iter().chain([last]))
}

impl SolverCurve {
    /// A curve where one is asked for, else that of a flow where there is a shift.
    pub fn new(curve: Option<SigmaCurve>, flow_shift: Option<f64>) -> Self {
        match (curve, flow_shift) {
            (Some(curve), _) => Self::Curve(curve),
            (None, Some(shift)) => Self::Flow(shift),
            (None, None) => Self::Spaced,
        }
    }

    pub fn is_karras(self) -> bool {
        self == Self::Curve(SigmaCurve::Karras)
    }
}
