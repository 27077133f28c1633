//! Loops that a user writes, where rounded timesteps repeat: the place in the run is state, as diffusers' step index.

use crate::sampling::{SHAPE, initial_sample, model, prepared, run, steps};
use emberwing_core::Result;
use emberwing_core::schedulers::{Scheduler, StepInput, StepOptions};

/// A run whose first timesteps are one: the last noise levels of training lie far apart, and the curve has many between.
const COSINE: &str = r#"{"betaSchedule":"squaredcos_cap_v2","useKarrasSigmas":true}"#;

fn cosine(steps: usize) -> Box<dyn Scheduler> {
    prepared("DPMSolverMultistepScheduler", COSINE, steps)
}

fn step_at(scheduler: &mut dyn Scheduler, x: &[f32], t: f64) -> Result<Vec<f32>> {
    let options = StepOptions::default();
    let output = model(x, t);
    let step =
        StepInput { model_output: &output, timestep: t, sample: x, shape: &SHAPE, options: &options, noise: &[] };
    scheduler.step(step).map(|output| output.prev_sample)
}

#[test]
fn repeated_timesteps_are_steps_of_their_own() {
    let mut scheduler = cosine(20);
    let timesteps = scheduler.timesteps().to_vec();
    assert_eq!(timesteps[..2], [998.0, 998.0]);
    let scaled = run(scheduler.as_mut(), initial_sample(cosine(20).as_ref()), 0..20, |_, _| Vec::new());
    // The same without `scaleModelInput`, on the scheduler as that run left it.
    scheduler.set_timesteps(&steps(20)).unwrap();
    let mut x = initial_sample(scheduler.as_ref());
    for t in timesteps {
        x = step_at(scheduler.as_mut(), &x, t).unwrap();
    }
    assert_eq!(x, scaled);
    let over = step_at(scheduler.as_mut(), &x, 998.0).unwrap_err().to_string();
    assert!(over.contains("a call of setTimesteps: the run is over"), "{over}");
}

#[test]
fn a_run_begins_where_set_begin_index_says() {
    for begin in 0..20 {
        let mut scheduler = cosine(20);
        scheduler.set_begin_index(begin).unwrap();
        let sigmas = scheduler.table("sigmas");
        let first = scheduler.timesteps()[begin];
        let noisy = scheduler.add_noise(&[1.0; 4], &[0.0; 4], &[first]).unwrap();
        let signal = 1.0 / (sigmas[begin] * sigmas[begin] + 1.0).sqrt();
        assert!((noisy[0] - signal).abs() < 1e-6 * signal.max(1e-3), "begin {begin}: {} for {signal}", noisy[0]);
        let x = run(scheduler.as_mut(), initial_sample(cosine(20).as_ref()), begin..20, |_, _| Vec::new());
        assert!(x.iter().all(|x| x.is_finite()), "begin {begin}");
    }
}

#[test]
fn a_run_that_begins_at_a_repeated_timestep_must_say_where() {
    let mut scheduler = cosine(100);
    let x = initial_sample(scheduler.as_ref());
    let timesteps = scheduler.timesteps().to_vec();
    let is_repeated = |index: &usize| timesteps[*index] < timesteps[0] && timesteps[*index] == timesteps[index + 1];
    let index = (1..99).find(is_repeated).unwrap();
    let error = step_at(scheduler.as_mut(), &x, timesteps[index]).unwrap_err().to_string();
    assert!(error.starts_with("[InvalidArgument] timestep: expected a call of setBeginIndex"), "{error}");
    assert!(error.contains(&format!("stands at {index}, {}", index + 1)), "{error}");
    scheduler.set_begin_index(index).unwrap();
    step_at(scheduler.as_mut(), &x, timesteps[index]).unwrap();
    step_at(scheduler.as_mut(), &x, timesteps[index + 1]).unwrap();
}

/// The correction of a step stands at the timestep of the next: a run that begins there begins with the latter.
#[test]
fn heun_begins_at_whole_steps() {
    let mut scheduler = prepared("HeunDiscreteScheduler", "{}", 3);
    assert_eq!(scheduler.timesteps(), [999.0, 499.5, 499.5, 0.0, 0.0]);
    let x = initial_sample(scheduler.as_ref());
    step_at(scheduler.as_mut(), &x, 499.5).unwrap();
    let error = step_at(scheduler.as_mut(), &x, 499.5).unwrap_err().to_string();
    assert!(error.contains("expected 0, the next step of the run"), "{error}");
}

#[test]
fn what_cannot_end_in_numbers_is_refused_before_it_starts() {
    let shifted = r#"{"rescaleBetasZeroSnr":true,"clipSample":false,"timestepSpacing":"trailing"}"#;
    let cases = [
        ("DDIMScheduler", shifted, "rescaleBetasZeroSnr"),
        ("DDPMScheduler", shifted, "predictionType \"v_prediction\""),
        ("EulerDiscreteScheduler", r#"{"betaEnd":1.0,"betaStart":1.0}"#, "betaEnd lower"),
        ("EulerDiscreteScheduler", r#"{"betaStart":0}"#, "betaStart above 0"),
        ("DDIMInverseScheduler", r#"{"predictionType":"sample"}"#, "setAlphaToOne false"),
    ];
    for (class_name, config, cause) in cases {
        let mut scheduler = crate::sampling::scheduler(class_name, config);
        let error = scheduler.set_timesteps(&steps(10)).unwrap_err().to_string();
        assert!(error.starts_with("[InvalidArgument] numInferenceSteps: expected a run of"), "{class_name}: {error}");
        assert!(error.contains(cause), "{class_name} {config}: {error}");
    }
    let velocity = r#"{"rescaleBetasZeroSnr":true,"timestepSpacing":"trailing","predictionType":"v_prediction"}"#;
    prepared("DDIMScheduler", velocity, 10);
}
