//! Whole runs of the samplers that count in σ: Σ|x| at the end.

use crate::sampling::{assert_sum, initial_sample, noise, prepared, run_on_scaled, run_seeded};

/// Ten steps as diffusers' tests take them, after 1100 training steps.
fn ten_steps(class_name: &str, options: &str) -> Vec<f32> {
    let config = format!(r#"{{"numTrainTimesteps":1100,"betaStart":0.0001,"betaEnd":0.02{options}}}"#);
    let mut scheduler = prepared(class_name, &config, 10);
    let (x, steps) = (initial_sample(scheduler.as_ref()), scheduler.timesteps().len());
    run_on_scaled(scheduler.as_mut(), x, 0..steps)
}

/// The last steps from `start` on, after the forward process to there.
fn last_steps(class_name: &str, start: usize) -> Vec<f32> {
    let config = r#"{"numTrainTimesteps":1100,"betaStart":0.0001,"betaEnd":0.02}"#;
    let mut scheduler = prepared(class_name, config, 10);
    let x =
        scheduler.add_noise(&initial_sample(scheduler.as_ref()), &noise(), &[scheduler.timesteps()[start]]).unwrap();
    let steps = scheduler.timesteps().len();
    run_on_scaled(scheduler.as_mut(), x, start..steps)
}

#[test]
fn ten_steps_on_scaled_samples() {
    let v = r#","predictionType":"v_prediction""#;
    let karras = r#","useKarrasSigmas":true"#;
    for (class_name, options, want) in [
        ("EulerDiscreteScheduler", "", 10.08068),
        ("EulerDiscreteScheduler", karras, 124.5226),
        ("EulerAncestralDiscreteScheduler", "", 152.3193),
        ("EulerAncestralDiscreteScheduler", v, 108.4439),
        ("HeunDiscreteScheduler", "", 0.123_331),
        ("LMSDiscreteScheduler", "", 1006.388),
        ("LMSDiscreteScheduler", v, 0.001_742),
        ("LMSDiscreteScheduler", karras, 3812.993),
        ("KDPM2DiscreteScheduler", "", 20.41249),
        ("KDPM2AncestralDiscreteScheduler", "", 13979.94),
        ("KDPM2AncestralDiscreteScheduler", v, 331.8133),
    ] {
        assert_sum(&format!("{class_name} {options}"), &ten_steps(class_name, options), want);
    }
}

#[test]
fn two_steps_from_a_noisy_sample() {
    for (class_name, start, want) in [
        ("EulerDiscreteScheduler", 8, 57062.93),
        ("EulerAncestralDiscreteScheduler", 8, 56163.05),
        ("HeunDiscreteScheduler", 16, 75074.89),
        ("LMSDiscreteScheduler", 8, 27663.69),
        ("KDPM2DiscreteScheduler", 16, 70408.41),
    ] {
        assert_sum(class_name, &last_steps(class_name, start), want);
    }
}

#[test]
fn as_a_pipeline_runs_them() {
    let latent = r#""betaSchedule":"scaled_linear","betaStart":0.00085,"betaEnd":0.012"#;
    for (class_name, options, want) in [
        ("EulerDiscreteScheduler", "", 178.7762),
        ("EulerDiscreteScheduler", r#","timestepSpacing":"leading","stepsOffset":1,"useKarrasSigmas":true"#, 181.9658),
        ("EulerAncestralDiscreteScheduler", "", 248.8569),
        ("HeunDiscreteScheduler", "", 236.6375),
        ("LMSDiscreteScheduler", "", 198.5586),
    ] {
        let mut scheduler = prepared(class_name, &format!("{{{latent}{options}}}"), 10);
        let x = initial_sample(scheduler.as_ref());
        assert_sum(&format!("{class_name} {options}"), &run_seeded(scheduler.as_mut(), x), want);
    }
}
