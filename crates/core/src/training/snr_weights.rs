//! Factors on each sample's squared error by its signal-to-noise ratio.

use crate::schedulers::{PredictionType, Scheduler};
use crate::{Error, Result};

/// A factor for each timestep; none where all are 1.
///
/// With `gamma`, min-SNR-γ (Hang et al. 2023, section 3.4): min(SNR, γ) as a weight on the error of the clean picture,
/// which is min(SNR, γ)/SNR on that of the noise and min(SNR, γ)/(SNR + 1) on that of the velocity. Without it, SNR on
/// the error of the clean picture, as diffusers' `train_unconditional.py` has it, which weighs like the error of the
/// noise.
pub fn snr_weights(scheduler: &dyn Scheduler, timesteps: &[f64], gamma: Option<f64>) -> Result<Vec<f32>> {
    let prediction = scheduler.prediction_type();
    if gamma.is_none() && prediction != PredictionType::Sample {
        return Ok(Vec::new());
    }
    timesteps.iter().map(|&t| weight(signal_to_noise(scheduler, t)?, gamma, prediction)).collect()
}

/// a²/s² of x_t = a·x_0 + s·z.
fn signal_to_noise(scheduler: &dyn Scheduler, timestep: f64) -> Result<f64> {
    let (signal, deviation) = scheduler.forward_coefficients(timestep)?;
    Ok((f64::from(signal) / f64::from(deviation)).powi(2))
}

fn weight(snr: f64, gamma: Option<f64>, prediction: PredictionType) -> Result<f32> {
    let capped = gamma.map_or(snr, |gamma| snr.min(gamma));
    match prediction {
        // Pure noise has SNR 0, where the quotient tends to 1.
        PredictionType::Epsilon if snr == 0.0 => Ok(1.0),
        PredictionType::Epsilon => Ok((capped / snr) as f32),
        PredictionType::VPrediction => Ok((capped / (snr + 1.0)) as f32),
        PredictionType::Sample => Ok(capped as f32),
        PredictionType::FlowPrediction => {
            Err(Error::Unsupported("snrGamma with a flow-matching scheduler; use DDPMScheduler".into()))
        }
    }
}
