//! DDPM with noise that needs no random numbers: z[i] = sin(0.37·i + k) at step k.

use crate::sampling::{SIZE, assert_sum, at, prepared, run, sample};

fn injected(k: usize, size: usize) -> Vec<f32> {
    (0..size).map(|i| (0.37 * i as f64 + k as f64).sin() as f32).collect()
}

/// `count` of 50 steps from scale·(2·S − 1).
fn run_injected(config: &str, scale: f32, count: usize) -> Vec<f32> {
    let start: Vec<f32> = sample().iter().map(|x| scale * (2.0 * x - 1.0)).collect();
    assert_eq!(start.len(), SIZE);
    run(prepared("DDPMScheduler", config, 50).as_mut(), start, 0..count, injected)
}

/// Σ|x| and x[0,0,0,0], x[1,1,2,3], x[3,2,7,7].
fn assert_run(config: &str, count: usize, sum: f64, spots: [f32; 3]) {
    let x = run_injected(config, 1.0, count);
    assert_sum(config, &x, sum);
    for (place, want) in [[0, 0, 0, 0], [1, 1, 2, 3], [3, 2, 7, 7]].into_iter().zip(spots) {
        let got = at(&x, place);
        assert!((got - want).abs() < 1e-5, "{config}: x{place:?} is {got}, want {want}");
    }
}

#[test]
fn ten_of_fifty_steps() {
    for (options, sum, spots) in [
        ("", 336.2213, [0.504_197, 0.130_163, 0.432_715]),
        (r#","varianceType":"fixed_small_log""#, 336.2213, [0.504_197, 0.130_163, 0.432_715]),
        (r#","varianceType":"fixed_large""#, 336.3028, [0.504_356, 0.130_145, 0.432_727]),
        // diffusers takes the root of a logarithm here and gives NaN; the two names mean the same variance.
        (r#","varianceType":"fixed_large_log""#, 336.3028, [0.504_356, 0.130_145, 0.432_727]),
        (r#","timestepSpacing":"trailing""#, 337.8262, [0.513_831, 0.127_539, 0.423_778]),
        (r#","timestepSpacing":"linspace""#, 338.1673, [0.518_919, 0.119_640, 0.410_703]),
        (r#","betaSchedule":"scaled_linear""#, 319.9383, [0.440_392, 0.148_945, 0.478_036]),
        (r#","betaSchedule":"squaredcos_cap_v2""#, 285.5928, [0.496_003, 0.164_569, 0.352_020]),
        (r#","betaSchedule":"sigmoid""#, 354.0032, [0.569_712, 0.102_880, 0.376_943]),
        (r#","predictionType":"sample""#, 339.9229, [0.498_453, 0.141_544, 0.459_735]),
        (r#","predictionType":"v_prediction""#, 332.4258, [0.510_085, 0.118_031, 0.404_220]),
        (
            r#","rescaleBetasZeroSnr":true,"timestepSpacing":"trailing","predictionType":"v_prediction""#,
            336.4610,
            [0.666_820, 0.070_076, 0.186_387],
        ),
    ] {
        assert_run(&format!(r#"{{"clipSample":false{options}}}"#), 10, sum, spots);
    }
}

#[test]
fn all_fifty_steps() {
    let large = r#"{"clipSample":false,"timestepSpacing":"trailing","varianceType":"fixed_large"}"#;
    assert_run(large, 50, 44.0172, [-0.031_019, -0.090_227, -0.086_387]);
    assert_run(r#"{"betaSchedule":"squaredcos_cap_v2"}"#, 50, 22.9495, [0.038_155, 0.017_401, 0.033_889]);
}

#[test]
fn clipping_and_thresholding_of_a_large_sample() {
    for (options, sum) in [
        (r#""clipSample":false"#, 135.1614),
        (r#""clipSampleRange":1"#, 134.7794),
        (r#""clipSampleRange":2"#, 135.0667),
        (r#""thresholding":true,"dynamicThresholdingRatio":0.9,"sampleMaxValue":1.5"#, 134.6271),
        (r#""thresholding":true,"dynamicThresholdingRatio":0.9,"sampleMaxValue":0.5"#, 304.9561),
    ] {
        let config = format!(r#"{{"predictionType":"sample",{options}}}"#);
        assert_sum(&config, &run_injected(&config, 4.0, 40), sum);
    }
}
