//! What is fuzzed: everything in the core that reads bytes from elsewhere.

use emberwing_core::bindings::support;
use emberwing_core::data::{self, Dataset};
use emberwing_core::models::{Source, UNet2DModel};
use emberwing_core::pretrained::config::read_config;
use emberwing_core::pretrained::python_json;
use emberwing_core::pretrained::shards::ShardIndex;
use emberwing_core::pretrained::weights::Weights;
use emberwing_core::random::Generator;
use emberwing_core::training::{Checkpoint, Trainer};
use emberwing_core::{FloatType, Result, device, json, schedulers};
use std::io::Cursor;
use std::sync::{LazyLock, Mutex, PoisonError};

/// One reader of foreign bytes.
pub struct Target {
    pub name: &'static str,
    /// What all inputs share is made before the first.
    pub prepare: fn(),
    /// Reads; being refused is right.
    pub read: fn(&[u8]),
    /// The bytes of memory that an input may take at once.
    pub allowance: fn(&[u8]) -> usize,
}

pub const TARGETS: [Target; 7] = [
    Target { name: "weights", prepare: nothing, read: weights, allowance: tenfold },
    Target { name: "json", prepare: nothing, read: python_text, allowance: tenfold },
    Target { name: "config", prepare: nothing, read: config, allowance: tenfold },
    Target { name: "image", prepare: nothing, read: image, allowance: tenfold_with_pixels },
    Target { name: "generator", prepare: nothing, read: generator, allowance: tenfold },
    Target { name: "checkpoint", prepare: make_run, read: checkpoint, allowance: tenfold_with_steps },
    Target { name: "optimizer", prepare: make_run, read: optimizer, allowance: tenfold_with_steps },
];

fn nothing() {}

fn make_run() {
    let run = RUN.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(run.is_ok(), "the run of this target cannot be made: {:?}", run.as_ref().err());
}

pub fn named(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

fn tenfold(bytes: &[u8]) -> usize {
    10 * bytes.len()
}

/// Compressed images are small beside their pixels, which count as input.
fn tenfold_with_pixels(bytes: &[u8]) -> usize {
    let decoder = if bytes.starts_with(b"RIFF") { WEBP } else { DECODER };
    10 * (bytes.len() + declared_pixels(bytes)) + decoder
}

/// What a decoder holds for an image of any size.
const DECODER: usize = 4 << 20;
/// `image-webp` makes room for eight partitions of the size that the file claims, at most 2^24, before it reads them.
const WEBP: usize = 8 << 24;

/// Train steps have their activations and the memory that the kernels keep.
fn tenfold_with_steps(bytes: &[u8]) -> usize {
    tenfold(bytes) + (64 << 20)
}

fn declared_pixels(bytes: &[u8]) -> usize {
    let reader = ::image::ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let dimensions = reader.map(|reader| reader.into_dimensions());
    let Ok(Ok((width, height))) = dimensions else { return 0 };
    width as usize * height as usize
}

/// safetensors and torch's `.bin`: the content decides.
fn weights(bytes: &[u8]) {
    let _ = Weights::new().add("weights", bytes);
}

/// Python's JSON, and back: what is written is read again as the same.
fn python_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(value) = python_json::parse("file.json", text) else { return };
    let written = python_json::format(&value);
    match python_json::parse("file.json", &written) {
        Ok(again) => assert_eq!(python_json::format(&again), written, "read from {text:?}"),
        Err(error) => unreachable!("{error}: {written:?}, read from {text:?}"),
    }
}

/// The configurations of models and schedulers, and the index of sharded weights.
fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = read_config("config.json", text);
    let _ = support::model_config("config.json", text);
    let _ = support::scheduler_from_file(text, "");
    let _ = ShardIndex::parse("index.json", text).map(|index| index.files());
}

/// Larger images take long and tell nothing new.
const MOST_PIXELS: usize = 1 << 20;

fn image(bytes: &[u8]) {
    if declared_pixels(bytes) > MOST_PIXELS {
        return;
    }
    if let Ok(image) = data::decode("image", bytes) {
        assert_eq!(image.data().len(), image.width() * image.height() * image.channels());
    }
}

fn generator(bytes: &[u8]) {
    let mut generator = Generator::new(0);
    if generator.set_state(bytes).is_ok() {
        generator.randn(20);
        generator.randint(0, 1000, 3).map(drop).unwrap_or_default();
        generator.randperm(5);
    }
}

const MODEL: &str = r#"{"sampleSize":4,"blockOutChannels":[4],"normNumGroups":2,"layersPerBlock":1,
    "downBlockTypes":["DownBlock2D"],"upBlockTypes":["UpBlock2D"],"addAttention":false,"dropout":0.1}"#;
const OPTIONS: &str = r#"{"epochs":2,"batchSize":2}"#;

/// A run of the smallest model over five images.
struct Run {
    trainer: Trainer,
    model: UNet2DModel,
    dataset: Dataset,
    generator: Mutex<Generator>,
    /// The files of a checkpoint that is right.
    unet: Vec<u8>,
    optimizer: Vec<u8>,
}

/// Made once: an input takes a trainer of its own, and the weights come back with every restored state.
static RUN: LazyLock<Mutex<Result<Run>>> = LazyLock::new(|| Mutex::new(Run::new()));

impl Run {
    fn new() -> Result<Self> {
        let mut random = Generator::new(0);
        let found = device::find("cpu")?;
        let mut model = UNet2DModel::new(json::from_json(MODEL)?, Source::Generator(&mut random), &found.device)?;
        model.seed_dropout(0);
        let mut dataset = Dataset::new(r#"{"resolution":4,"randomFlip":true}"#)?;
        dataset.add_butterflies(0, 5, 0)?;
        let (unet, optimizer) = (Vec::new(), Vec::new());
        let mut run = Self { trainer: trainer()?, model, dataset, generator: Mutex::new(random), unet, optimizer };
        run.go_on()?;
        run.unet = pollster::block_on(run.model.parameters.safetensors(FloatType::Float32))?;
        run.optimizer = pollster::block_on(run.trainer.optimizer_state(&run.model))?;
        Ok(run)
    }

    /// Goes on from a checkpoint with this state and optimizer (its own where there is none), unless it is refused.
    fn go_on_from(&mut self, state: &str, optimizer: Option<Weights>) -> Result<()> {
        self.trainer = trainer()?;
        let mut optimizer = optimizer.map_or_else(|| weights_of(&self.optimizer), Ok)?;
        let mut unet = weights_of(&self.unet)?;
        let checkpoint = Checkpoint { state, unet: &mut unet, ema: None, optimizer: &mut optimizer };
        let generator = self.generator.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.trainer.restore(checkpoint, &mut self.model, &self.dataset, generator)?;
        self.go_on()
    }

    /// The start of the run, two steps, and what may lie between them.
    fn go_on(&mut self) -> Result<()> {
        for _ in 0..4 {
            pollster::block_on(self.trainer.next(&mut self.model, &self.dataset, &self.generator))?;
        }
        Ok(())
    }
}

fn weights_of(file: &[u8]) -> Result<Weights> {
    let mut weights = Weights::new();
    weights.add("checkpoint", file)?;
    Ok(weights)
}

fn trainer() -> Result<Trainer> {
    Trainer::new(json::from_json(OPTIONS)?, schedulers::create("DDPMScheduler", "{}")?)
}

fn go_on_from(state: &str, optimizer: Option<Weights>) {
    let mut run = RUN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Ok(run) = run.as_mut() {
        let _ = run.go_on_from(state, optimizer);
    }
}

/// The state of a run: whatever is accepted, the run goes on from there.
fn checkpoint(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        go_on_from(text, None);
    }
}

/// The optimizer's file, likewise.
fn optimizer(bytes: &[u8]) {
    if let Ok(optimizer) = weights_of(bytes) {
        go_on_from(r#"{"progress":{"step":1}}"#, Some(optimizer));
    }
}
