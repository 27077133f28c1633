//! The variance that one step adds, read off the step: noise of ones against noise of zeros.

use crate::sampling::{SHAPE, SIZE, prepared, scheduler};
use emberwing_core::schedulers::{Scheduler, StepInput, StepOptions};

/// σ² of the step at `t`.
fn variance(scheduler: &mut dyn Scheduler, t: f64, options: &StepOptions) -> f64 {
    let (sample, output) = (vec![0.0; SIZE], vec![0.0; SIZE * scheduler.outputs_per_value()]);
    let mut prev_sample = |noise: f32| {
        let noise = vec![noise; SIZE];
        let input =
            StepInput { model_output: &output, timestep: t, sample: &sample, shape: &SHAPE, options, noise: &noise };
        scheduler.step(input).unwrap().prev_sample[0]
    };
    f64::from(prev_sample(1.0) - prev_sample(0.0)).powi(2)
}

fn assert_variance(what: &str, got: f64, want: f64) {
    assert!(
        (got - want).abs() <= 1e-5 * want.max(1.0) && (got - want).abs() <= 5e-3 * want,
        "{what}: got {got}, want {want}"
    );
}

fn ddpm(variance_type: &str, t: f64) -> f64 {
    let config = format!(r#"{{"varianceType":"{variance_type}"}}"#);
    variance(scheduler("DDPMScheduler", &config).as_mut(), t, &StepOptions::default())
}

#[test]
fn ddpm_between_neighbouring_timesteps() {
    for (t, small, large) in
        [(1.0, 5.453_479e-5, 1.199_245e-4), (500.0, 0.010_051_27, 0.010_059_89), (999.0, 0.019_999_96, 0.019_999_98)]
    {
        assert_variance("fixed_small", ddpm("fixed_small", t), small);
        assert_variance("fixed_small_log", ddpm("fixed_small_log", t), small);
        assert_variance("fixed_large", ddpm("fixed_large", t), large);
        assert_variance("fixed_large_log", ddpm("fixed_large_log", t), large);
        // A prediction of 0 lies in the middle of the two logarithms.
        assert_variance("learned_range", ddpm("learned_range", t), (small * large).sqrt());
        assert_variance("learned", ddpm("learned", t), 0.0);
    }
}

#[test]
fn ddpm_adds_no_noise_at_the_last_timestep() {
    for variance_type in ["fixed_small", "fixed_large", "learned_range"] {
        let scheduler = scheduler("DDPMScheduler", &format!(r#"{{"varianceType":"{variance_type}"}}"#));
        assert_eq!(scheduler.noise_draws(0.0, &StepOptions::default()).unwrap(), 0);
        assert_eq!(scheduler.noise_draws(1.0, &StepOptions::default()).unwrap(), 1);
    }
}

#[test]
fn ddim_with_eta_1_has_ddpms_variance() {
    let options = StepOptions { eta: Some(1.0), ..Default::default() };
    for (steps, t, want) in [(50, 420.0, 0.147_71), (50, 980.0, 0.324_60), (1000, 487.0, 0.009_79), (1000, 999.0, 0.02)]
    {
        assert_variance("ddim", variance(prepared("DDIMScheduler", "{}", steps).as_mut(), t, &options), want);
    }
}

#[test]
fn ddim_draws_noise_only_with_eta() {
    let scheduler = prepared("DDIMScheduler", "{}", 50);
    assert_eq!(scheduler.noise_draws(420.0, &StepOptions::default()).unwrap(), 0);
    assert_eq!(scheduler.noise_draws(420.0, &StepOptions { eta: Some(0.5), ..Default::default() }).unwrap(), 1);
}

/// Without clipping the corrected prediction is the prediction; with clipping it is not.
#[test]
fn ddim_corrects_the_prediction_after_clipping() {
    let sample: Vec<f32> = (0..SIZE).map(|i| 3.0 * (0.1 * i as f32).sin()).collect();
    let output = vec![0.1; SIZE];
    let step = |config: &str, corrected: bool| {
        let options = StepOptions { use_clipped_model_output: Some(corrected), ..Default::default() };
        let input = StepInput {
            model_output: &output,
            timestep: 500.0,
            sample: &sample,
            shape: &SHAPE,
            options: &options,
            noise: &[],
        };
        prepared("DDIMScheduler", config, 10).step(input).unwrap().prev_sample
    };
    let difference = |config: &str| {
        let (plain, corrected) = (step(config, false), step(config, true));
        plain.iter().zip(&corrected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(difference(r#"{"clipSample":false}"#) < 1e-5);
    assert!(difference("{}") > 1e-2);
}
