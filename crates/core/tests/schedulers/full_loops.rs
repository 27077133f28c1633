//! Whole runs over diffusers' deterministic sample: Σ|x| at the end.

use crate::sampling::{assert_sum, at, noise, prepared, run, run_seeded, sample, scheduler};
use emberwing_core::random::Generator;

/// Ten steps from the deterministic sample.
fn ten_steps(class_name: &str, config: &str) -> Vec<f32> {
    run_seeded(prepared(class_name, config, 10).as_mut(), sample())
}

#[test]
fn ddpm_without_set_timesteps() {
    let run = |config| run_seeded(scheduler("DDPMScheduler", config).as_mut(), sample());
    let epsilon = run("{}");
    assert_sum("epsilon", &epsilon, 258.9611);
    for (w, want) in [-0.280_616, -0.424_899, -0.082_318].into_iter().enumerate() {
        assert!((at(&epsilon, [0, 0, 0, w]) - want).abs() < 1e-4);
    }
    assert_sum("v", &run(r#"{"predictionType":"v_prediction"}"#), 202.0299);
}

#[test]
fn ddpm_without_noise() {
    let run = |config| run(scheduler("DDPMScheduler", config).as_mut(), sample(), 0..1000, |_, size| vec![0.0; size]);
    assert_sum("epsilon", &run("{}"), 0.660_943);
    assert_sum("v", &run(r#"{"predictionType":"v_prediction"}"#), 0.113_224);
}

#[test]
fn ddpm_from_a_noisy_sample() {
    let mut scheduler = scheduler("DDPMScheduler", "{}");
    let x = scheduler.add_noise(&sample(), &noise(), &[scheduler.timesteps()[998]]).unwrap();
    let mut generator = Generator::new(0);
    let x = run(scheduler.as_mut(), x, 998..1000, |_, size| generator.randn(size));
    assert_sum("noise at 998", &x, 387.9466);
}

#[test]
fn ddim_of_ten_steps() {
    let epsilon = ten_steps("DDIMScheduler", "{}");
    assert_sum("epsilon", &epsilon, 172.0067);
    assert!((at(&epsilon, [1, 1, 2, 3]) - 0.194_475).abs() < 1e-5);
    for (config, want) in [
        (r#"{"predictionType":"v_prediction"}"#, 52.53021),
        (r#"{"betaStart":0.01}"#, 149.8295),
        (r#"{"betaStart":0.01,"setAlphaToOne":false}"#, 149.0784),
        (r#"{"betaStart":0.00085,"betaEnd":0.012,"betaSchedule":"scaled_linear"}"#, 181.6139),
    ] {
        assert_sum(config, &ten_steps("DDIMScheduler", config), want);
    }
}

#[test]
fn unclip_without_set_timesteps() {
    assert_sum("epsilon", &run_seeded(scheduler("UnCLIPScheduler", "{}").as_mut(), sample()), 252.2693);
}

#[test]
fn ddim_inverse_of_ten_steps() {
    assert_sum("epsilon", &ten_steps("DDIMInverseScheduler", "{}"), 671.6816);
    assert_sum("v", &ten_steps("DDIMInverseScheduler", r#"{"predictionType":"v_prediction"}"#), 1394.2186);
}

#[test]
fn ddim_from_a_noisy_sample() {
    let mut scheduler = prepared("DDIMScheduler", "{}", 10);
    let x = scheduler.add_noise(&sample(), &noise(), &[scheduler.timesteps()[8]]).unwrap();
    assert_sum("noise at 8", &run(scheduler.as_mut(), x, 8..10, |_, _| Vec::new()), 354.5418);
}
