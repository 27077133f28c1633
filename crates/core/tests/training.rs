//! Weights of the loss against diffusers' `compute_snr`; `test/fixtures/recipe/make.py` wrote them.

#![allow(clippy::unwrap_used)]

mod common;

use common::{assert_close, read};
use emberwing_core::schedulers::create;
use emberwing_core::training::snr_weights;
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// Within rounding: the weights span seven decades.
fn check(prediction_type: &str, gamma: Option<f64>, golden: &Value, expected: &Value) {
    let options = format!(r#"{{"betaSchedule":"squaredcos_cap_v2","predictionType":"{prediction_type}"}}"#);
    let scheduler = create("DDPMScheduler", &options).unwrap();
    let weights = snr_weights(&*scheduler, &numbers(&golden["timesteps"]), gamma).unwrap();
    let ratios: Vec<f32> = weights.iter().zip(numbers(expected)).map(|(got, want)| got / want as f32).collect();
    assert_close(prediction_type, &ratios, &vec![1.0; ratios.len()], 1e-3);
}

#[test]
fn min_snr_weights_are_those_of_diffusers() {
    let golden: Value = serde_json::from_slice(&read("recipe/expected.json")).unwrap();
    let golden = &golden["snr"];
    let gamma = golden["gamma"].as_f64();
    for (prediction_type, expected) in golden["weights"].as_object().unwrap() {
        check(prediction_type, gamma, golden, expected);
    }
    check("sample", None, golden, &golden["sample_without_gamma"]);
}

#[test]
fn noise_and_velocity_are_weighed_alike_without_gamma() {
    for prediction_type in ["epsilon", "v_prediction"] {
        let options = format!(r#"{{"predictionType":"{prediction_type}"}}"#);
        let scheduler = create("DDPMScheduler", &options).unwrap();
        assert!(snr_weights(&*scheduler, &[0.0, 999.0], None).unwrap().is_empty());
    }
}

/// With a rescaled schedule the last timestep is pure noise.
#[test]
fn pure_noise_has_a_weight() {
    for (prediction_type, expected) in [("epsilon", 1.0), ("v_prediction", 0.0)] {
        let options = format!(r#"{{"rescaleBetasZeroSnr":true,"predictionType":"{prediction_type}"}}"#);
        let scheduler = create("DDPMScheduler", &options).unwrap();
        let weights = snr_weights(&*scheduler, &[999.0], Some(5.0)).unwrap();
        assert!((weights[0] - expected).abs() < 1e-6, "{prediction_type}: {weights:?}");
    }
}
