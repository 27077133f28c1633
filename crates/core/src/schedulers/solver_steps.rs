//! Where the steps of the multistep solvers lie (DPM-Solver, UniPC, DEIS): integer timesteps with the end left out.

use super::dpm_solver::NoiseLevel;
use super::record::invalid_option;
use super::sigmas::{SigmaCurve, TrainingSigmas, ramp};
use super::spacing::{Spacing, TimestepSpacing};
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
    /// s/(s + 1/σ − 1) with s = e^μ or μ (Esser et al. 2024, "Scaling Rectified Flow Transformers", section 5.3.2).
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
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct FlowSigmas {
    /// x_t = (1 − σ)·x_0 + σ·ε with σ from 1 to 0, in place of the noise schedule. Default false.
    pub use_flow_sigmas: bool,
    /// Shifts σ towards noise: s·σ/(1 + (s − 1)·σ). Default 1.
    pub flow_shift: f64,
    /// `setTimesteps` is given the shift as `mu`. Default false.
    pub use_dynamic_shifting: bool,
    /// How `mu` acts. Default "exponential".
    pub time_shift_type: TimeShiftType,
}

impl Default for FlowSigmas {
    fn default() -> Self {
        Self {
            use_flow_sigmas: false,
            flow_shift: 1.0,
            use_dynamic_shifting: false,
            time_shift_type: TimeShiftType::Exponential,
        }
    }
}

impl FlowSigmas {
    /// The noise level that σ of a run stands for.
    pub fn level(&self, sigma: f32) -> NoiseLevel {
        if self.use_flow_sigmas { NoiseLevel::flow(sigma) } else { NoiseLevel::variance_preserving(sigma) }
    }

    pub fn check(&self) -> Result<()> {
        if self.flow_shift > 0.0 {
            return Ok(());
        }
        Err(invalid_option("flowShift", "a number above 0", self.flow_shift))
    }

    /// `mu` belongs to dynamic shifting.
    pub fn check_mu(&self, mu: Option<f64>) -> Result<()> {
        match mu {
            Some(mu) if !self.use_dynamic_shifting => {
                Err(Error::argument("mu", "none: useDynamicShifting is false", mu))
            }
            _ => Ok(()),
        }
    }

    /// The shift of a run: e^μ where μ is given.
    pub fn shift(&self, mu: Option<f64>) -> Result<f64> {
        self.check_mu(mu)?;
        Ok(mu.map_or(self.flow_shift, f64::exp))
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
            return flow_steps(train, ramp(1.0 - 1.0 / train, 0.0, count + 1).take(count).map(|s| shifted(s, shift)));
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
            ramp((end - 1) as f64, 0.0, count + 1).take(count).map(f64::round_ties_even).collect()
        }
        TimestepSpacing::Leading => {
            let stride = end / (count + 1);
            if stride == 0 {
                return Err(Error::argument("numInferenceSteps", format!("less than {end}"), count));
            }
            (1..=count).rev().map(|i| (i * stride + spacing.steps_offset) as f64).collect()
        }
        TimestepSpacing::Trailing => {
            let stride = train as f64 / count as f64;
            let steps = (0..count).map(|i| end as f64 - i as f64 * stride).take_while(|t| *t > 0.0);
            steps.map(|t| t.round_ties_even() - 1.0).collect()
        }
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
