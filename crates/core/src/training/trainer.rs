//! The training loop: clean pictures → noise → prediction → loss → gradients → update → average.

use super::adamw::{AdamW, clip_factor, gradient_norm};
use super::ema::Ema;
use super::event::TrainingEvent;
use super::loss::{Target, mse_backward};
use super::lr_schedule::LrSchedule;
use super::noise::{NoiseOptions, NoisyBatch};
use super::options::{NanPolicy, TrainerOptions};
use super::progress::Progress;
use super::snr_weights::snr_weights;
use crate::data::{DataLoader, Dataset};
use crate::handle::Footprint;
use crate::models::{Inputs, UNet2DModel};
use crate::random::Generator;
use crate::schedulers::Scheduler;
use crate::{Error, Result};
use std::sync::Mutex;

/// What a run is about to do.
enum Stage {
    Start,
    Steps,
    Done,
}

/// A training run, taken event by event.
pub struct Trainer {
    pub(super) options: TrainerOptions,
    pub(super) loader: DataLoader,
    pub(super) optimizer: AdamW,
    /// Made when the run starts, of the model's weights.
    pub(super) ema: Option<Ema>,
    pub(super) progress: Progress,
    scheduler: Box<dyn Scheduler>,
    lr_schedule: LrSchedule,
    stage: Stage,
    steps_per_epoch: usize,
    total_steps: usize,
}

impl Footprint for Trainer {
    fn bytes(&self) -> usize {
        self.optimizer.bytes() + self.ema.as_ref().map_or(0, Footprint::bytes)
    }
}

impl Trainer {
    pub fn new(options: TrainerOptions, scheduler: Box<dyn Scheduler>) -> Result<Self> {
        options.validate()?;
        let loader = DataLoader::new(&format!("{{\"batchSize\":{}}}", options.batch_size))?;
        Ok(Self {
            loader,
            optimizer: AdamW::new(options.adamw())?,
            ema: None,
            progress: Progress::default(),
            scheduler,
            // Its length is known once the data set is.
            lr_schedule: LrSchedule::new(options.lr_schedule(0), options.learning_rate)?,
            stage: Stage::Start,
            steps_per_epoch: 0,
            total_steps: 0,
            options,
        })
    }

    /// Goes on to the next event.
    pub async fn next(
        &mut self,
        model: &mut UNet2DModel,
        dataset: &Dataset,
        generator: &Mutex<Generator>,
    ) -> Result<TrainingEvent> {
        if let Some(problem) = dataset.take_problem() {
            return Ok(TrainingEvent::Warning { message: format!("skipped {problem}") });
        }
        match self.stage {
            Stage::Start => self.start(model, dataset),
            Stage::Steps if self.loader.remaining(dataset) == 0 => self.end_epoch(dataset, generator),
            Stage::Steps if self.progress.step < self.total_steps => self.train_step(model, dataset, generator).await,
            Stage::Steps | Stage::Done => Ok(self.done()),
        }
    }

    fn start(&mut self, model: &mut UNet2DModel, dataset: &Dataset) -> Result<TrainingEvent> {
        self.steps_per_epoch = self.steps_per_epoch(dataset)?;
        check_fit(model, dataset)?;
        self.total_steps = self.options.total_steps(self.steps_per_epoch);
        self.lr_schedule = LrSchedule::new(self.options.lr_schedule(self.total_steps), self.options.learning_rate)?;
        self.average(model)?;
        model.set_gradient_checkpointing(self.options.gradient_checkpointing);
        self.stage = Stage::Steps;
        Ok(TrainingEvent::Start {
            steps: self.total_steps,
            epochs: self.total_steps.div_ceil(self.steps_per_epoch),
            steps_per_epoch: self.steps_per_epoch,
            parameters: model.parameters.count(),
            images: dataset.len(),
            step: self.progress.step,
        })
    }

    /// Optimizer steps in a round over the data.
    pub(super) fn steps_per_epoch(&self, dataset: &Dataset) -> Result<usize> {
        Ok(self.loader.steps_per_epoch(dataset)?.div_ceil(self.options.gradient_accumulation_steps))
    }

    /// The moving average; of the weights as they are where there was none yet.
    pub(super) fn average(&mut self, model: &UNet2DModel) -> Result<Option<&mut Ema>> {
        if self.options.use_ema && self.ema.is_none() {
            self.ema = Some(Ema::new(self.options.ema(), &model.parameters)?);
        }
        Ok(self.ema.as_mut())
    }

    /// One optimizer step (Ho et al. 2020, algorithm 1) with the gradients of one batch or several.
    async fn train_step(
        &mut self,
        model: &mut UNet2DModel,
        dataset: &Dataset,
        generator: &Mutex<Generator>,
    ) -> Result<TrainingEvent> {
        let images = self.images_of_step(dataset);
        let (mut loss, mut indices) = (0.0, Vec::with_capacity(images));
        while indices.len() < images {
            let (batch, batch_indices) = self.noisy_batch(dataset, generator)?;
            let share = batch_indices.len() as f64 / images as f64;
            loss += f64::from(self.backward(model, &batch, share).await?);
            indices.extend(batch_indices);
        }
        let grad_norm = gradient_norm(&model.parameters).await?;
        if !loss.is_finite() || !grad_norm.is_finite() {
            model.parameters.zero_gradients();
            return self.not_finite(loss, grad_norm, &indices);
        }
        let learning_rate = self.lr_schedule.learning_rate(self.progress.step);
        self.optimizer.set_learning_rate(learning_rate)?;
        let clip = self.options.max_grad_norm.map_or(1.0, |limit| clip_factor(grad_norm, limit));
        self.optimizer.step(&mut model.parameters, clip);
        model.parameters.zero_gradients();
        let ema_decay = self.ema.as_mut().map(|ema| ema.update(&model.parameters));
        let loss = loss as f32;
        let (step, epoch) = self.progress.count_step(Some(loss));
        Ok(TrainingEvent::Step { step, epoch, loss, learning_rate, grad_norm, ema_decay, images })
    }

    /// Fewer than batches times size at the end of an epoch.
    fn images_of_step(&self, dataset: &Dataset) -> usize {
        let full = self.options.batch_size.saturating_mul(self.options.gradient_accumulation_steps);
        self.loader.remaining(dataset).min(full)
    }

    /// The next pictures with noise in them, and their places in the data set.
    fn noisy_batch(&mut self, dataset: &Dataset, generator: &Mutex<Generator>) -> Result<(NoisyBatch, Vec<usize>)> {
        let mut generator = lock(generator);
        let batch = self.loader.next(dataset, &mut generator)?;
        let batch = batch.ok_or_else(|| Error::Internal("an epoch ended in the middle of a step".into()))?;
        let indices = batch.indices.clone();
        let TrainerOptions { noise_offset: offset, input_perturbation: perturbation, .. } = self.options;
        let options = NoiseOptions { offset, perturbation };
        Ok((NoisyBatch::draw(batch, options, &*self.scheduler, &mut generator)?, indices))
    }

    /// Predicts, measures, and adds to the model's gradients. Returns the loss times `share`, what the batch counts in its
    /// step.
    async fn backward(&self, model: &mut UNet2DModel, batch: &NoisyBatch, share: f64) -> Result<f32> {
        let mut weights = snr_weights(&*self.scheduler, &batch.timesteps, self.options.snr_gamma)?;
        if share < 1.0 {
            weights.resize(batch.timesteps.len(), 1.0);
            weights.iter_mut().for_each(|weight| *weight *= share as f32);
        }
        let timesteps: Vec<f32> = batch.timesteps.iter().map(|&t| t as f32).collect();
        let inputs = Inputs {
            sample: &batch.sample,
            shape: &batch.shape,
            timesteps: &timesteps,
            class_labels: &batch.class_labels,
        };
        mse_backward(model, inputs, Target { values: &batch.target, weights: &weights }).await
    }

    /// A step that would have spoilt the weights.
    fn not_finite(&mut self, loss: f64, grad_norm: f64, indices: &[usize]) -> Result<TrainingEvent> {
        let step = self.progress.step + 1;
        let what =
            if loss.is_finite() { format!("gradients of length {grad_norm}") } else { format!("a loss of {loss}") };
        let problem = format!("{what} from the pictures {indices:?}");
        match self.options.nan {
            NanPolicy::Skip => {
                let (step, epoch) = self.progress.count_step(None);
                Ok(TrainingEvent::Skipped { step, epoch, problem })
            }
            NanPolicy::Stop => Err(Error::NotFinite { argument: format!("step {step}"), got: problem }),
        }
    }

    fn end_epoch(&mut self, dataset: &Dataset, generator: &Mutex<Generator>) -> Result<TrainingEvent> {
        // Takes the end of the epoch, which holds no batch.
        self.loader.next(dataset, &mut lock(generator))?;
        let epoch = self.progress.close_epoch();
        Ok(TrainingEvent::Epoch { epoch, step: self.progress.step, loss: self.progress.last_epoch_loss })
    }

    fn done(&mut self) -> TrainingEvent {
        self.progress.take_mean();
        self.stage = Stage::Done;
        TrainingEvent::Done {
            steps: self.progress.step,
            epochs: self.progress.step.div_ceil(self.steps_per_epoch.max(1)),
            loss: self.progress.last_epoch_loss,
        }
    }
}

/// The pictures must be what the model takes, and its output what the loss compares.
fn check_fit(model: &UNet2DModel, dataset: &Dataset) -> Result<()> {
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
    check_classes(model, dataset)
}

/// A model with classes needs labels, and labels a model that knows what to do with them.
fn check_classes(model: &UNet2DModel, dataset: &Dataset) -> Result<()> {
    let labels = dataset.class_labels();
    match (model.takes_class_labels(), labels.iter().max()) {
        (true, None) => Err(Error::argument("dataset", "class labels, which the model needs", "a data set without")),
        (false, Some(_)) => {
            Err(Error::argument("model", "numClassEmbeds, because the data set has class labels", "a model without"))
        }
        (true, Some(&largest)) => match model.config().num_class_embeds {
            Some(classes) if largest as usize >= classes => {
                let expected = format!("at least {}, because the data set has that class", largest + 1);
                Err(Error::argument("numClassEmbeds", expected, classes))
            }
            _ => Ok(()),
        },
        (false, None) => Ok(()),
    }
}

/// The generator; a call that failed while it held the lock left it whole.
fn lock(generator: &Mutex<Generator>) -> std::sync::MutexGuard<'_, Generator> {
    generator.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
