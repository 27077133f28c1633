//! The sampling loop of these tests, and the sample, noise and model of diffusers' own scheduler tests.

use emberwing_core::random::Generator;
use emberwing_core::schedulers::{Scheduler, SetTimesteps, StepInput, StepOptions, StepOutput, create};

pub const SHAPE: [usize; 4] = [4, 3, 8, 8];
pub const SIZE: usize = 768;

pub fn scheduler(class_name: &str, config: &str) -> Box<dyn Scheduler> {
    create(class_name, config).unwrap_or_else(|error| panic!("{class_name} {config}: {error}"))
}

/// A scheduler with `setTimesteps({ numInferenceSteps })` done.
pub fn prepared(class_name: &str, config: &str, num_inference_steps: usize) -> Box<dyn Scheduler> {
    let mut scheduler = scheduler(class_name, config);
    scheduler.set_timesteps(&steps(num_inference_steps)).unwrap();
    scheduler
}

pub fn steps(num_inference_steps: usize) -> SetTimesteps {
    SetTimesteps { num_inference_steps: Some(num_inference_steps), ..Default::default() }
}

/// x[b, c, h, w] = value(((c·8 + h)·8 + w)·4 + b)/768.
fn deterministic(value: impl Fn(usize) -> usize) -> Vec<f32> {
    let at = |index: usize| value(index % 192 * 4 + index / 192) as f32 / SIZE as f32;
    (0..SIZE).map(at).collect()
}

pub fn sample() -> Vec<f32> {
    deterministic(|k| k)
}

pub fn noise() -> Vec<f32> {
    deterministic(|k| SIZE - 1 - k)
}

/// e = x·t/(t + 1).
pub fn model(x: &[f32], t: f64) -> Vec<f32> {
    let t = t as f32;
    x.iter().map(|x| x * t / (t + 1.0)).collect()
}

pub fn step(scheduler: &mut dyn Scheduler, output: &[f32], t: f64, x: &[f32], noise: &[f32]) -> StepOutput {
    let options = StepOptions::default();
    scheduler
        .step(StepInput { model_output: output, timestep: t, sample: x, shape: &SHAPE, options: &options, noise })
        .unwrap()
}

/// Runs some of the steps; `noise_of(k, size)` is the noise of step k.
pub fn run(
    scheduler: &mut dyn Scheduler,
    mut x: Vec<f32>,
    steps: std::ops::Range<usize>,
    mut noise_of: impl FnMut(usize, usize) -> Vec<f32>,
) -> Vec<f32> {
    for k in steps {
        let t = scheduler.timesteps()[k];
        let input = scheduler.scale_model_input(&x, t).unwrap();
        let draws = scheduler.noise_draws(t, &StepOptions::default()).unwrap();
        let noise = noise_of(k, draws * SIZE);
        x = step(scheduler, &model(&input, t), t, &x, &noise).prev_sample;
    }
    x
}

/// The loop of diffusers' own tests of samplers in σ: the step is given the scaled sample, unlike in a pipeline.
pub fn run_on_scaled(scheduler: &mut dyn Scheduler, mut x: Vec<f32>, steps: std::ops::Range<usize>) -> Vec<f32> {
    let mut generator = Generator::new(0);
    for k in steps {
        let t = scheduler.timesteps()[k];
        x = scheduler.scale_model_input(&x, t).unwrap();
        let draws = scheduler.noise_draws(t, &StepOptions::default()).unwrap();
        x = step(scheduler, &model(&x, t), t, &x, &generator.randn(draws * SIZE)).prev_sample;
    }
    x
}

/// The deterministic sample with the deviation that the scheduler starts from.
pub fn initial_sample(scheduler: &dyn Scheduler) -> Vec<f32> {
    sample().iter().map(|x| x * scheduler.init_noise_sigma()).collect()
}

/// The whole run with noise from seed 0.
pub fn run_seeded(scheduler: &mut dyn Scheduler, x: Vec<f32>) -> Vec<f32> {
    let mut generator = Generator::new(0);
    let steps = 0..scheduler.timesteps().len();
    run(scheduler, x, steps, |_, size| generator.randn(size))
}

pub fn sum_of_magnitudes(x: &[f32]) -> f64 {
    x.iter().map(|x| f64::from(x.abs())).sum()
}

/// The reference has six to seven digits.
pub fn assert_sum(what: &str, x: &[f32], want: f64) {
    let got = sum_of_magnitudes(x);
    assert!((got - want).abs() <= 1e-4 * want.abs().max(0.01), "{what}: Σ|x| is {got}, want {want}");
}

pub fn at(x: &[f32], [b, c, h, w]: [usize; 4]) -> f32 {
    x[((b * 3 + c) * 8 + h) * 8 + w]
}
