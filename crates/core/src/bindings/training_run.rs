//! A training run with everything that it works on, each behind its handle.

use super::support::{Model, SharedGenerator, lock};
use crate::data::Dataset;
use crate::handle::Handle;
use crate::models::UNet2DModel;
use crate::pretrained::weights::Weights;
use crate::schedulers::Scheduler;
use crate::training::{Checkpoint, Trainer, ema_config};
use crate::{Result, json};

#[derive(Clone)]
pub struct TrainingRun {
    trainer: Handle<Trainer>,
    model: Handle<UNet2DModel>,
    device: String,
    dataset: Handle<Dataset>,
    generator: SharedGenerator,
}

impl TrainingRun {
    pub fn new(
        model: &Model,
        scheduler: Box<dyn Scheduler>,
        dataset: Handle<Dataset>,
        generator: SharedGenerator,
        options: &str,
    ) -> Result<Self> {
        let trainer = Handle::new("the trainer", Trainer::new(json::from_json(options)?, scheduler)?);
        Ok(Self { trainer, model: model.handle.clone(), device: model.device.clone(), dataset, generator })
    }

    /// The next event as JSON.
    pub async fn next(&self) -> Result<String> {
        self.with(async |trainer, model, dataset| {
            Ok(json::to_json(&trainer.next(model, dataset, &self.generator).await?))
        })
        .await
    }

    /// The text of `trainer_state.json`.
    pub async fn state(&self) -> Result<String> {
        self.with(async |trainer, model, dataset| Ok(trainer.state(model, dataset, &lock(&self.generator)))).await
    }

    /// The content of `optimizer.safetensors`.
    pub async fn optimizer_state(&self) -> Result<Vec<u8>> {
        self.with(async |trainer, model, _| trainer.optimizer_state(model).await).await
    }

    /// The text of `unet_ema/config.json`.
    pub async fn ema_config(&self) -> Result<String> {
        self.with(async |trainer, model, _| ema_config(trainer.ema(model)?, model)).await
    }

    /// A model with the averaged weights as they are now.
    pub async fn ema_model(&self) -> Result<Model> {
        self.with(async |trainer, model, _| {
            let averaged = model.with_weights(trainer.ema(model)?.weights())?;
            Ok(Model::new(averaged, &self.device))
        })
        .await
    }

    /// `weights`: of `unet/`, of `unet_ema/` (which count where `ema_config` is not empty), and of the optimizer.
    pub async fn restore(&self, state: &str, ema_config: &str, weights: &[Handle<Weights>; 3]) -> Result<()> {
        let [unet, ema, optimizer] = weights;
        let [mut unet, mut ema, mut optimizer] = [unet.take().await?, ema.take().await?, optimizer.take().await?];
        let checkpoint = Checkpoint {
            state,
            unet: &mut unet,
            ema: (!ema_config.is_empty()).then_some((ema_config, &mut ema)),
            optimizer: &mut optimizer,
        };
        self.with(async |trainer, model, dataset| {
            trainer.restore(checkpoint, model, dataset, &mut lock(&self.generator))
        })
        .await
    }

    pub fn bytes(&self) -> usize {
        self.trainer.bytes()
    }

    pub fn dispose(&self) {
        self.trainer.dispose();
    }

    async fn with<R>(
        &self,
        work: impl AsyncFnOnce(&mut Trainer, &mut UNet2DModel, &mut Dataset) -> Result<R>,
    ) -> Result<R> {
        self.trainer
            .with(async |trainer| {
                self.model
                    .with(async |model| self.dataset.with(async |dataset| work(trainer, model, dataset).await).await)
                    .await
            })
            .await
    }
}
