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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedulers::create;
    use serde_json::Value;

    fn weights(options: &str, timesteps: &[f64], gamma: Option<f64>) -> Vec<f32> {
        snr_weights(&*create("DDPMScheduler", options).unwrap(), timesteps, gamma).unwrap()
    }

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    }

    /// diffusers' `compute_snr`; `make.py` beside the file wrote it.
    #[test]
    fn weights_are_those_of_diffusers() {
        let golden = include_str!("../../../../test/fixtures/recipe/expected.json");
        let golden: Value = serde_json::from_str(golden).unwrap();
        let golden = &golden["snr"];
        let gamma = golden["gamma"].as_f64();
        let mut cases: Vec<_> =
            golden["weights"].as_object().unwrap().iter().map(|(kind, w)| (&**kind, gamma, w)).collect();
        cases.push(("sample", None, &golden["sample_without_gamma"]));
        for (prediction_type, gamma, expected) in cases {
            let options = format!(r#"{{"betaSchedule":"squaredcos_cap_v2","predictionType":"{prediction_type}"}}"#);
            let got = weights(&options, &numbers(&golden["timesteps"]), gamma);
            // Relative, because the weights span nine decades.
            for (got, want) in got.into_iter().zip(numbers(expected)) {
                assert!((f64::from(got) / want - 1.0).abs() < 1e-3, "{prediction_type}: got {got}, want {want}");
            }
        }
    }

    #[test]
    fn noise_and_velocity_are_weighed_alike_without_gamma() {
        for prediction_type in ["epsilon", "v_prediction"] {
            let options = format!(r#"{{"predictionType":"{prediction_type}"}}"#);
            assert!(weights(&options, &[0.0, 999.0], None).is_empty());
        }
    }

    /// With a rescaled schedule the last timestep is nearly pure noise.
    #[test]
    fn pure_noise_has_a_weight() {
        for (prediction_type, expected) in [("epsilon", 1.0), ("v_prediction", 0.0)] {
            let options = format!(r#"{{"rescaleBetasZeroSnr":true,"predictionType":"{prediction_type}"}}"#);
            let got = weights(&options, &[999.0], Some(5.0));
            assert!((got[0] - expected).abs() < 1e-6, "{prediction_type}: {got:?}");
        }
    }
}
