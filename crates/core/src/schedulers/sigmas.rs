//! Noise levels σ = √((1 − ᾱ)/ᾱ) and the curves along which a run lowers them (Karras et al. 2022, "Elucidating the
//! Design Space of Diffusion-Based Generative Models", and later proposals).

use super::beta_distribution::quantile_of_beta;
use super::betas::NoiseSchedule;
use super::process::DiscreteProcess;
use super::record::invalid_option;
use super::run::Run;
use crate::Result;
use serde::{Deserialize, Serialize};

/// The options that choose a curve; at most one may be true. Without one, the timesteps are spaced and σ follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SigmaSpacing {
    /// Even steps in σ^(1/7) (Karras et al. 2022, equation 5). Default false.
    pub use_karras_sigmas: bool,
    /// Even steps in ln σ. Default false.
    pub use_exponential_sigmas: bool,
    /// Quantiles of a beta distribution: small steps at both ends (Lee et al. 2024, "Beta Sampling is All You Need").
    /// Default false.
    pub use_beta_sigmas: bool,
}

/// Where the σ of a run follow from the last one at the bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum FinalSigmasType {
    /// The run ends without noise.
    Zero,
    /// The run ends at the smallest σ of training.
    SigmaMin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigmaCurve {
    Karras,
    Exponential,
    Beta,
}

impl SigmaSpacing {
    /// The curve that is asked for.
    pub fn curve(&self) -> Result<Option<SigmaCurve>> {
        match (self.use_karras_sigmas, self.use_exponential_sigmas, self.use_beta_sigmas) {
            (false, false, false) => Ok(None),
            (true, false, false) => Ok(Some(SigmaCurve::Karras)),
            (false, true, false) => Ok(Some(SigmaCurve::Exponential)),
            (false, false, true) => Ok(Some(SigmaCurve::Beta)),
            _ => Err(invalid_option(
                "useKarrasSigmas",
                "only one of useKarrasSigmas, useExponentialSigmas and useBetaSigmas",
                "several",
            )),
        }
    }
}

impl SigmaCurve {
    /// `count` noise levels from `max` down to `min`.
    pub fn sigmas(self, min: f64, max: f64, count: usize) -> Vec<f64> {
        match self {
            Self::Karras => karras_sigmas(min, max, 7.0, count),
            Self::Exponential => ramp(max.ln(), min.ln(), count).map(f64::exp).collect(),
            Self::Beta => ramp(1.0, 0.0, count).map(|u| min + quantile_of_beta(u, 0.6) * (max - min)).collect(),
        }
    }
}

/// (σmax^(1/ρ) + u·(σmin^(1/ρ) − σmax^(1/ρ)))^ρ with u from 0 to 1.
pub fn karras_sigmas(min: f64, max: f64, rho: f64, count: usize) -> Vec<f64> {
    ramp(max.powf(1.0 / rho), min.powf(1.0 / rho), count).map(|root| root.powf(rho)).collect()
}

/// `numpy.linspace(start, end, count)`.
pub fn ramp(start: f64, end: f64, count: usize) -> impl Iterator<Item = f64> {
    let step = (end - start) / (count.max(2) - 1) as f64;
    (0..count).map(move |i| if i > 0 && i == count - 1 { end } else { start + i as f64 * step })
}

/// The noise level of every training timestep.
#[derive(Debug, Clone)]
pub struct TrainingSigmas {
    process: DiscreteProcess,
    sigmas: Vec<f64>,
    log_sigmas: Vec<f64>,
}

impl TrainingSigmas {
    /// After the zero-SNR shift the last ᾱ is 2⁻²⁴, so that σ is finite.
    pub fn new(schedule: &NoiseSchedule, zero_terminal_snr: bool) -> Result<Self> {
        let process = DiscreteProcess::with_finite_sigmas(schedule, zero_terminal_snr)?;
        let sigmas: Vec<f32> = process.alphas_cumprod().iter().map(|a| ((1.0 - a) / a).sqrt()).collect();
        let log_sigmas = sigmas.iter().map(|sigma| f64::from(sigma.ln())).collect();
        Ok(Self { process, sigmas: sigmas.into_iter().map(f64::from).collect(), log_sigmas })
    }

    pub fn process(&self) -> &DiscreteProcess {
        &self.process
    }

    /// All training timesteps: what there is before `setTimesteps`.
    pub fn whole_run(&self) -> Run {
        let sigmas = self.sigmas.iter().rev().copied().chain([0.0]);
        Run::new(self.process.all_timesteps(), sigmas)
    }

    pub fn len(&self) -> usize {
        self.sigmas.len()
    }

    pub fn min(&self) -> f64 {
        self.sigmas.first().copied().unwrap_or_default()
    }

    pub fn max(&self) -> f64 {
        self.sigmas.last().copied().unwrap_or_default()
    }

    pub fn log_min(&self) -> f64 {
        self.log_sigmas.first().copied().unwrap_or_default()
    }

    pub fn log_max(&self) -> f64 {
        self.log_sigmas.last().copied().unwrap_or_default()
    }

    /// σ at a timestep between those of training: linear interpolation.
    pub fn at(&self, timestep: f64) -> f64 {
        let last = self.sigmas.len() - 1;
        let below = (timestep.max(0.0) as usize).min(last);
        let (low, high) = (self.sigmas[below], self.sigmas[(below + 1).min(last)]);
        low + (timestep - below as f64).clamp(0.0, 1.0) * (high - low)
    }

    /// The timestep that has this σ: linear interpolation in ln σ.
    pub fn timestep_of(&self, sigma: f64) -> f64 {
        let log_sigma = sigma.max(1e-10).ln();
        let not_above = self.log_sigmas.partition_point(|level| *level <= log_sigma);
        let below = not_above.saturating_sub(1).min(self.log_sigmas.len().saturating_sub(2));
        let (low, high) = (self.log_sigmas[below], self.log_sigmas[(below + 1).min(self.log_sigmas.len() - 1)]);
        if low == high {
            return below as f64;
        }
        let weight = ((low - log_sigma) / (low - high)).clamp(0.0, 1.0);
        (1.0 - weight) * below as f64 + weight * (below + 1) as f64
    }

    /// A run over these timesteps down to σ = 0. A curve keeps the ends and replaces what lies between.
    pub fn run(&self, timesteps: Vec<f64>, curve: Option<SigmaCurve>) -> Run {
        let sigmas: Vec<f64> = timesteps.iter().map(|t| self.at(*t)).collect();
        let (timesteps, sigmas) = match (curve, sigmas.first().zip(sigmas.last())) {
            (Some(curve), Some((max, min))) => {
                let sigmas = curve.sigmas(*min, *max, sigmas.len());
                (self.timesteps_of(&sigmas), sigmas)
            }
            _ => (timesteps, sigmas),
        };
        Run::new(timesteps, sigmas.into_iter().chain([0.0]))
    }

    pub fn timesteps_of(&self, sigmas: &[f64]) -> Vec<f64> {
        sigmas.iter().map(|sigma| self.timestep_of(*sigma)).collect()
    }

    /// The σ that a run ends with.
    pub fn last(&self, kind: FinalSigmasType) -> f64 {
        match kind {
            FinalSigmasType::Zero => 0.0,
            FinalSigmasType::SigmaMin => self.min(),
        }
    }
}
