//! Whether a card computes what the CPU computes: drivers have bugs that no error tells of.

use crate::models::{Inputs, Source, UNet2DModel, UNet2DModelConfig, to_nchw};
use crate::random::Generator;
use crate::training::{Target, mse_backward};
use crate::{Error, Result, device, json};
use burn::tensor::Device;

/// Has every kind of layer that kernels of ours compute: strided and 1x1 convolutions, those by Winograd's algorithm, attention.
const MODEL: &str = r#"{
    "sampleSize": 8, "layersPerBlock": 1, "blockOutChannels": [16, 32], "normNumGroups": 4, "attentionHeadDim": 8,
    "downBlockTypes": ["DownBlock2D", "AttnDownBlock2D"], "upBlockTypes": ["AttnUpBlock2D", "UpBlock2D"]
}"#;

const SHAPE: [usize; 4] = [1, 3, 8, 8];
/// Of the largest value.
const TOLERANCE: f32 = 1e-3;
/// Looked at in place of all: what the whole backward pass ends with.
const FIRST_WEIGHT: &str = "conv_in.weight";

/// Opens a page's graphics card and lists it, if it computes the CPU's prediction and gradient.
pub async fn open_graphics_card(name: String, software: bool) -> Result<()> {
    check(&device::page::open().await?).await?;
    device::page::offer(name, software);
    Ok(())
}

async fn check(card: &Device) -> Result<()> {
    let [ours, expected] = [compute(card).await?, compute(&Device::flex()).await?];
    for (what, index) in [("a prediction", 0), ("a gradient", 1)] {
        compare(what, &ours[index], &expected[index])?;
    }
    Ok(())
}

/// Prediction, and gradient of the first weight.
async fn compute(device: &Device) -> Result<[Vec<f32>; 2]> {
    let mut generator = Generator::new(0);
    let config: UNet2DModelConfig = json::from_json(MODEL)?;
    let mut model = UNet2DModel::new(config, Source::Generator(&mut generator), device)?;
    let count = SHAPE.iter().product();
    let [sample, target] = [generator.randn(count), generator.randn(count)];
    let inputs = Inputs { sample: &sample, shape: &SHAPE, timesteps: &[500.0], class_labels: &[] };
    let prediction = to_nchw(model.predict(inputs)).await?;
    mse_backward(&mut model, inputs, Target { values: &target, weights: &[] }).await?;
    Ok([prediction, model.parameters.gradient(FIRST_WEIGHT).await?])
}

fn compare(what: &str, ours: &[f32], expected: &[f32]) -> Result<()> {
    let largest = expected.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    // What is no number is beyond every bound.
    let close = |(ours, expected): (&f32, &f32)| (ours - expected).abs() <= TOLERANCE * largest;
    if ours.len() == expected.len() && ours.iter().zip(expected).all(close) {
        return Ok(());
    }
    Err(Error::DeviceUnavailable(format!(
        "the graphics card computes {what} that is not the CPU's; its driver may be at fault"
    )))
}
