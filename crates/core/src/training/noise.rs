//! From clean pictures to what a model sees and is to say (Ho et al. 2020, algorithm 1, lines 2 to 4).

use crate::data::Batch;
use crate::random::Generator;
use crate::schedulers::{PredictionType, Scheduler};
use crate::{Error, Result};

/// The noise of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseOptions {
    pub offset: f64,
    pub perturbation: f64,
}

/// Pictures with noise in them, and the answer. Values are NCHW.
pub struct NoisyBatch {
    pub sample: Vec<f32>,
    pub shape: [usize; 4],
    pub timesteps: Vec<f64>,
    pub target: Vec<f32>,
    /// Empty where the data set has none.
    pub class_labels: Vec<f32>,
}

impl NoisyBatch {
    /// Draws noise, offset, perturbation and timesteps, in this order.
    pub fn draw(
        batch: Batch,
        options: NoiseOptions,
        scheduler: &dyn Scheduler,
        generator: &mut Generator,
    ) -> Result<Self> {
        let noise = draw_noise(batch.values.len(), batch.shape, options.offset, generator);
        let perturbed = perturb(&noise, options.perturbation, generator);
        let timesteps = generator.randint(0, scheduler.num_train_timesteps() as i64, batch.shape[0])?;
        let timesteps: Vec<f64> = timesteps.into_iter().map(f64::from).collect();
        Self::new(batch, noise, perturbed, timesteps, scheduler)
    }

    /// `added`: what is added to the pictures where that differs from `noise`, which is to be predicted.
    fn new(
        batch: Batch,
        noise: Vec<f32>,
        added: Option<Vec<f32>>,
        timesteps: Vec<f64>,
        scheduler: &dyn Scheduler,
    ) -> Result<Self> {
        let Batch { values: clean, shape, class_labels, .. } = batch;
        let sample = scheduler.add_noise(&clean, added.as_deref().unwrap_or(&noise), &timesteps)?;
        let target = target(clean, noise, &timesteps, scheduler)?;
        Ok(Self { sample, shape, timesteps, target, class_labels })
    }
}

/// Standard normal noise, and `offset` times a number for each channel of each picture.
fn draw_noise(values: usize, shape: [usize; 4], offset: f64, generator: &mut Generator) -> Vec<f32> {
    let mut noise = generator.randn(values);
    if offset > 0.0 {
        let [images, channels, height, width] = shape;
        let offsets = generator.randn(images * channels);
        for (channel, shift) in noise.chunks_exact_mut(height * width).zip(offsets) {
            channel.iter_mut().for_each(|value| *value += offset as f32 * shift);
        }
    }
    noise
}

fn perturb(noise: &[f32], strength: f64, generator: &mut Generator) -> Option<Vec<f32>> {
    (strength > 0.0).then(|| {
        let more = generator.randn(noise.len());
        noise.iter().zip(more).map(|(value, more)| value + strength as f32 * more).collect()
    })
}

/// What the model learns to predict.
fn target(clean: Vec<f32>, noise: Vec<f32>, timesteps: &[f64], scheduler: &dyn Scheduler) -> Result<Vec<f32>> {
    match scheduler.prediction_type() {
        PredictionType::Epsilon => Ok(noise),
        PredictionType::Sample => Ok(clean),
        PredictionType::VPrediction => scheduler.get_velocity(&clean, &noise, timesteps),
        PredictionType::FlowPrediction => {
            Err(Error::Unsupported("training with a flow-matching scheduler; use DDPMScheduler".into()))
        }
    }
}
