//! The forward process in discrete steps: q(x_t | x_0) = N(√ᾱ_t·x_0, (1 − ᾱ_t)·I) (Ho et al. 2020, equation 4).

use super::betas::{NoiseSchedule, alphas_cumprod, rescale_zero_terminal_snr};
use crate::{Error, Result};

/// The tables β and ᾱ of a schedule.
#[derive(Debug, Clone)]
pub struct DiscreteProcess {
    betas: Vec<f32>,
    alphas_cumprod: Vec<f32>,
}

impl DiscreteProcess {
    pub fn new(schedule: &NoiseSchedule, zero_terminal_snr: bool) -> Result<Self> {
        let mut betas = schedule.betas()?;
        if zero_terminal_snr {
            betas = rescale_zero_terminal_snr(&betas);
        }
        let alphas_cumprod = alphas_cumprod(&betas);
        Ok(Self { betas, alphas_cumprod })
    }

    /// For samplers that count in σ = √((1 − ᾱ)/ᾱ): after the zero-SNR shift the last ᾱ is 2⁻²⁴, so that σ is finite.
    pub fn with_finite_sigmas(schedule: &NoiseSchedule, zero_terminal_snr: bool) -> Result<Self> {
        let mut process = Self::new(schedule, zero_terminal_snr)?;
        if let (true, Some(last)) = (zero_terminal_snr, process.alphas_cumprod.last_mut()) {
            *last = f32::EPSILON / 2.0;
        }
        Ok(process)
    }

    pub fn alphas_cumprod(&self) -> &[f32] {
        &self.alphas_cumprod
    }

    /// ᾱ of a timestep that a user gave.
    pub fn alpha_cumprod(&self, timestep: f64) -> Result<f32> {
        self.entry(&self.alphas_cumprod, timestep)
    }

    fn entry(&self, table: &[f32], timestep: f64) -> Result<f32> {
        let found = (timestep >= 0.0 && timestep.fract() == 0.0).then(|| table.get(timestep as usize));
        found
            .flatten()
            .copied()
            .ok_or_else(|| Error::argument("timestep", format!("an integer from 0 to {}", table.len() - 1), timestep))
    }

    /// ᾱ of a timestep that may lie before the first: there it is 1, or ᾱ_0.
    pub fn alpha_cumprod_or_final(&self, timestep: f64, set_alpha_to_one: bool) -> Result<f32> {
        match (timestep >= 0.0, set_alpha_to_one) {
            (true, _) => self.alpha_cumprod(timestep),
            (false, true) => Ok(1.0),
            (false, false) => self.alpha_cumprod(0.0),
        }
    }

    /// β of a timestep that a user gave.
    pub fn beta(&self, timestep: f64) -> Result<f32> {
        self.entry(&self.betas, timestep)
    }

    /// (√ᾱ, √(1 − ᾱ)).
    pub fn coefficients(&self, timestep: f64) -> Result<(f32, f32)> {
        let alpha_prod = self.alpha_cumprod(timestep)?;
        Ok((alpha_prod.sqrt(), (1.0 - alpha_prod).sqrt()))
    }

    pub fn table(&self, name: &str) -> Vec<f32> {
        match name {
            "betas" => self.betas.clone(),
            "alphasCumprod" => self.alphas_cumprod.clone(),
            _ => Vec::new(),
        }
    }

    /// T − 1, …, 0: the timesteps before `setTimesteps`.
    pub fn all_timesteps(&self) -> Vec<f64> {
        (0..self.betas.len()).rev().map(|t| t as f64).collect()
    }
}
