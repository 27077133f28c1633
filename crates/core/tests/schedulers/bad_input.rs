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
        (
            r#"{"betaSchedule":"cosine"}"#,
            "[InvalidConfig] betaSchedule: unknown variant `cosine`, expected one of `linear`",
        ),
        (r#"{"betaStart":"0.1"}"#, "[InvalidConfig] betaStart: invalid type"),
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
