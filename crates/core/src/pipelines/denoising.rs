//! The denoising loop: x_t → model → x_{t-1}.

use crate::handle::Footprint;
use crate::models::{Inputs, UNet2DModel, to_nchw};
use crate::random::Generator;
use crate::schedulers::{Scheduler, StepInput, StepOptions};
use crate::{Error, Result};
use std::sync::{Mutex, PoisonError};

/// What a denoising loop starts from.
pub struct Start {
    /// Of unit variance, NCHW.
    pub noise: Vec<f32>,
    /// Of the noise, and of the picture if there is one.
    pub shape: Vec<usize>,
    /// One a sample; empty where the model takes none.
    pub class_labels: Vec<f32>,
}

/// A sample on its way from noise to picture, one step at a time (Ho et al. 2020, algorithm 2; the scheduler decides).
pub struct Denoising {
    scheduler: Box<dyn Scheduler>,
    options: StepOptions,
    /// NCHW
    sample: Vec<f32>,
    shape: Vec<usize>,
    class_labels: Vec<f32>,
    next: usize,
}

impl Footprint for Denoising {
    fn bytes(&self) -> usize {
        size_of::<f32>() * self.sample.len()
    }
}

impl Denoising {
    /// A run from noise alone. `scheduler`: with its timesteps set.
    pub fn new(mut scheduler: Box<dyn Scheduler>, options: StepOptions, start: Start) -> Result<Self> {
        check_values("initialSample", &start.noise, &start.shape)?;
        scheduler.begin();
        let sigma = scheduler.init_noise_sigma();
        let sample = start.noise.iter().map(|value| value * sigma).collect();
        Ok(Self { scheduler, options, sample, shape: start.shape, class_labels: start.class_labels, next: 0 })
    }

    /// A run that starts at number `begin_index` of the timesteps, from `image` (NCHW) with the noise that belongs there
    /// (Meng et al. 2021, "SDEdit", algorithm 1).
    pub fn from_image(
        mut scheduler: Box<dyn Scheduler>,
        options: StepOptions,
        start: Start,
        image: &[f32],
        begin_index: usize,
    ) -> Result<Self> {
        check_values("image", image, &start.shape)?;
        scheduler.set_begin_index(begin_index)?;
        let first: Vec<f64> = scheduler.timesteps().iter().skip(begin_index).take(1).copied().collect();
        let sample = scheduler.add_noise(image, &start.noise, &first)?;
        let Start { shape, class_labels, .. } = start;
        Ok(Self { scheduler, options, sample, shape, class_labels, next: begin_index })
    }

    /// The sample as the last step left it, NCHW.
    pub fn sample(&self) -> &[f32] {
        &self.sample
    }

    /// Does one step, unless all are done; returns how many are left.
    pub async fn step(&mut self, model: &UNet2DModel, generator: &Mutex<Generator>) -> Result<usize> {
        let Some(&timestep) = self.scheduler.timesteps().get(self.next) else { return Ok(0) };
        let model_output = self.predict(model, timestep).await?;
        let draws = self.scheduler.noise_draws(timestep, &self.options)?;
        let noise = draw(generator, draws, self.sample.len());
        let output = self.scheduler.step(StepInput {
            model_output: &model_output,
            timestep,
            sample: &self.sample,
            shape: &self.shape,
            options: &self.options,
            noise: &noise,
        })?;
        self.sample = output.prev_sample;
        self.next += 1;
        Ok(self.scheduler.timesteps().len() - self.next)
    }

    /// What the model says about the sample; zeros where the step does not ask.
    async fn predict(&mut self, model: &UNet2DModel, timestep: f64) -> Result<Vec<f32>> {
        if !self.scheduler.uses_model_output(timestep) {
            return Ok(vec![0.0; self.sample.len()]);
        }
        let scaled = self.scheduler.scale_model_input(&self.sample, timestep)?;
        let inputs = Inputs {
            sample: &scaled,
            shape: &self.shape,
            timesteps: &[timestep as f32],
            class_labels: &self.class_labels,
        };
        model.check(inputs)?;
        to_nchw(model.predict(inputs)).await
    }
}

/// At which of its timesteps a run starts that is to change a picture by `strength`, above 0 and at most 1: the last
/// ⌊n·strength⌋ of its n steps are done. diffusers' image-to-image pipelines have this rule.
pub fn begin_index(scheduler: &dyn Scheduler, num_inference_steps: usize, strength: f64) -> Result<usize> {
    if !(strength > 0.0 && strength <= 1.0) {
        return Err(Error::argument("strength", "a number above 0, at most 1", strength));
    }
    match (num_inference_steps as f64 * strength) as usize {
        0 => {
            let expected = format!("at least 1/{num_inference_steps}, one of {num_inference_steps} steps");
            Err(Error::argument("strength", expected, strength))
        }
        done => Ok((num_inference_steps - done) * scheduler.order()),
    }
}

fn check_values(argument: &str, values: &[f32], shape: &[usize]) -> Result<()> {
    if shape.len() == 4 && shape.iter().product::<usize>() == values.len() {
        return Ok(());
    }
    let expected = format!("values for [batch, channels, height, width], the shape {shape:?}");
    Err(Error::shape(argument, expected, values.len()))
}

/// `draws` tensors of `size` normal numbers, one draw after the other.
fn draw(generator: &Mutex<Generator>, draws: usize, size: usize) -> Vec<f32> {
    let mut generator = generator.lock().unwrap_or_else(PoisonError::into_inner);
    (0..draws).flat_map(|_| generator.randn(size)).collect()
}
