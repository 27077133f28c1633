//! Whole runs of the schedulers of distilled models and of the EDM wrapping: Σ|x| at the end.

use crate::sampling::{SHAPE, SIZE, assert_sum, initial_sample, model, prepared, run_seeded, sample};
use emberwing_core::random::Generator;
use emberwing_core::schedulers::{SetTimesteps, StepInput, StepOptions};

#[test]
fn lcm() {
    for (steps, want) in [(1, 18.70968), (10, 197.7616)] {
        let x = run_seeded(prepared("LCMScheduler", "{}", steps).as_mut(), sample());
        assert_sum(&format!("{steps} steps"), &x, want);
    }
}

#[test]
fn tcd_without_noise() {
    let options = StepOptions { eta: Some(0.0), ..Default::default() };
    for (steps, want) in [(1, 29.8715), (10, 181.2040)] {
        let mut scheduler = prepared("TCDScheduler", "{}", steps);
        let mut x = sample();
        for t in scheduler.timesteps().to_vec() {
            let input = StepInput {
                model_output: &model(&x, t),
                timestep: t,
                sample: &x,
                shape: &SHAPE,
                options: &options,
                noise: &[],
            };
            x = scheduler.step(input).unwrap().prev_sample;
        }
        assert_sum(&format!("{steps} steps"), &x, want);
    }
}

#[test]
fn edm_euler() {
    let mut scheduler = prepared("EDMEulerScheduler", r#"{"numTrainTimesteps":256}"#, 10);
    let x = initial_sample(scheduler.as_ref());
    assert_sum("ten steps", &run_seeded(scheduler.as_mut(), x), 34.18554);
}

/// The sums are those that diffusers' own tests assert.
#[test]
fn consistency_model() {
    let config = r#"{"numTrainTimesteps":201}"#;
    let mut scheduler = prepared("CMStochasticIterativeScheduler", config, 1);
    let x = initial_sample(scheduler.as_ref());
    assert_sum("one step", &run_seeded(scheduler.as_mut(), x.clone()), 192.7614);
    let two = SetTimesteps { timesteps: Some(vec![106.0, 0.0]), ..Default::default() };
    scheduler.set_timesteps(&two).unwrap();
    assert_sum("two steps", &run_seeded(scheduler.as_mut(), x), 347.6357);
}

#[test]
fn the_timesteps_are_those_of_the_distillation() {
    let scheduler = prepared("LCMScheduler", "{}", 4);
    assert_eq!(scheduler.timesteps(), [999.0, 759.0, 499.0, 259.0]);
    let mut scheduler = prepared("LCMScheduler", "{}", 4);
    let half = SetTimesteps { num_inference_steps: Some(2), strength: Some(0.5), ..Default::default() };
    scheduler.set_timesteps(&half).unwrap();
    assert_eq!(scheduler.timesteps(), [499.0, 259.0]);
    let own =
        SetTimesteps { timesteps: Some(vec![999.0, 759.0, 499.0, 259.0]), strength: Some(0.5), ..Default::default() };
    scheduler.set_timesteps(&own).unwrap();
    assert_eq!(scheduler.timesteps(), [499.0, 259.0]);
    let fewer = SetTimesteps { original_inference_steps: Some(10), ..half };
    scheduler.set_timesteps(&fewer).unwrap();
    assert_eq!(scheduler.timesteps(), [499.0, 299.0]);
}

/// The last step of a run draws no noise, the others do.
#[test]
fn noise_between_the_steps_only() {
    let mut scheduler = prepared("LCMScheduler", "{}", 3);
    let mut generator = Generator::new(0);
    let mut draws = Vec::new();
    let mut x = sample();
    for t in scheduler.timesteps().to_vec() {
        draws.push(scheduler.noise_draws(t, &StepOptions::default()).unwrap());
        let noise = generator.randn(draws[draws.len() - 1] * SIZE);
        x = crate::sampling::step(scheduler.as_mut(), &model(&x, t), t, &x, &noise).prev_sample;
    }
    assert_eq!(draws, [1, 1, 0]);
}
