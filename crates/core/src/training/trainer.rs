//! The course's training loop: clean pictures → noise → prediction → loss → gradients → update.

use super::adamw::{AdamW, AdamWOptions, clip_factor, gradient_norm};
use super::loss::{Target, mse_backward};
use crate::data::{DataLoader, Dataset};
use crate::models::{Inputs, UNet2DModel};
use crate::random::Generator;
use crate::schedulers::{PredictionType, Scheduler};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Options of a training run. `epochs` or `steps` says how long it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename_all = "camelCase"))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrainerOptions {
    /// Pictures a step. Default: 16.
    pub batch_size: usize,
    /// How often each picture is used. Give this or `steps`.
    pub epochs: Option<usize>,
    /// Number of optimizer steps. Give this or `epochs`.
    pub steps: Option<usize>,
    /// Default: 1e-4.
    pub learning_rate: f64,
    /// Default: 0.9.
    pub adam_beta1: f64,
    /// Default: 0.999.
    pub adam_beta2: f64,
    /// Default: 1e-8.
    pub adam_epsilon: f64,
    /// Default: 0.01.
    pub adam_weight_decay: f64,
    /// Gradients longer than this, all parameters together, are shortened to it. Default: null, none are.
    pub max_grad_norm: Option<f64>,
}

impl Default for TrainerOptions {
    fn default() -> Self {
        Self {
            batch_size: 16,
            epochs: None,
            steps: None,
            learning_rate: 1e-4,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            adam_epsilon: 1e-8,
            adam_weight_decay: 0.01,
            max_grad_norm: None,
        }
    }
}

impl TrainerOptions {
    fn adamw(&self) -> AdamWOptions {
        AdamWOptions {
            learning_rate: self.learning_rate,
            betas: [self.adam_beta1, self.adam_beta2],
            eps: self.adam_epsilon,
            weight_decay: self.adam_weight_decay,
        }
    }

    /// Number of steps of the run.
    fn total_steps(&self, steps_per_epoch: usize) -> usize {
        self.steps.unwrap_or(self.epochs.unwrap_or(0).saturating_mul(steps_per_epoch))
    }

    fn validate(&self) -> Result<()> {
        match (self.epochs, self.steps) {
            (Some(1..), None) | (None, Some(1..)) => {}
            (None, None) => return Err(Error::argument("epochs", "epochs or steps", "neither")),
            (Some(_), Some(_)) => return Err(Error::argument("epochs", "epochs or steps", "both")),
            (Some(_), None) => return Err(Error::argument("epochs", "at least 1", 0)),
            (None, Some(_)) => return Err(Error::argument("steps", "at least 1", 0)),
        }
        match self.max_grad_norm {
            Some(limit) if !limit.is_finite() || limit <= 0.0 => {
                Err(Error::argument("maxGradNorm", "a number above 0", limit))
            }
            _ => Ok(()),
        }
    }
}

/// What happens in a run, in the order in which it happens.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(
    test,
    derive(ts_rs::TS),
    ts(export, tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TrainingEvent {
    /// Before the first step.
    Start { steps: usize, epochs: usize, steps_per_epoch: usize, parameters: usize, images: usize },
    /// After an optimizer step; steps and epochs count from 1, `images` is the batch's size.
    Step {
        step: usize,
        epoch: usize,
        loss: f32,
        learning_rate: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        grad_norm: Option<f64>,
        images: usize,
    },
    /// After an epoch, with its mean loss.
    Epoch { epoch: usize, step: usize, loss: f64 },
    /// After the last step, with the mean loss of the last epoch.
    Done { steps: usize, epochs: usize, loss: f64 },
}

/// Where a run stands.
enum Stage {
    Start,
    Steps,
    Done,
}

/// A training run, taken event by event.
pub struct Trainer {
    options: TrainerOptions,
    scheduler: Box<dyn Scheduler>,
    loader: DataLoader,
    optimizer: AdamW,
    stage: Stage,
    steps_per_epoch: usize,
    total_steps: usize,
    step: usize,
    epoch: usize,
    epoch_losses: Vec<f32>,
    last_epoch_loss: f64,
}

impl Trainer {
    pub fn new(options: TrainerOptions, scheduler: Box<dyn Scheduler>) -> Result<Self> {
        options.validate()?;
        let loader = DataLoader::new(&format!("{{\"batchSize\":{}}}", options.batch_size))?;
        let optimizer = AdamW::new(options.adamw())?;
        Ok(Self {
            options,
            scheduler,
            loader,
            optimizer,
            stage: Stage::Start,
            steps_per_epoch: 0,
            total_steps: 0,
            step: 0,
            epoch: 1,
            epoch_losses: Vec::new(),
            last_epoch_loss: 0.0,
        })
    }

    /// Goes on to the next event.
    pub async fn next(
        &mut self,
        model: &mut UNet2DModel,
        dataset: &Dataset,
        generator: &std::sync::Mutex<Generator>,
    ) -> Result<TrainingEvent> {
        match self.stage {
            Stage::Start => self.start(model, dataset),
            Stage::Done => Ok(self.done()),
            Stage::Steps if self.step == self.total_steps && self.epoch_is_complete() => Ok(self.end_epoch()),
            Stage::Steps if self.step == self.total_steps => {
                self.close_epoch();
                Ok(self.done())
            }
            Stage::Steps => match self.next_batch(dataset, generator)? {
                Some(clean) => self.train_step(model, dataset.item_shape()?, clean, generator).await,
                None => Ok(self.end_epoch()),
            },
        }
    }

    fn start(&mut self, model: &UNet2DModel, dataset: &Dataset) -> Result<TrainingEvent> {
        let steps_per_epoch = self.loader.steps_per_epoch(dataset)?;
        self.check_fit(model, dataset)?;
        self.steps_per_epoch = steps_per_epoch;
        self.total_steps = self.options.total_steps(steps_per_epoch);
        self.stage = Stage::Steps;
        Ok(TrainingEvent::Start {
            steps: self.total_steps,
            epochs: self.total_steps.div_ceil(steps_per_epoch),
            steps_per_epoch,
            parameters: model.parameters.count(),
            images: dataset.len(),
        })
    }

    /// The pictures must be what the model takes, and its output what the loss compares.
    fn check_fit(&self, model: &UNet2DModel, dataset: &Dataset) -> Result<()> {
        let [channels, ..] = dataset.item_shape()?;
        let config = model.config();
        if channels != config.in_channels {
            let expected = format!("pictures of {} channels, which the model's inChannels says", config.in_channels);
            return Err(Error::shape("dataset", expected, format!("{channels} channels")));
        }
        if config.out_channels != channels {
            let expected = format!("a model with outChannels {channels}, as the pictures have");
            return Err(Error::shape("model", expected, config.out_channels));
        }
        Ok(())
    }

    fn next_batch(&mut self, dataset: &Dataset, generator: &std::sync::Mutex<Generator>) -> Result<Option<Vec<f32>>> {
        self.loader.next(dataset, &mut lock(generator))
    }

    /// One step (Ho et al. 2020, algorithm 1).
    async fn train_step(
        &mut self,
        model: &mut UNet2DModel,
        [channels, height, width]: [usize; 3],
        clean: Vec<f32>,
        generator: &std::sync::Mutex<Generator>,
    ) -> Result<TrainingEvent> {
        let images = clean.len() / (channels * height * width);
        let (noise, timesteps) = self.draw(clean.len(), images, generator)?;
        let noisy = self.scheduler.add_noise(&clean, &noise, &timesteps)?;
        let target = self.target(clean, noise, &timesteps)?;
        let timesteps: Vec<f32> = timesteps.iter().map(|&t| t as f32).collect();
        let inputs = Inputs {
            sample: &noisy,
            shape: &[images, channels, height, width],
            timesteps: &timesteps,
            class_labels: &[],
        };
        let loss = mse_backward(model, inputs, Target { values: &target, weights: &[] }).await?;
        let grad_norm = self.update(model).await?;
        self.step += 1;
        self.epoch_losses.push(loss);
        let learning_rate = self.options.learning_rate;
        Ok(TrainingEvent::Step { step: self.step, epoch: self.epoch, loss, learning_rate, grad_norm, images })
    }

    fn draw(
        &self,
        values: usize,
        images: usize,
        generator: &std::sync::Mutex<Generator>,
    ) -> Result<(Vec<f32>, Vec<f64>)> {
        let mut generator = lock(generator);
        let noise = generator.randn(values);
        let timesteps = generator.randint(0, self.scheduler.num_train_timesteps() as i64, images)?;
        Ok((noise, timesteps.into_iter().map(f64::from).collect()))
    }

    /// What the model learns to predict.
    fn target(&self, clean: Vec<f32>, noise: Vec<f32>, timesteps: &[f64]) -> Result<Vec<f32>> {
        match self.scheduler.prediction_type() {
            PredictionType::Epsilon => Ok(noise),
            PredictionType::Sample => Ok(clean),
            PredictionType::VPrediction => self.scheduler.get_velocity(&clean, &noise, timesteps),
            PredictionType::FlowPrediction => {
                Err(Error::Unsupported("training with a flow-matching scheduler; use DDPMScheduler".into()))
            }
        }
    }

    /// Clips, updates and clears the gradients; returns their length where it was measured.
    async fn update(&mut self, model: &mut UNet2DModel) -> Result<Option<f64>> {
        let norm = match self.options.max_grad_norm {
            Some(_) => Some(gradient_norm(&model.parameters).await?),
            None => None,
        };
        let scale = match (norm, self.options.max_grad_norm) {
            (Some(norm), Some(limit)) => clip_factor(norm, limit),
            _ => 1.0,
        };
        self.optimizer.step(&mut model.parameters, scale);
        model.parameters.zero_gradients();
        Ok(norm)
    }

    fn end_epoch(&mut self) -> TrainingEvent {
        self.close_epoch();
        let event = TrainingEvent::Epoch { epoch: self.epoch, step: self.step, loss: self.last_epoch_loss };
        self.stage = if self.step == self.total_steps { Stage::Done } else { Stage::Steps };
        self.epoch += 1;
        event
    }

    fn epoch_is_complete(&self) -> bool {
        self.epoch_losses.len() == self.steps_per_epoch
    }

    /// Takes the mean of the epoch's losses.
    fn close_epoch(&mut self) {
        if !self.epoch_losses.is_empty() {
            let sum: f64 = self.epoch_losses.iter().map(|&loss| f64::from(loss)).sum();
            self.last_epoch_loss = sum / self.epoch_losses.len() as f64;
            self.epoch_losses.clear();
        }
    }

    fn done(&mut self) -> TrainingEvent {
        self.stage = Stage::Done;
        TrainingEvent::Done {
            steps: self.step,
            epochs: self.step.div_ceil(self.steps_per_epoch.max(1)),
            loss: self.last_epoch_loss,
        }
    }
}

/// The generator; a call that failed while it held the lock left it whole.
fn lock(generator: &std::sync::Mutex<Generator>) -> std::sync::MutexGuard<'_, Generator> {
    generator.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
