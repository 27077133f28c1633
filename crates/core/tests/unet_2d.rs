//! `UNet2DModel` against diffusers: outputs, losses and gradients of every configuration in `test/fixtures/unet2d`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use burn::tensor::Device;
use common::{assert_close, load_safetensors, read};
use emberwing_core::models::{Inputs, OwnedInputs, Source, UNet2DModel, UNet2DModelConfig, to_nchw};
use emberwing_core::pretrained::config::read_config;
use emberwing_core::pretrained::weights::Weights;
use emberwing_core::random::Generator;
use emberwing_core::training::{Prediction, Target, mse_backward};

fn load(case: &str) -> UNet2DModel {
    let config = String::from_utf8(read(&format!("unet2d/{case}/config.json"))).unwrap();
    let config = read_config("config.json", &config).unwrap();
    let config: UNet2DModelConfig = serde_json::from_str(&config.options_json).unwrap();
    let mut weights = Weights::new();
    let file = format!("unet2d/{case}/diffusion_pytorch_model.safetensors");
    weights.add(&file, &read(&file)).unwrap();
    let model = UNet2DModel::new(config, Source::Weights(&mut weights), &Device::flex()).unwrap();
    assert_eq!(weights.names().count(), 0, "{case}: tensors left over");
    model
}

fn check_case(case: &str) {
    let golden = load_safetensors(&format!("unet2d/{case}/io.safetensors"));
    let mut model = load(case);
    let (shape, sample) = &golden["sample"];
    let labels = golden.get("class_labels").map(|(_, labels)| labels.clone()).unwrap_or_default();
    let inputs = Inputs { sample, shape, timesteps: &golden["timesteps"].1, class_labels: &labels };

    model.check(inputs).unwrap();
    let output = pollster::block_on(to_nchw(model.predict(inputs))).unwrap();
    assert_close(&format!("{case}: output"), &output, &golden["output"].1, 1e-4);

    let target = Target { values: &golden["target"].1, weights: &[] };
    let loss = pollster::block_on(mse_backward(&mut model, inputs, target)).unwrap();
    assert_close(&format!("{case}: loss"), &[loss], &golden["loss"].1, 1e-5);
    for (name, (_, gradient)) in golden.iter().filter(|(name, _)| name.starts_with("grad.")) {
        let got = pollster::block_on(model.parameters.gradient(&name["grad.".len()..])).unwrap();
        assert_close(&format!("{case}: {name}"), &got, gradient, 1e-4);
    }
}

#[test]
fn outputs_losses_and_gradients_of_every_configuration_are_those_of_diffusers() {
    let index: serde_json::Value = serde_json::from_slice(&read("unet2d/index.json")).unwrap();
    let cases = index["cases"].as_array().unwrap();
    assert!(cases.len() >= 20, "the index lists {} cases", cases.len());
    for case in cases {
        check_case(case["case"].as_str().unwrap().strip_prefix("unet2d/").unwrap());
    }
}

#[test]
fn a_tracked_prediction_takes_any_gradient() {
    let golden = load_safetensors("unet2d/base/io.safetensors");
    let mut model = load("base");
    let (shape, sample) = &golden["sample"];
    let timesteps = golden["timesteps"].1.clone();
    let inputs = OwnedInputs { sample: sample.clone(), shape: shape.clone(), timesteps, class_labels: vec![] };
    let prediction = pollster::block_on(Prediction::new(&model, inputs)).unwrap();
    let target = &golden["target"].1;
    let count = target.len() as f32;
    let gradient: Vec<f32> = prediction.values().iter().zip(target).map(|(y, z)| 2.0 * (y - z) / count).collect();
    let sample_gradient = pollster::block_on(prediction.backward(&mut model, &gradient)).unwrap();
    assert_close("grad_sample", &sample_gradient, &golden["grad_sample"].1, 1e-4);
    let got = pollster::block_on(model.parameters.gradient("conv_in.weight")).unwrap();
    assert_close("grad.conv_in.weight", &got, &golden["grad.conv_in.weight"].1, 1e-4);
}

/// The course's model, initialised by torch from seed 0, on noise of a new generator 0, at t = 10
/// (diffusers' own test values).
#[test]
fn a_seed_gives_the_weights_of_torch() {
    let config: UNet2DModelConfig = serde_json::from_str(
        r#"{ "sampleSize": 32, "blockOutChannels": [64, 128, 128, 256],
             "downBlockTypes": ["DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
             "upBlockTypes": ["AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"] }"#,
    )
    .unwrap();
    let model = UNet2DModel::new(config, Source::Generator(&mut Generator::new(0)), &Device::flex()).unwrap();
    assert_eq!(model.parameters.count(), 18_536_323);
    assert_eq!(model.parameters.len(), 380);
    let noise = Generator::new(0).randn(4 * 3 * 32 * 32);
    let inputs = Inputs { sample: &noise, shape: &[4, 3, 32, 32], timesteps: &[10.0], class_labels: &[] };
    let output = pollster::block_on(to_nchw(model.predict(inputs))).unwrap();
    // output[0, -1, -3:, -3:]
    let corner: Vec<f32> =
        (29..32).flat_map(|y| (29..32).map(move |x| (2 * 32 + y) * 32 + x)).map(|i| output[i]).collect();
    let expected = [0.50879, 0.11769, -0.24531, 0.72120, 0.23710, 0.17011, 0.04760, 0.09143, 0.00492];
    assert_close("corner", &corner, &expected, 1e-4);
    let mean: f32 = output.iter().map(|x| x.abs()).sum::<f32>() / output.len() as f32;
    assert_close("mean", &[mean], &[0.266027], 1e-5);
}

/// Dropout acts in training alone, and repeats with its seed.
#[test]
fn dropout_drops_in_training_only() {
    let golden = load_safetensors("unet2d/base/io.safetensors");
    let (shape, sample) = &golden["sample"];
    let inputs = Inputs { sample, shape, timesteps: &golden["timesteps"].1, class_labels: &[] };
    let build = |dropout: f64| {
        let config = String::from_utf8(read("unet2d/base/config.json")).unwrap();
        let config = read_config("config.json", &config).unwrap();
        let mut config: UNet2DModelConfig = serde_json::from_str(&config.options_json).unwrap();
        config.dropout = dropout;
        UNet2DModel::new(config, Source::Generator(&mut Generator::new(1)), &Device::flex()).unwrap()
    };
    let predict = |model: &UNet2DModel| pollster::block_on(to_nchw(model.predict(inputs))).unwrap();
    let target = Target { values: &golden["target"].1, weights: &[] };
    let loss = |model: &mut UNet2DModel| pollster::block_on(mse_backward(model, inputs, target)).unwrap();
    let (mut plain, mut dropping) = (build(0.0), build(0.5));
    assert_eq!(predict(&plain), predict(&dropping));
    let (without, with) = (loss(&mut plain), loss(&mut dropping));
    assert!((without - with).abs() > 1e-3, "{without} and {with}");
    dropping.seed_dropout(0);
    assert_eq!(loss(&mut dropping), with, "the same seed drops the same values");
}
