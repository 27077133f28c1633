//! What the lines of the bindings call: from what JavaScript hands over to what the core takes.

use crate::data::{Batch, DataLoader, Dataset, Image};
use crate::error::check_finite;
use crate::handle::Handle;
use crate::memory::{expect_block, expect_bytes};
use crate::models::{OwnedInputs, Source, UNet2DModel, UNet2DModelConfig, to_nchw};
use crate::pipelines::{Denoising, Start};
use crate::pretrained::config::{read_config, snake_case, write_config};
use crate::pretrained::unused;
use crate::pretrained::weights::Weights;
use crate::random::Generator;
use crate::schedulers::{self, Scheduler};
use crate::training::{AdamW, Ema, Prediction, Target, clip_factor, gradient_norm, mse_backward, without_ema_options};
use crate::{Error, FloatType, Result, device, json};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A generator that a run on the worker thread and the caller both draw from.
pub type SharedGenerator = Arc<Mutex<Generator>>;

/// The locked value; a call that failed while it held the lock left it whole.
pub fn lock<T: ?Sized>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn sizes(sizes: &[u32]) -> Vec<usize> {
    sizes.iter().map(|&size| size as usize).collect()
}

/// A seed from a JavaScript number.
pub fn seed(seed: f64) -> Result<u64> {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    if seed.fract() != 0.0 || !(0.0..=LARGEST).contains(&seed) {
        return Err(Error::argument("seed", "a whole number from 0 to 2^53 - 1", seed));
    }
    Ok(seed as u64)
}

/// Numbers that a generator draws, once it is known that so many fit; `draw` gives 4 bytes each.
pub fn draw<T>(
    generator: &SharedGenerator,
    count: f64,
    draw: impl FnOnce(&mut Generator, usize) -> Result<Vec<T>>,
) -> Result<Vec<T>> {
    // A tensor of the shape that was asked for; the last place where a number of values has no limit.
    let count = count as u64;
    expect_block(format_args!("{count} random numbers"), count.saturating_mul(4))?;
    draw(&mut lock(generator), count as usize)
}

pub fn generator(seed_number: f64) -> Result<SharedGenerator> {
    Ok(Arc::new(Mutex::new(Generator::new(seed(seed_number)?))))
}

pub fn randint(generator: &SharedGenerator, low: f64, high: f64, count: f64) -> Result<Vec<i32>> {
    for (name, number) in [("low", low), ("high", high)] {
        if number.fract() != 0.0 || !number.is_finite() {
            return Err(Error::argument(name, "a whole number", number));
        }
    }
    draw(generator, count, |generator, count| generator.randint(low as i64, high as i64, count))
}

/// A scheduler from the text of its file; `class_name` empty takes the class that the file names.
pub fn scheduler_from_file(text: &str, class_name: &str) -> Result<Box<dyn Scheduler>> {
    const FILE: &str = "scheduler_config.json";
    let config = read_config(FILE, text)?;
    let stored = config.class_name.as_deref().unwrap_or("");
    let wanted = if class_name.is_empty() { stored } else { class_name };
    if wanted.is_empty() {
        return Err(Error::file(FILE, "no _class_name says which scheduler it is"));
    }
    let known = if stored.is_empty() { wanted } else { stored };
    let scheduler = schedulers::create_lenient(known, &config.options_json).map(|(scheduler, _)| scheduler);
    let converted = scheduler.and_then(|scheduler| {
        if known == wanted { Ok(scheduler) } else { schedulers::convert(&*scheduler, wanted, "{}") }
    });
    converted.map_err(|error| json::in_file(FILE, error))
}

/// What to tell of options in a scheduler's file that no scheduler has; empty for nothing.
pub fn scheduler_warning(text: &str, class_name: &str) -> Result<String> {
    let config = read_config("scheduler_config.json", text)?;
    let known = config.class_name.as_deref().unwrap_or(class_name);
    let (_, unknown) = schedulers::create_lenient(known, &config.options_json)
        .map_err(|error| json::in_file("scheduler_config.json", error))?;
    let unknown: Vec<String> = unknown.iter().map(|key| snake_case(key)).collect();
    Ok(unused::warning(&unknown, &[], "").unwrap_or_default())
}

/// `[start,end]`, or `[]` for none.
pub fn range_json(range: Option<std::ops::Range<u64>>) -> String {
    json::to_json(&range.map_or(Vec::new(), |range| vec![range.start, range.end]))
}

/// The text of a scheduler's file: its options, and those that it keeps for other classes.
pub fn scheduler_file(scheduler: &dyn Scheduler) -> Result<String> {
    let record = scheduler.record();
    let mut options = record.hidden.clone();
    options.extend(record.values.clone());
    write_config(scheduler.class_name(), &json::to_json(&options))
}

pub fn image(data: &[u8], width: u32, height: u32, channels: u32) -> Result<Image> {
    Image::new(width as usize, height as usize, channels as usize, data.to_vec())
}

/// A model behind its handle, with what never changes about it.
pub struct Model {
    pub handle: Handle<UNet2DModel>,
    /// JSON, camelCase.
    pub config: String,
    pub device: String,
    /// The number format of activations.
    pub dtype: &'static str,
    pub parameter_count: usize,
    /// What its files hold beside it; empty for nothing.
    pub warning: String,
    /// JSON: names and shapes in torch's order.
    pub parameter_list: String,
}

impl Model {
    pub fn new(model: UNet2DModel, device: &str) -> Self {
        let parameter = |parameter: &crate::models::Parameter| serde_json::json!({ "name": parameter.name, "shape": parameter.shape });
        let list: Vec<_> = model.parameters.iter().map(parameter).collect();
        Self {
            config: json::to_json(model.config()),
            device: device.to_string(),
            dtype: model.float_type().name(),
            parameter_count: model.parameters.count(),
            warning: String::new(),
            parameter_list: json::to_json(&list),
            handle: Handle::new("the model", model),
        }
    }
}

pub fn create_model(config: &str, device_name: &str, dtype: &str, generator: &SharedGenerator) -> Result<Model> {
    let float_type = FloatType::parse(dtype)?;
    let config: UNet2DModelConfig = json::from_json(config)?;
    let mut generator = lock(generator);
    let found = device::find(device_name)?;
    found.require(float_type)?;
    expect_room_for_weights(&config, &found)?;
    let mut model = UNet2DModel::new(config, Source::Generator(&mut generator), &found.device)?;
    model.set_float_type(float_type);
    model.seed_dropout(generator.seed());
    Ok(Model::new(model, &found.name))
}

/// Other devices say themselves when their memory is full.
fn expect_room_for_weights(config: &UNet2DModelConfig, found: &device::Found) -> Result<()> {
    if found.is_cpu() {
        UNet2DModel::new(config.clone(), Source::Room, &found.device)?;
    }
    Ok(())
}

/// The options of a model as JSON, from the text of its file.
pub fn model_config(file_name: &str, text: &str) -> Result<String> {
    Ok(split_model_config(file_name, text)?.0)
}

/// What to tell of options in that file that a model does not have; empty for nothing.
pub fn model_config_warning(file_name: &str, text: &str) -> Result<String> {
    Ok(unused::warning(&split_model_config(file_name, text)?.1, &[], "").unwrap_or_default())
}

/// The options that a model has, and the names of the others in the file.
fn split_model_config(file_name: &str, text: &str) -> Result<(String, Vec<String>)> {
    type Options = serde_json::Map<String, serde_json::Value>;
    let mut options: Options = json::from_json(&model_options(file_name, text)?)?;
    if options.remove("quantizationConfig").is_some_and(|quantization| !quantization.is_null()) {
        return Err(unused::quantised_refusal(&format!("quantization_config in {file_name}")));
    }
    let known: Options = json::from_json(&json::to_json(&UNet2DModelConfig::default()))?;
    let (options, others): (Options, Options) = options.into_iter().partition(|(key, _)| known.contains_key(key));
    Ok((json::to_json(&options), others.keys().map(|key| snake_case(key)).collect()))
}

fn model_options(file_name: &str, text: &str) -> Result<String> {
    let config = read_config(file_name, text)?;
    if let Some(class_name) = config.class_name.filter(|name| name != "UNet2DModel") {
        return Err(Error::file(file_name, format!("is for a {class_name}, not for a UNet2DModel")));
    }
    without_ema_options(&config.options_json)
}

const MODEL_FILE: &str = "config.json";

fn in_model_file(error: Error) -> Error {
    json::in_file(MODEL_FILE, error)
}

fn model_in_file(python_config: &str) -> Result<UNet2DModelConfig> {
    json::from_json(&model_config(MODEL_FILE, python_config)?).map_err(in_model_file)
}

/// From now on only the tensors of a model are read.
pub fn want_model(python_config: &str, weights: &mut Weights, device_name: &str) -> Result<()> {
    let config = model_in_file(python_config)?;
    let mut tensors = Vec::new();
    UNet2DModel::new(config, Source::Names(&mut tensors), &device::find(device_name)?.device).map_err(in_model_file)?;
    weights.want_only(tensors);
    Ok(())
}

pub fn load_model(python_config: &str, weights: &mut Weights, device_name: &str, dtype: &str) -> Result<Model> {
    let float_type = FloatType::parse(dtype)?;
    let config = model_in_file(python_config)?;
    let found = device::find(device_name)?;
    found.require(float_type)?;
    expect_room_for_weights(&config, &found)?;
    let mut names = Vec::new();
    UNet2DModel::new(config.clone(), Source::Names(&mut names), &found.device).map_err(in_model_file)?;
    let names: Vec<String> = names.into_iter().map(|(name, _)| name).collect();
    let unused = weights.unused(&names)?;
    let others = split_model_config(MODEL_FILE, python_config)?.1;
    let warning = unused::warning(&others, &unused, &weights.file_names()).unwrap_or_default();
    let mut model = UNet2DModel::new(config, Source::Weights(weights), &found.device)?;
    model.set_float_type(float_type);
    Ok(Model { warning, ..Model::new(model, &found.name) })
}

/// The content of a model's weights file in the number format that `dtype` names.
pub async fn safetensors(model: &Handle<UNet2DModel>, dtype: &str) -> Result<Vec<u8>> {
    let float_type = FloatType::parse(dtype)?;
    model.with(async |model| model.parameters.safetensors(float_type).await).await
}

/// What goes into a model, as it comes from JavaScript.
pub struct Input(OwnedInputs);

impl Input {
    pub fn new(sample: &[f32], shape: &[u32], timesteps: &[f32], class_labels: &[f32]) -> Self {
        let [sample, timesteps, class_labels] = [sample, timesteps, class_labels].map(<[f32]>::to_vec);
        Self(OwnedInputs { sample, shape: sizes(shape), timesteps, class_labels })
    }

    pub async fn predict(&self, model: &UNet2DModel) -> Result<Vec<f32>> {
        let inputs = self.0.inputs();
        model.check(inputs)?;
        model.expect_room(inputs, false)?;
        let prediction = to_nchw(model.predict(inputs)).await?;
        check_finite("prediction", &prediction)?;
        Ok(prediction)
    }

    pub async fn predict_tracked(self, model: &UNet2DModel) -> Result<Prediction> {
        Prediction::new(model, self.0).await
    }

    pub async fn mse_backward(&self, model: &mut UNet2DModel, target: &[f32], weights: &[f32]) -> Result<f32> {
        mse_backward(model, self.0.inputs(), Target { values: target, weights }).await
    }
}

/// Refuses a batch of which the model could not hold what it computes, before anything is drawn for it.
pub fn expect_room_for_batch(model: &Model, shape: &[u32]) -> Result<()> {
    if model.device != device::CPU {
        return Ok(());
    }
    let config: UNet2DModelConfig = json::from_json(&model.config)?;
    expect_bytes(format_args!("a batch of shape {shape:?}"), config.working_bytes(&sizes(shape), false))
}

pub async fn zero_gradients(model: &Handle<UNet2DModel>) -> Result<()> {
    model
        .with(async |model| {
            model.parameters.zero_gradients();
            Ok(())
        })
        .await
}

pub async fn optimize(optimizer: &Handle<AdamW>, model: &Handle<UNet2DModel>) -> Result<()> {
    optimizer
        .with(async |optimizer| {
            model
                .with(async |model| {
                    optimizer.step(&mut model.parameters, 1.0);
                    Ok(())
                })
                .await
        })
        .await
}

/// Shortens the gradients to `max_norm`; their length before.
pub async fn clip_gradients(model: &Handle<UNet2DModel>, max_norm: f64) -> Result<f64> {
    if max_norm.is_nan() || max_norm <= 0.0 {
        return Err(Error::argument("maxNorm", "a number above 0", max_norm));
    }
    model
        .with(async |model| {
            let norm = gradient_norm(&model.parameters).await?;
            model.parameters.scale_gradients(clip_factor(norm, max_norm));
            Ok(norm)
        })
        .await
}

/// The optimizer's file.
pub async fn optimizer_state(optimizer: &Handle<AdamW>, model: &Handle<UNet2DModel>) -> Result<Vec<u8>> {
    optimizer
        .with(async |optimizer| model.with(async |model| optimizer.safetensors(&model.parameters).await).await)
        .await
}

pub async fn load_optimizer(
    optimizer: &Handle<AdamW>,
    model: &Handle<UNet2DModel>,
    state: &Handle<Weights>,
) -> Result<()> {
    let mut state = state.take().await?;
    optimizer
        .with(async |optimizer| model.with(async |model| optimizer.restore(&model.parameters, &mut state)).await)
        .await
}

pub async fn create_ema(model: &Handle<UNet2DModel>, options: &str) -> Result<Handle<Ema>> {
    let options = json::from_json(options)?;
    model.with(async |model| Ok(Handle::new("the average", Ema::new(options, &model.parameters)?))).await
}

/// The decay of the update.
pub async fn update_ema(ema: &Handle<Ema>, model: &Handle<UNet2DModel>) -> Result<f64> {
    ema.with(async |ema| model.with(async |model| Ok(ema.update(&model.parameters))).await).await
}

pub async fn averaged_model(ema: &Handle<Ema>, model: &Handle<UNet2DModel>, device: &str) -> Result<Model> {
    ema.with(async |ema| model.with(async |model| Ok(Model::new(model.with_weights(ema.weights())?, device))).await)
        .await
}

/// The next batch; an empty one at the end of an epoch.
pub async fn next_batch(
    loader: &Handle<DataLoader>,
    dataset: &Handle<Dataset>,
    generator: &SharedGenerator,
) -> Result<Batch> {
    loader
        .with(async |loader| {
            dataset.with(async |dataset| Ok(loader.next(dataset, &mut lock(generator))?.unwrap_or_default())).await
        })
        .await
}

/// Picture files to be read later; `names`: JSON, inside `folder`.
pub async fn add_files(dataset: &Handle<Dataset>, folder: &str, names: &str, strict: bool) -> Result<()> {
    // Names that are no text have halves of characters in them, which only the text itself can carry.
    let names =
        serde_json::from_str(names).map_err(|error| Error::Internal(format!("names that are no JSON: {error}")))?;
    dataset.with(async |dataset| dataset.add_files(Path::new(folder), names, strict)).await
}

/// Pictures in the file that was opened for them, to be read later; `parts`: JSON of [name, offset, length] each.
pub async fn add_parts(dataset: &Handle<Dataset>, parts: &str, strict: bool) -> Result<()> {
    let parts = json::from_json(parts)?;
    dataset.with(async |dataset| dataset.add_parts(parts, strict)).await
}

/// What a denoising loop starts from.
pub fn start(noise: &[f32], shape: &[u32], class_labels: &[f32]) -> Start {
    Start { noise: noise.to_vec(), shape: sizes(shape), class_labels: class_labels.to_vec() }
}

/// One denoising step; how many are left.
pub async fn denoise(
    denoising: &Handle<Denoising>,
    model: &Handle<UNet2DModel>,
    generator: &SharedGenerator,
) -> Result<u32> {
    denoising
        .with(async |denoising| model.with(async |model| Ok(denoising.step(model, generator).await? as u32)).await)
        .await
}
