//! What a run has to remember to go on as if it had never stopped: the state beside the weights, and its way back.

use super::ema::{Ema, EmaOptions};
use super::options::TrainerOptions;
use super::progress::Progress;
use super::trainer::Trainer;
use crate::data::{DataLoader, Dataset};
use crate::models::{LossScale, UNet2DModel};
use crate::pretrained::config::{read_config, write_config};
use crate::pretrained::weights::Weights;
use crate::random::Generator;
use crate::{Error, Result, json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const FILE: &str = "trainer_state.json";

/// The content of `trainer_state.json`. What is missing starts anew: a run that comes from Python knows its step only.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrainerState {
    progress: ProgressState,
    /// Order of the epoch under way and position in it.
    loader: Option<DataLoader>,
    /// Length of the data set.
    images: Option<usize>,
    /// What tells its images from others.
    fingerprint: Option<String>,
    /// State of the generator, hexadecimal.
    generator: Option<String>,
    /// The same for dropout masks.
    dropout: Option<String>,
    /// Where activations are float16.
    loss_scale: Option<LossScale>,
    /// What the run was told, for people and for Python.
    options: Option<TrainerOptions>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "how far the run was")]
enum ProgressState {
    Whole(Progress),
    Step { step: usize },
}

impl TrainerState {
    /// Refuses what no run over this data set can have written: the file was changed, or belongs to another run.
    fn check(&self, dataset: &Dataset) -> Result<()> {
        let possible_progress = match &self.progress {
            ProgressState::Whole(progress) => progress.is_possible(),
            ProgressState::Step { step } => Progress::at_step(*step, 1).is_possible(),
        };
        let wrong = [
            ("progress", possible_progress),
            ("loader", self.loader.as_ref().is_none_or(|loader| loader.is_place_in(dataset.len()))),
            ("loss_scale", self.loss_scale.is_none_or(LossScale::is_possible)),
        ];
        match wrong.iter().find(|(_, possible)| !possible) {
            Some((key, _)) => Err(Error::file(FILE, format!("`{key}`: expected what a run of this data set writes"))),
            None => Ok(()),
        }
    }
}

/// The files of a checkpoint, read.
pub struct Checkpoint<'a> {
    /// The text of `trainer_state.json`.
    pub state: &'a str,
    pub unet: &'a mut Weights,
    /// The text of `unet_ema/config.json` and the averaged weights, where the run had them.
    pub ema: Option<(&'a str, &'a mut Weights)>,
    pub optimizer: &'a mut Weights,
}

impl Trainer {
    /// The text of `trainer_state.json`.
    pub fn state(&self, model: &UNet2DModel, dataset: &Dataset, generator: &Generator) -> String {
        json::to_json(&TrainerState {
            progress: ProgressState::Whole(self.progress.clone()),
            loader: Some(self.loader.clone()),
            images: Some(dataset.len()),
            fingerprint: Some(dataset.fingerprint().into()),
            generator: Some(to_hex(&generator.state())),
            dropout: Some(to_hex(&model.dropout_state())),
            loss_scale: model.loss_scale,
            options: Some(self.options.clone()),
        })
    }

    /// The optimizer's state; see [`AdamW::safetensors`](super::AdamW::safetensors).
    pub async fn optimizer_state(&self, model: &UNet2DModel) -> Result<Vec<u8>> {
        self.optimizer.safetensors(&model.parameters).await
    }

    /// The moving average, which only runs with `useEma` have.
    pub fn ema(&mut self, model: &UNet2DModel) -> Result<&Ema> {
        self.average(model)?
            .map(|ema| &*ema)
            .ok_or_else(|| Error::argument("useEma", "true, so that there is a moving average", "false"))
    }

    /// Puts model, optimizer, average, generator and data position where the checkpoint's run had them. One that is
    /// refused changes nothing.
    pub fn restore(
        &mut self,
        checkpoint: Checkpoint,
        model: &mut UNet2DModel,
        dataset: &Dataset,
        generator: &mut Generator,
    ) -> Result<()> {
        let state: Value =
            serde_json::from_str(checkpoint.state).map_err(|error| Error::file(FILE, error.to_string()))?;
        let state: TrainerState = json::read(&state).map_err(|refusal| Error::file(FILE, refusal.to_string()))?;
        if let Some(images) = state.images.filter(|images| *images != dataset.len()) {
            let expected = format!("the {images} images that the checkpoint's run learned from");
            return Err(Error::argument("dataset", expected, dataset.len()));
        }
        if state.fingerprint.as_deref().is_some_and(|fingerprint| fingerprint != dataset.fingerprint()) {
            let expected = "the images that the checkpoint's run learned from, in their order and with their classes";
            let got = "as many others; bring those back, or start a new run, from this one's weights if you like";
            return Err(Error::argument("dataset", expected, got));
        }
        state.check(dataset)?;
        let weights = model.parameters.import(checkpoint.unet)?;
        let ema = match checkpoint.ema {
            Some((config, weights)) if self.options.use_ema => {
                let weights = model.parameters.import(weights)?;
                Some((weights, ema_updates(config)?))
            }
            _ => None,
        };
        let restored_generator = state.generator.as_deref().map(generator_of).transpose()?;
        let restored_dropout = state.dropout.as_deref().map(generator_of).transpose()?;
        self.optimizer.restore(&model.parameters, checkpoint.optimizer)?;

        model.parameters.set_values(&weights);
        model.parameters.zero_gradients();
        if let Some(restored) = restored_generator {
            *generator = restored;
        }
        if let Some(restored) = restored_dropout {
            model.set_dropout_state(&restored.state())?;
        }
        if model.loss_scale.is_some() && state.loss_scale.is_some() {
            model.loss_scale = state.loss_scale;
        }
        if let Some(loader) = state.loader {
            self.loader.restore(loader);
        }
        self.ema = None;
        let average = self.average(model)?;
        if let (Some(average), Some((weights, updates))) = (average, ema) {
            average.restore(weights, updates);
        }
        self.progress = match state.progress {
            ProgressState::Whole(progress) => progress,
            ProgressState::Step { step } => Progress::at_step(step, self.steps_per_epoch(dataset)?),
        };
        Ok(())
    }
}

/// The text of `unet_ema/config.json`: diffusers keeps the average's numbers among the options of the model.
pub fn ema_config(ema: &Ema, model: &UNet2DModel) -> Result<String> {
    let mut options = object(json::to_json(model.config()))?;
    options.extend(object(json::to_json(ema.options()))?);
    options.insert(UPDATES.into(), ema.optimization_step().into());
    write_config("UNet2DModel", &json::to_json(&options))
}

/// The key that counts the average's updates.
const UPDATES: &str = "optimizationStep";

/// The options of a model (JSON, camelCase) without those of an average of its weights.
pub fn without_ema_options(options_json: &str) -> Result<String> {
    let mut options = object(options_json.to_string())?;
    for key in object(json::to_json(&EmaOptions::default()))?.keys() {
        options.remove(key);
    }
    options.remove(UPDATES);
    Ok(json::to_json(&options))
}

fn ema_updates(config: &str) -> Result<usize> {
    const FILE: &str = "unet_ema/config.json";
    let options = object(read_config(FILE, config)?.options_json)?;
    let updates = options.get(UPDATES).ok_or_else(|| Error::file(FILE, "there is no `optimization_step`"))?;
    json::read(updates).map_err(|refusal| Error::file(FILE, refusal.inside("optimization_step").to_string()))
}

fn object(text: String) -> Result<Map<String, Value>> {
    json::from_json(&text)
}

/// A generator in this state, hexadecimal.
fn generator_of(state: &str) -> Result<Generator> {
    let mut generator = Generator::new(0);
    generator
        .set_state(&from_hex(state)?)
        .map_err(|error| Error::file(FILE, format!("a generator cannot stand there ({error})")))?;
    Ok(generator)
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let refusal = || Error::file(FILE, "the state of a generator is not hexadecimal");
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return Err(refusal());
    }
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| refusal());
    (0..text.len()).step_by(2).map(byte).collect()
}
