//! The variances β_t of the forward process, every schedule once.
//!
//! A checkpoint is trained with the float32 tables of torch, so these are the same to the bit: `linspace`, `cumprod` and
//! `exp` round as torch does. (Not so after the zero-SNR shift, where torch's square root is off by its last bit.)

use super::record::invalid_option;
use crate::Result;
use serde::{Deserialize, Serialize};

/// How β grows with t.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    /// β grows evenly (Ho et al. 2020).
    Linear,
    /// √β grows evenly (Rombach et al. 2022: latent diffusion, Stable Diffusion).
    ScaledLinear,
    /// ᾱ follows a squared cosine (Nichol and Dhariwal 2021, equation 17).
    SquaredcosCapV2,
    /// β follows a logistic curve (Xu et al. 2022: GeoDiff).
    Sigmoid,
    /// The log signal-to-noise ratio has a Laplace distribution (Hang and Gu 2024).
    Laplace,
    /// ᾱ falls exponentially.
    Exp,
}

/// The options of a forward process in discrete steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct NoiseSchedule {
    /// The number of steps that the model was trained on. Default 1000.
    pub num_train_timesteps: usize,
    /// The first β. Default 0.0001.
    pub beta_start: f64,
    /// The last β. Default 0.02.
    pub beta_end: f64,
    /// How β gets from the first to the last. Default "linear".
    pub beta_schedule: BetaSchedule,
    /// Every β itself, in place of a schedule. Default null.
    pub trained_betas: Option<Vec<f64>>,
}

impl Default for NoiseSchedule {
    fn default() -> Self {
        Self {
            num_train_timesteps: 1000,
            beta_start: 0.0001,
            beta_end: 0.02,
            beta_schedule: BetaSchedule::Linear,
            trained_betas: None,
        }
    }
}

impl NoiseSchedule {
    /// The first and last β of Stable Diffusion.
    pub fn latent_diffusion() -> Self {
        Self { beta_start: 0.00085, beta_end: 0.012, ..Self::default() }
    }

    pub fn betas(&self) -> Result<Vec<f32>> {
        self.check()?;
        if let Some(betas) = &self.trained_betas {
            return Ok(betas.iter().map(|beta| *beta as f32).collect());
        }
        let count = self.num_train_timesteps;
        Ok(match self.beta_schedule {
            BetaSchedule::Linear => linspace(self.beta_start as f32, self.beta_end as f32, count),
            BetaSchedule::ScaledLinear => {
                let roots = linspace(self.beta_start.sqrt() as f32, self.beta_end.sqrt() as f32, count);
                roots.into_iter().map(|root| root * root).collect()
            }
            BetaSchedule::Sigmoid => self.sigmoid_betas(),
            BetaSchedule::SquaredcosCapV2 => betas_for_alpha_bar(count, squared_cosine),
            BetaSchedule::Laplace => betas_for_alpha_bar(count, laplace),
            BetaSchedule::Exp => betas_for_alpha_bar(count, |u| (u * -12.0).exp()),
        })
    }

    fn sigmoid_betas(&self) -> Vec<f32> {
        let (scale, start) = ((self.beta_end - self.beta_start) as f32, self.beta_start as f32);
        let logistic = |x: f32| 1.0 / (1.0 + torch_exp(-x));
        linspace(-6.0, 6.0, self.num_train_timesteps).into_iter().map(|x| logistic(x) * scale + start).collect()
    }

    fn check(&self) -> Result<()> {
        let count = self.num_train_timesteps;
        if count == 0 {
            return Err(invalid_option("numTrainTimesteps", "at least 1", count));
        }
        let is_variance = |beta: f64| (0.0..=1.0).contains(&beta);
        for (key, beta) in [("betaStart", self.beta_start), ("betaEnd", self.beta_end)] {
            if !is_variance(beta) {
                return Err(invalid_option(key, "a variance from 0 to 1", beta));
            }
        }
        let Some(betas) = &self.trained_betas else { return Ok(()) };
        if betas.len() != count {
            return Err(invalid_option("trainedBetas", format!("numTrainTimesteps = {count} values"), betas.len()));
        }
        match betas.iter().find(|beta| !is_variance(**beta)) {
            Some(beta) => Err(invalid_option("trainedBetas", "variances from 0 to 1", beta)),
            None => Ok(()),
        }
    }
}

/// ᾱ(u) = cos²((u + 0.008)/1.008·π/2).
fn squared_cosine(u: f64) -> f64 {
    let root = ((u + 0.008) / 1.008 * std::f64::consts::PI / 2.0).cos();
    root * root
}

/// ᾱ(u) = √(snr/(1 + snr)) with ln snr = −½·sgn(½ − u)·ln(1 − 2·|½ − u| + 1e-6).
fn laplace(u: f64) -> f64 {
    let side = 1.0_f64.copysign(0.5 - u);
    let ratio = (-0.5 * side * (1.0 - 2.0 * (0.5 - u).abs() + 1e-6).ln()).exp();
    (ratio / (1.0 + ratio)).sqrt()
}

/// β_i = min(1 − ᾱ((i+1)/T)/ᾱ(i/T), 0.999): the cap keeps the last steps from a singularity.
fn betas_for_alpha_bar(count: usize, alpha_bar: impl Fn(f64) -> f64) -> Vec<f32> {
    let at = |i: usize| alpha_bar(i as f64 / count as f64);
    (0..count).map(|i| (1.0 - at(i + 1) / at(i)).min(0.999) as f32).collect()
}

/// `torch.linspace` in float32: from both ends to the middle, one rounding an element.
pub fn linspace(start: f32, end: f32, count: usize) -> Vec<f32> {
    if count == 1 {
        return vec![start];
    }
    let step = (end - start) / (count - 1) as f32;
    let from_start = |i: usize| (i as f32).mul_add(step, start);
    let from_end = |i: usize| (-((count - 1 - i) as f32)).mul_add(step, end);
    (0..count).map(|i| if i < count / 2 { from_start(i) } else { from_end(i) }).collect()
}

/// `torch.exp` in float32, to the bit: x = q·ln 2 + r with ln 2 in two parts, then a polynomial in r (SLEEF's `expf`,
/// Shibata and Petrogalli 2020). An exactly rounded exponential differs in 3 % of the sigmoid schedule.
fn torch_exp(x: f32) -> f32 {
    let quotient = (x * std::f32::consts::LOG2_E).round_ties_even();
    let rest = quotient.mul_add(-0.693_145_75, x);
    let rest = quotient.mul_add(-1.428_606_8e-6, rest);
    let coefficients = [0.001_393_043_6, 0.008_333_361, 0.041_666_485, 0.166_666_67, 0.5];
    let polynomial = coefficients.into_iter().fold(0.000_198_527_62_f32, |sum, next| sum.mul_add(rest, next));
    (1.0 + (rest * rest).mul_add(polynomial, rest)) * quotient.exp2()
}

/// ᾱ_t = Π (1 − β): `torch.cumprod` keeps the running product in float64.
pub fn alphas_cumprod(betas: &[f32]) -> Vec<f32> {
    let product = betas.iter().scan(1.0, |product, beta| {
        *product *= f64::from(1.0 - beta);
        Some(*product as f32)
    });
    product.collect()
}

/// Shifts √ᾱ so that the last step is pure noise (Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps
/// are Flawed", algorithm 1).
pub fn rescale_zero_terminal_snr(betas: &[f32]) -> Vec<f32> {
    let roots: Vec<f32> = alphas_cumprod(betas).into_iter().map(f32::sqrt).collect();
    let (first, last) = match roots.as_slice() {
        [first, .., last] => (*first, *last),
        _ => return betas.to_vec(),
    };
    let scale = first / (first - last);
    let alphas_bar: Vec<f32> = roots.into_iter().map(|root| (root - last) * scale).map(|root| root * root).collect();
    let first_beta = alphas_bar.first().map(|alpha| 1.0 - alpha);
    first_beta.into_iter().chain(alphas_bar.windows(2).map(|pair| 1.0 - pair[1] / pair[0])).collect()
}
