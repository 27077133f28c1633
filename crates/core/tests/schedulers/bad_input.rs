//! Every mistake gives an error that names the argument.

use crate::sampling::{SHAPE, SIZE, prepared, scheduler, steps};
use emberwing_core::schedulers::{Scheduler, SetTimesteps, StepInput, StepOptions, create};
use emberwing_core::{Error, Result};

fn assert_error<T>(result: Result<T>, start: &str) {
    let message = result.err().unwrap_or_else(|| panic!("no error, want {start}")).to_string();
    assert!(message.starts_with(start), "got {message}, want {start}");
}

/// A good step of ten-step DDPM at t = 900, to be spoilt by the test.
struct Step {
    output: Vec<f32>,
    timestep: f64,
    sample: Vec<f32>,
    shape: Vec<usize>,
    options: StepOptions,
    noise: Vec<f32>,
}

impl Default for Step {
    fn default() -> Self {
        let (output, sample, noise) = (vec![0.1; SIZE], vec![0.2; SIZE], vec![0.3; SIZE]);
        Self { output, timestep: 900.0, sample, shape: SHAPE.to_vec(), options: StepOptions::default(), noise }
    }
}

impl Step {
    fn of(&self, scheduler: &mut dyn Scheduler) -> Result<Vec<f32>> {
        let input = StepInput {
            model_output: &self.output,
            timestep: self.timestep,
            sample: &self.sample,
            shape: &self.shape,
            options: &self.options,
            noise: &self.noise,
        };
        scheduler.step(input).map(|output| output.prev_sample)
    }

    fn refused(self, start: &str) {
        assert_error(self.of(prepared("DDPMScheduler", "{}", 10).as_mut()), start);
    }
}

#[test]
fn options_that_cannot_work() {
    for (config, start) in [
        (
            r#"{"betaStrat":0.1}"#,
            "[InvalidConfig] betaStrat: DDPMScheduler has no such option; it has numTrainTimesteps",
        ),
        (r#"{"betaSchedule":"cosine"}"#, "[InvalidConfig] betaSchedule: expected one of \"linear\""),
        (r#"{"betaStart":"0.1"}"#, "[InvalidConfig] betaStart: expected a number, got \"0.1\""),
        (r#"{"betaStart":-0.1}"#, "[InvalidConfig] betaStart"),
        (r#"{"betaEnd":1.5}"#, "[InvalidConfig] betaEnd"),
        (r#"{"numTrainTimesteps":0}"#, "[InvalidConfig] numTrainTimesteps"),
        (r#"{"numTrainTimesteps":-1}"#, "[InvalidConfig] numTrainTimesteps"),
        (
            r#"{"trainedBetas":[0.1,0.2]}"#,
            "[InvalidConfig] trainedBetas: expected numTrainTimesteps = 1000 values, got 2",
        ),
        (r#"{"numTrainTimesteps":2,"trainedBetas":[0.1,2]}"#, "[InvalidConfig] trainedBetas"),
        (r#"{"clipSampleRange":0}"#, "[InvalidConfig] clipSampleRange"),
        (r#"{"dynamicThresholdingRatio":1.1}"#, "[InvalidConfig] dynamicThresholdingRatio"),
        (r#"{"sampleMaxValue":0}"#, "[InvalidConfig] sampleMaxValue"),
        (r#"{"predictionType":"noise"}"#, "[InvalidConfig] predictionType"),
        ("[]", "[InvalidConfig]"),
    ] {
        assert_error(create("DDPMScheduler", config), start);
    }
    assert_error(create("DDPMSchedular", "{}"), "[InvalidArgument] className: expected one of DDPMScheduler");
}

#[test]
fn step_counts() {
    for class_name in ["DDPMScheduler", "DDIMScheduler"] {
        let mut scheduler = scheduler(class_name, "{}");
        assert_error(scheduler.set_timesteps(&steps(0)), "[InvalidArgument] numInferenceSteps: expected 1 to 1000");
        assert_error(scheduler.set_timesteps(&steps(1001)), "[InvalidArgument] numInferenceSteps");
        assert_error(scheduler.set_timesteps(&SetTimesteps::default()), "[InvalidArgument] numInferenceSteps");
    }
    // 1000 steps from offset 1 would start at timestep 1000, which the model has never seen.
    let mut offset = scheduler("DDIMScheduler", r#"{"stepsOffset":1}"#);
    assert_error(offset.set_timesteps(&steps(1000)), "[InvalidArgument] numInferenceSteps");
}

#[test]
fn custom_timesteps() {
    let custom = |timesteps: &[f64]| SetTimesteps { timesteps: Some(timesteps.to_vec()), ..Default::default() };
    let mut ddpm = scheduler("DDPMScheduler", "{}");
    for bad in [&[1.0, 5.0][..], &[5.0, 5.0], &[1000.0, 5.0], &[5.0, -1.0], &[5.5], &[f64::NAN], &[]] {
        assert_error(ddpm.set_timesteps(&custom(bad)), "[InvalidArgument] timesteps");
    }
    let both = SetTimesteps { num_inference_steps: Some(2), ..custom(&[5.0, 1.0]) };
    assert_error(ddpm.set_timesteps(&both), "[InvalidArgument] numInferenceSteps");
    assert_eq!(ddpm.timesteps().len(), 1000, "a refused call must change nothing");
    let mut ddim = scheduler("DDIMScheduler", "{}");
    assert_error(
        ddim.set_timesteps(&custom(&[5.0])),
        "[InvalidArgument] timesteps: expected none: DDIMScheduler takes",
    );
}

#[test]
fn timesteps_of_a_step() {
    for timestep in [-1.0, 1000.0, 0.5, f64::NAN, f64::INFINITY] {
        Step { timestep, noise: vec![0.3; if timestep > 0.0 { SIZE } else { 0 }], ..Step::default() }
            .refused("[InvalidArgument] timestep");
    }
    Step { timestep: 899.0, ..Step::default() }
        .refused("[InvalidArgument] timestep: expected one of the scheduler's timesteps");
}

#[test]
fn tensors_of_a_step() {
    let short = || vec![0.1; SIZE - 1];
    let mut not_finite = vec![0.0; SIZE];
    not_finite[5] = f32::NAN;
    Step { output: short(), ..Step::default() }.refused("[ShapeMismatch] modelOutput: expected 768 values");
    Step { sample: short(), ..Step::default() }.refused("[ShapeMismatch] sample");
    Step { noise: short(), ..Step::default() }.refused("[ShapeMismatch] noise");
    Step { noise: Vec::new(), ..Step::default() }.refused("[ShapeMismatch] noise");
    Step { shape: vec![4, 3, 8, 9], ..Step::default() }.refused("[ShapeMismatch] sample");
    Step { shape: vec![0, 3, 8, 8], ..Step::default() }.refused("[ShapeMismatch] shape");
    Step { shape: Vec::new(), ..Step::default() }.refused("[ShapeMismatch] shape");
    Step { sample: not_finite.clone(), ..Step::default() }
        .refused("[NotFinite] sample: expected finite numbers, got NaN at index 5");
    Step { output: not_finite, ..Step::default() }.refused("[NotFinite] modelOutput");
}

#[test]
fn a_learned_variance_needs_twice_the_channels() {
    let mut learned = prepared("DDPMScheduler", r#"{"varianceType":"learned_range"}"#, 10);
    assert_error(Step::default().of(learned.as_mut()), "[ShapeMismatch] modelOutput: expected 1536 values");
}

#[test]
fn options_of_a_step() {
    let eta = |eta| StepOptions { eta: Some(eta), ..Default::default() };
    Step { options: eta(1.0), ..Step::default() }.refused("[InvalidArgument] eta: expected none: DDPMScheduler takes");
    let step = Step { options: eta(-0.1), ..Step::default() };
    assert_error(step.of(prepared("DDIMScheduler", "{}", 10).as_mut()), "[InvalidArgument] eta");
    assert!(serde_json::from_str::<StepOptions>(r#"{"etta":1}"#).is_err());
    assert!(serde_json::from_str::<SetTimesteps>(r#"{"steps":1}"#).is_err());
}

#[test]
fn options_that_exclude_each_other() {
    let euler = |config, options: SetTimesteps| scheduler("EulerDiscreteScheduler", config).set_timesteps(&options);
    let custom = || SetTimesteps { timesteps: Some(vec![999.0, 500.0]), ..Default::default() };
    let sigmas = |sigmas: &[f64]| SetTimesteps { sigmas: Some(sigmas.to_vec()), ..Default::default() };
    assert!(euler("{}", custom()).is_ok() && euler("{}", sigmas(&[10.0, 1.0, 0.0])).is_ok());
    let both = SetTimesteps { sigmas: Some(vec![1.0, 0.0]), ..custom() };
    assert_error(euler("{}", both), "[InvalidArgument] sigmas: expected no value beside timesteps");
    let counted = SetTimesteps { num_inference_steps: Some(2), ..sigmas(&[1.0, 0.0]) };
    assert_error(euler("{}", counted), "[InvalidArgument] numInferenceSteps: expected no value beside sigmas");
    assert_error(euler("{}", sigmas(&[5.0])), "[InvalidArgument] sigmas: expected at least two");
    assert_error(
        euler(r#"{"useKarrasSigmas":true}"#, custom()),
        "[InvalidArgument] timesteps: expected none where useKarras",
    );
    for bad in [&[1.0, 2.0][..], &[1.0, 1.0], &[1.0, -1.0], &[f64::NAN, 0.0], &[]] {
        assert_error(euler("{}", sigmas(bad)), "[InvalidArgument] sigmas");
    }
    let two_curves = r#"{"useKarrasSigmas":true,"useBetaSigmas":true}"#;
    assert_error(create("EulerDiscreteScheduler", two_curves), "[InvalidConfig] useKarrasSigmas");
}

#[test]
fn options_that_a_class_has_no_formula_for() {
    for (class_name, config, start) in [
        (
            "PNDMScheduler",
            r#"{"predictionType":"sample"}"#,
            "[InvalidConfig] predictionType: expected one of epsilon, v_prediction",
        ),
        ("DDPMScheduler", r#"{"predictionType":"flow_prediction"}"#, "[InvalidConfig] predictionType"),
        ("DPMSolverMultistepScheduler", r#"{"predictionType":"flow_prediction"}"#, "[InvalidConfig] predictionType"),
        ("DPMSolverMultistepScheduler", r#"{"solverOrder":4}"#, "[InvalidConfig] solverOrder"),
        ("DPMSolverMultistepScheduler", r#"{"algorithmType":"dpmsolver"}"#, "[InvalidConfig] finalSigmasType"),
        (
            "DPMSolverMultistepInverseScheduler",
            r#"{"algorithmType":"sde-dpmsolver++"}"#,
            "[InvalidConfig] algorithmType",
        ),
        ("DDIMInverseScheduler", r#"{"timestepSpacing":"linspace"}"#, "[InvalidConfig] timestepSpacing"),
        ("UniPCMultistepScheduler", r#"{"shiftTerminal":0.1}"#, "[InvalidConfig] shiftTerminal"),
        ("UniPCMultistepScheduler", r#"{"solverP":"DDIMScheduler"}"#, "[InvalidConfig] solverP"),
        ("LCMScheduler", r#"{"originalInferenceSteps":1001}"#, "[InvalidConfig] originalInferenceSteps"),
        ("EDMEulerScheduler", r#"{"sigmaMax":0.001}"#, "[InvalidConfig] sigmaMax"),
        ("FlowMatchEulerDiscreteScheduler", r#"{"shift":0}"#, "[InvalidConfig] shift"),
        ("SASolverScheduler", r#"{"correctorOrder":0}"#, "[InvalidConfig] correctorOrder"),
        ("UnCLIPScheduler", r#"{"betaSchedule":"linear"}"#, "[InvalidConfig] betaSchedule"),
    ] {
        assert_error(create(class_name, config), start);
    }
}

#[test]
fn a_shift_needs_dynamic_shifting_and_the_other_way_round() {
    let with_mu = SetTimesteps { mu: Some(0.5), ..steps(5) };
    let mut fixed = scheduler("DPMSolverMultistepScheduler", "{}");
    assert_error(fixed.set_timesteps(&with_mu), "[InvalidArgument] mu: expected none");
    let mut dynamic = scheduler("FlowMatchEulerDiscreteScheduler", r#"{"useDynamicShifting":true}"#);
    assert_error(dynamic.set_timesteps(&steps(5)), "[InvalidArgument] mu: expected a shift");
}

/// The samplers that know where they are in the run refuse a step out of turn.
#[test]
fn steps_out_of_turn() {
    let mut euler = prepared("EulerDiscreteScheduler", "{}", 3);
    let step = |timestep| Step { timestep, noise: Vec::new(), ..Step::default() };
    assert_error(step(1.5).of(euler.as_mut()), "[InvalidArgument] timestep: expected one of the scheduler's timesteps");
    step(999.0).of(euler.as_mut()).unwrap();
    assert_error(step(0.0).of(euler.as_mut()), "[InvalidArgument] timestep: expected 499.5, the next step of the run");
    step(499.5).of(euler.as_mut()).unwrap();
    step(0.0).of(euler.as_mut()).unwrap();
    assert_error(
        step(999.0).of(euler.as_mut()),
        "[InvalidArgument] timestep: expected a call of setTimesteps: the run is over",
    );
}

#[test]
fn churn_below_zero() {
    let options = StepOptions { s_churn: Some(-1.0), ..Default::default() };
    let step = Step { timestep: 999.0, noise: Vec::new(), options, ..Step::default() };
    assert_error(step.of(prepared("EulerDiscreteScheduler", "{}", 3).as_mut()), "[InvalidArgument] sChurn");
}

#[test]
fn inpainting_without_the_known_part() {
    let picture = vec![0.5; SIZE];
    let mut ddpm = scheduler("DDPMScheduler", "{}");
    assert_error(ddpm.set_known_part(&picture, &picture), "[Unsupported] setKnownPart: DDPMScheduler");
    let mut repaint = prepared("RePaintScheduler", "{}", 10);
    let step = Step { timestep: 900.0, ..Step::default() };
    assert_error(
        step.of(repaint.as_mut()),
        "[InvalidArgument] image: expected a call of setKnownPart, which RePaintPipeline makes",
    );
    assert_error(repaint.set_known_part(&picture, &picture[1..]), "[ShapeMismatch] mask");
    assert_error(repaint.set_known_part(&[f32::NAN], &[1.0]), "[NotFinite] image");
    repaint.set_known_part(&picture, &picture).unwrap();
    step.of(repaint.as_mut()).unwrap();
}

#[test]
fn solvers_before_set_timesteps() {
    for class_name in
        ["DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "DEISMultistepScheduler", "PNDMScheduler"]
    {
        let step = Step { timestep: 999.0, noise: Vec::new(), ..Step::default() };
        let start = "[InvalidArgument] timestep: expected a call of setTimesteps";
        assert_error(step.of(scheduler(class_name, "{}").as_mut()), start);
    }
}

#[test]
fn step_before_set_timesteps() {
    let step = || Step { noise: Vec::new(), ..Step::default() };
    assert_error(
        step().of(scheduler("DDIMScheduler", "{}").as_mut()),
        "[InvalidArgument] timestep: expected a call of setTimesteps",
    );
    assert!(Step::default().of(scheduler("DDPMScheduler", "{}").as_mut()).is_ok(), "DDPM can start anywhere");
}

#[test]
fn the_forward_process() {
    let ddpm = scheduler("DDPMScheduler", "{}");
    let x = vec![0.5; 8];
    for timesteps in [&[][..], &[1.0, 2.0, 3.0]] {
        assert_error(ddpm.add_noise(&x, &x, timesteps), "[ShapeMismatch] timesteps");
    }
    assert_error(ddpm.add_noise(&x, &x[1..], &[1.0]), "[ShapeMismatch] noise");
    assert_error(ddpm.add_noise(&[], &[], &[1.0]), "[ShapeMismatch] original");
    assert_error(ddpm.add_noise(&[f32::INFINITY], &[0.0], &[1.0]), "[NotFinite] original");
    assert_error(ddpm.get_velocity(&x, &x, &[1000.0]), "[InvalidArgument] timestep");
    assert!(matches!(ddpm.add_noise(&x, &x, &[-1.0]), Err(Error::InvalidArgument { .. })));
}
