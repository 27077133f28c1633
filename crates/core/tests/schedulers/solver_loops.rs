//! Whole runs of the multistep solvers: Σ|x| at the end.

use crate::sampling::{assert_sum, at, noise, prepared, run, run_seeded, sample};

/// `steps` steps from the deterministic sample.
fn run_steps(class_name: &str, options: &str, steps: usize) -> Vec<f32> {
    run_seeded(prepared(class_name, options, steps).as_mut(), sample())
}

/// Ten-step runs from step `start` on, after the forward process to there.
fn last_steps(class_name: &str, options: &str, start: usize) -> Vec<f32> {
    let mut scheduler = prepared(class_name, options, 10);
    let x = scheduler.add_noise(&sample(), &noise(), &[scheduler.timesteps()[start]]).unwrap();
    run(scheduler.as_mut(), x, start..10, |_, _| Vec::new())
}

#[test]
fn dpm_solver_multistep() {
    // The settings of diffusers' own test.
    let config = |options: &str| format!(r#"{{"lowerOrderFinal":false,"finalSigmasType":"sigma_min"{options}}}"#);
    let class_name = "DPMSolverMultistepScheduler";
    let v = r#","predictionType":"v_prediction""#;
    for (options, want) in [
        ("", 253.5514),
        (v, 172.8740),
        (&format!(r#"{v},"useKarrasSigmas":true"#), 160.6642),
        (&format!(r#"{v},"useLuLambdas":true"#), 119.3648),
        (r#","thresholding":true,"dynamicThresholdingRatio":0.87,"sampleMaxValue":0.5"#, 872.7271),
    ] {
        assert_sum(options, &run_steps(class_name, &config(options), 10), want);
    }
    assert!((at(&run_steps(class_name, &config(""), 10), [1, 1, 2, 3]) - 0.286_671).abs() < 1e-5);
    assert_sum("noise at 5", &last_steps(class_name, &config(""), 5), 318.4111);
    assert_sum("defaults", &run_steps(class_name, "{}", 20), 194.6492);
}

#[test]
fn unipc() {
    let class_name = "UniPCMultistepScheduler";
    let config = |options: &str| format!(r#"{{"finalSigmasType":"sigma_min"{options}}}"#);
    let v = r#","predictionType":"v_prediction""#;
    let karras = r#","useKarrasSigmas":true"#;
    for (options, want) in [("", 189.2318), (karras, 224.6267), (v, 77.8725), (&format!("{v}{karras}"), 150.6873)] {
        assert_sum(options, &run_steps(class_name, &config(options), 10), want);
    }
    assert!((at(&run_steps(class_name, &config(""), 10), [1, 1, 2, 3]) - 0.213_950).abs() < 1e-5);
    assert_sum("noise at 8", &last_steps(class_name, &config(""), 8), 315.5757);
}

#[test]
fn deis() {
    let class_name = "DEISMultistepScheduler";
    assert_sum("epsilon", &run_steps(class_name, "{}", 10), 183.6766);
    assert_sum("v", &run_steps(class_name, r#"{"predictionType":"v_prediction"}"#, 10), 69.94379);
    assert_sum("noise at 8", &last_steps(class_name, "{}", 8), 315.3017);
}

#[test]
fn dpm_solver_singlestep() {
    let class_name = "DPMSolverSinglestepScheduler";
    let config = |options: &str| format!(r#"{{"finalSigmasType":"sigma_min"{options}}}"#);
    let v = r#","predictionType":"v_prediction""#;
    let karras = r#","useKarrasSigmas":true"#;
    for (options, want) in [("", 214.3613), (karras, 172.6809), (v, 111.5982), (&format!("{v}{karras}"), 49.84770)] {
        assert_sum(options, &run_steps(class_name, &config(options), 10), want);
    }
    assert_sum("noise at 5", &last_steps(class_name, &config(""), 5), 269.2187);
}

#[test]
fn pndm() {
    let latent = r#""betaSchedule":"scaled_linear","betaStart":0.00085,"betaEnd":0.012"#;
    for (config, want) in [
        ("{}", 198.1318),
        (r#"{"predictionType":"v_prediction"}"#, 67.3986),
        (r#"{"betaStart":0.01,"setAlphaToOne":true}"#, 230.0336),
        (r#"{"betaStart":0.01}"#, 186.9412),
        (&format!(r#"{{{latent},"skipPrkSteps":true,"stepsOffset":1}}"#), 201.3864),
    ] {
        assert_sum(config, &run_steps("PNDMScheduler", config, 10), want);
    }
    assert!((at(&run_steps("PNDMScheduler", "{}", 10), [1, 1, 2, 3]) - 0.224_012).abs() < 1e-5);
}

#[test]
fn as_a_pipeline_runs_them() {
    let latent = r#""betaSchedule":"scaled_linear","betaStart":0.00085,"betaEnd":0.012"#;
    for (class_name, options, steps, want) in [
        ("DPMSolverMultistepScheduler", "", 10, 184.0657),
        ("UniPCMultistepScheduler", "", 10, 184.6887),
        ("DPMSolverMultistepScheduler", r#","useKarrasSigmas":true"#, 20, 205.5888),
    ] {
        let config = format!("{{{latent}{options}}}");
        assert_sum(&format!("{class_name} {options}"), &run_steps(class_name, &config, steps), want);
    }
}
