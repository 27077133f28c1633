//! Noise that is added before a step is taken (Karras et al. 2022, algorithm 2).

use super::elementwise::add_scaled;
use super::options::{StepInput, StepOptions};

/// γ: by how much a step of a run over `sigmas` noise levels raises σ first.
pub fn churn(options: &StepOptions, sigma: f32, sigmas: usize) -> f32 {
    let (min, max) = (options.s_tmin.unwrap_or(0.0) as f32, options.s_tmax.unwrap_or(f64::INFINITY) as f32);
    if !(min..=max).contains(&sigma) {
        return 0.0;
    }
    let churn = options.s_churn.unwrap_or(0.0) / (sigmas - 1) as f64;
    churn.min(std::f64::consts::SQRT_2 - 1.0) as f32
}

/// σ̂ = σ·(1 + γ) and the sample with as much noise.
pub fn raise_noise(input: &StepInput, sigma: f32, sigmas: usize) -> (f32, Vec<f32>) {
    let raised = sigma * (churn(input.options, sigma, sigmas) + 1.0);
    let mut sample = input.sample.to_vec();
    let added = (raised * raised - sigma * sigma).sqrt() * input.options.s_noise.unwrap_or(1.0) as f32;
    add_scaled(&mut sample, added, input.noise);
    (raised, sample)
}
