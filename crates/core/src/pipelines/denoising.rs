//! The denoising loop: x_t → model → x_{t-1}.

use crate::models::{Inputs, UNet2DModel, to_nchw};
use crate::random::Generator;
use crate::schedulers::{Scheduler, StepInput, StepOptions};
use crate::{Error, Result};
use std::sync::{Mutex, PoisonError};

/// What a denoising loop starts from.
pub struct Start {
    /// Noise of unit variance, NCHW.
    pub sample: Vec<f32>,
    /// Of the sample.
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

impl Denoising {
    /// `scheduler`: with its timesteps set.
    pub fn new(scheduler: Box<dyn Scheduler>, options: StepOptions, start: Start) -> Result<Self> {
        let Start { sample, shape, class_labels } = start;
        if shape.len() != 4 || shape.iter().product::<usize>() != sample.len() {
            let expected = format!("values for [batch, channels, height, width], the shape {shape:?}");
            return Err(Error::shape("initialSample", expected, sample.len()));
        }
        let sigma = scheduler.init_noise_sigma();
        let sample = sample.into_iter().map(|value| value * sigma).collect();
        Ok(Self { scheduler, options, sample, shape, class_labels, next: 0 })
    }

    /// The sample as the last step left it, NCHW.
    pub fn sample(&self) -> &[f32] {
        &self.sample
    }

    /// Does one step, unless all are done; returns how many are left.
    pub async fn step(&mut self, model: &UNet2DModel, generator: &Mutex<Generator>) -> Result<usize> {
        let Some(&timestep) = self.scheduler.timesteps().get(self.next) else { return Ok(0) };
        let scaled = self.scheduler.scale_model_input(&self.sample, timestep)?;
        let inputs = Inputs {
            sample: &scaled,
            shape: &self.shape,
            timesteps: &[timestep as f32],
            class_labels: &self.class_labels,
        };
        model.check(inputs)?;
        let model_output = to_nchw(model.predict(inputs)).await?;
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
}

/// `draws` tensors of `size` normal numbers, one draw after the other.
fn draw(generator: &Mutex<Generator>, draws: usize, size: usize) -> Vec<f32> {
    let mut generator = generator.lock().unwrap_or_else(PoisonError::into_inner);
    (0..draws).flat_map(|_| generator.randn(size)).collect()
}
