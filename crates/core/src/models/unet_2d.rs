//! The UNet of unconditional diffusion models (Ho et al. 2020, appendix B), as diffusers' `UNet2DModel`.

use super::embeddings::{ClassEmbedding, TimeProjection, TimestepEmbedding};
use super::inputs::Inputs;
use super::layers::{Conv2d, GroupNorm};
use super::loss_scale::LossScale;
use super::parameters::{Builder, Parameters, Pass, Source};
use super::resnet::ResnetStyle;
use super::unet_2d_blocks::{BlockStyle, DownBlock2D, UpBlock2D, UpChannels};
use super::unet_2d_config::{ClassEmbedType, TimeEmbeddingType, TimeScaleShift, UNet2DModelConfig};
use super::unet_2d_mid_block::UNetMidBlock2D;
use super::unet_2d_skip_blocks::{SkipDownBlock2D, SkipUpBlock2D};
use crate::handle::Footprint;
use crate::kernels::{Conv2dOptions, GroupNormOptions, keep_packed_weights};
use crate::random::Generator;
use crate::{FloatType, Result};
use burn::tensor::{Device, DispatchTensor, FloatDType, Tensor, TensorData};
use std::cell::RefCell;

enum Down {
    Plain(DownBlock2D),
    Skip(Box<SkipDownBlock2D>),
}

enum Up {
    Plain(UpBlock2D),
    Skip(Box<SkipUpBlock2D>),
}

/// What passes from one block to the next, NHWC.
#[derive(Clone)]
pub(super) struct Flow {
    pub x: Tensor<4>,
    /// Outputs of the way down that the way up has not taken yet.
    pub skips: Vec<Tensor<4>>,
    /// The sample at the block's resolution, for Skip blocks.
    pub picture: Tensor<4>,
    /// What Skip blocks painted so far.
    pub painted: Option<Tensor<4>>,
}

/// The network without its weights.
pub(super) struct Network {
    conv_in: Conv2d,
    time_proj: TimeProjection,
    time_embedding: TimestepEmbedding,
    pub(super) class_embedding: Option<ClassEmbedding>,
    down_blocks: Vec<Down>,
    mid_block: Option<UNetMidBlock2D>,
    up_blocks: Vec<Up>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    /// The number format of activations between the first and the last convolution.
    float_type: FloatType,
}

/// A UNet with its weights.
pub struct UNet2DModel {
    pub(super) config: UNet2DModelConfig,
    pub(super) network: Network,
    pub parameters: Parameters,
    /// Draws dropout masks while training.
    pub(super) dropout: RefCell<Generator>,
    gradient_checkpointing: bool,
    /// Where gradients are float16.
    pub loss_scale: Option<LossScale>,
}

impl Footprint for UNet2DModel {
    fn bytes(&self) -> usize {
        self.parameters.bytes()
    }
}

impl UNet2DModel {
    /// Builds the network and takes its weights from `source`.
    pub fn new(config: UNet2DModelConfig, source: Source, device: &Device) -> Result<Self> {
        config.validate()?;
        let mut builder = Builder::new(source, device.clone());
        let network = Network::new(&mut builder, &config)?;
        let (parameters, dropout) = (builder.finish(), RefCell::new(Generator::new(0)));
        Ok(Self { config, network, parameters, dropout, gradient_checkpointing: false, loss_scale: None })
    }

    /// The same network with other weights, which are shared and not copied.
    pub fn with_weights(&self, weights: &[DispatchTensor]) -> Result<Self> {
        let source = Source::Names(&mut Vec::new());
        let mut model = Self::new(self.config.clone(), source, self.parameters.device())?;
        model.set_float_type(self.float_type());
        model.parameters.set_values(weights);
        Ok(model)
    }

    /// Whether activations are recomputed in the backward pass, block by block, instead of kept.
    pub fn gradient_checkpointing(&self) -> bool {
        self.gradient_checkpointing
    }

    pub fn set_gradient_checkpointing(&mut self, on: bool) {
        self.gradient_checkpointing = on;
    }

    /// The number format of activations.
    pub fn float_type(&self) -> FloatType {
        self.network.float_type
    }

    /// Weights, sums and what goes in and comes out stay float32. `device::Found::require` says whether a device can do it.
    pub fn set_float_type(&mut self, float_type: FloatType) {
        self.network.float_type = float_type;
        self.loss_scale = (float_type == FloatType::Float16).then(LossScale::default);
    }

    /// Whether class labels belong to its inputs.
    pub fn takes_class_labels(&self) -> bool {
        self.network.class_embedding.is_some()
    }

    /// Where the draws of dropout masks stand, for checkpoints.
    pub fn dropout_state(&self) -> Vec<u8> {
        self.dropout.borrow().state()
    }

    pub fn set_dropout_state(&mut self, state: &[u8]) -> Result<()> {
        self.dropout.get_mut().set_state(state)
    }

    pub fn config(&self) -> &UNet2DModelConfig {
        &self.config
    }

    /// Seeds the draws of dropout masks.
    pub fn seed_dropout(&mut self, seed: u64) {
        self.dropout = RefCell::new(Generator::new(seed));
    }

    /// The prediction for `inputs`, which [`Self::check`] has accepted; nothing is recorded.
    pub fn predict(&self, inputs: Inputs) -> Tensor<4> {
        let weights = self.parameters.constants();
        let sample = self.upload(inputs);
        keep_packed_weights(|| self.network.forward(&self.config, &Pass::new(&weights, None), sample, inputs))
    }

    /// The prediction with its graph: from `sample` (as [`Self::upload`] gave it) and `leaves` on.
    pub fn predict_tracked(&self, leaves: &[DispatchTensor], sample: Tensor<4>, inputs: Inputs) -> Tensor<4> {
        self.network.forward(&self.config, &Pass::new(leaves, Some(&self.dropout)), sample, inputs)
    }

    /// The sample as NHWC tensor on the model's device.
    pub fn upload(&self, inputs: Inputs) -> Tensor<4> {
        from_nchw(inputs.sample, inputs.shape, self.parameters.device())
    }
}

/// NCHW values to an NHWC tensor.
pub fn from_nchw(values: &[f32], shape: &[usize], device: &Device) -> Tensor<4> {
    let tensor = Tensor::<4>::from_data(TensorData::new(values.to_vec(), shape.to_vec()), device);
    contiguous(tensor.permute([0, 2, 3, 1]))
}

/// The same values in the order of the shape. Kernels read rows of channels.
fn contiguous(x: Tensor<4>) -> Tensor<4> {
    let dims = x.dims();
    let count = x.shape().num_elements();
    x.reshape([count]).reshape(dims)
}

impl Network {
    fn new(builder: &mut Builder, config: &UNet2DModelConfig) -> Result<Self> {
        let channels = &config.block_out_channels;
        let (first, last) = (channels[0], channels[channels.len() - 1]);
        let time_channels = config.time_channels();
        let resnet = ResnetStyle {
            time_channels,
            epsilon: config.norm_eps as f32,
            activation: config.act_fn,
            dropout: config.dropout as f32,
            scale_shift: config.resnet_time_scale_shift == TimeScaleShift::ScaleShift,
        };
        let style = BlockStyle { config, resnet };
        let conv_in = Conv2d::new(builder, "conv_in", [config.in_channels, first], 3, Conv2dOptions::SAME_3X3)?;
        let (time_proj, features) = time_projection(builder, config)?;
        Ok(Self {
            conv_in,
            time_proj,
            time_embedding: TimestepEmbedding::new(builder, "time_embedding", features, time_channels)?,
            class_embedding: class_embedding(builder, config, features)?,
            down_blocks: down_blocks(builder, &style)?,
            mid_block: match config.mid_block_type {
                Some(_) => Some(builder.part("mid_block", |builder| UNetMidBlock2D::new(builder, &style, last))?),
                None => None,
            },
            up_blocks: up_blocks(builder, &style)?,
            conv_norm_out: {
                let groups = config.norm_num_groups.unwrap_or((first / 4).min(32));
                let options = GroupNormOptions { groups, epsilon: resnet.epsilon, silu: true };
                GroupNorm::new(builder, "conv_norm_out", first, options)?
            },
            conv_out: Conv2d::new(builder, "conv_out", [first, config.out_channels], 3, Conv2dOptions::SAME_3X3)?,
            float_type: FloatType::default(),
        })
    }

    /// NHWC in, NHWC out.
    fn forward(&self, config: &UNet2DModelConfig, pass: &Pass, sample: Tensor<4>, inputs: Inputs) -> Tensor<4> {
        let time = self.time_embedding(config, pass, inputs, &sample.device().inner());
        let mut flow = self.enter(config, pass, sample);
        for part in 0..self.parts() {
            flow = self.run_part(part, pass, flow, &time);
        }
        self.leave(config, pass, flow, inputs)
    }

    /// What comes before the first block.
    pub(super) fn enter(&self, config: &UNet2DModelConfig, pass: &Pass, sample: Tensor<4>) -> Flow {
        let sample = if config.center_input_sample { sample * 2.0 - 1.0 } else { sample };
        let sample = sample.cast(FloatDType::from(self.float_type));
        let x = self.conv_in.forward(pass, sample.clone());
        Flow { skips: vec![x.clone()], x, picture: sample, painted: None }
    }

    /// Number of blocks.
    pub(super) fn parts(&self) -> usize {
        self.down_blocks.len() + 1 + self.up_blocks.len()
    }

    /// Block `part`, counted from the first on the way down to the last on the way up.
    pub(super) fn run_part(&self, part: usize, pass: &Pass, flow: Flow, time: &Tensor<2>) -> Flow {
        let Flow { mut x, mut skips, mut picture, mut painted } = flow;
        let middle = self.down_blocks.len();
        if let Some(block) = self.down_blocks.get(part) {
            match block {
                Down::Plain(block) => x = block.forward(pass, x, time, &mut skips),
                Down::Skip(block) => (x, picture) = block.forward(pass, x, time, picture, &mut skips),
            }
        } else if part == middle {
            if let Some(block) = &self.mid_block {
                x = block.forward(pass, x, time);
            }
        } else {
            match &self.up_blocks[part - middle - 1] {
                Up::Plain(block) => x = block.forward(pass, x, time, &mut skips),
                Up::Skip(block) => (x, painted) = block.forward(pass, x, time, painted, &mut skips),
            }
        }
        Flow { x, skips, picture, painted }
    }

    /// What comes after the last block: the prediction, NHWC.
    pub(super) fn leave(&self, config: &UNet2DModelConfig, pass: &Pass, flow: Flow, inputs: Inputs) -> Tensor<4> {
        let plus = flow.painted.map_or(crate::kernels::Plus::Nothing, crate::kernels::Plus::Residual);
        let out = self.conv_out.forward_normalised(pass, &self.conv_norm_out, flow.x, plus).cast(FloatDType::F32);
        match config.time_embedding_type {
            TimeEmbeddingType::Fourier => divide_by_timesteps(out, per_sample(inputs.timesteps, inputs.shape[0])),
            _ => out,
        }
    }

    /// The activated time embedding, `[n, time_channels]`: every resnet block starts with the same activation.
    pub(super) fn time_embedding(
        &self,
        config: &UNet2DModelConfig,
        pass: &Pass,
        inputs: Inputs,
        device: &Device,
    ) -> Tensor<2> {
        let timesteps = per_sample(inputs.timesteps, inputs.shape[0]);
        let projected = self.time_proj.forward(pass, &timesteps, device);
        let mut time = self.time_embedding.forward(pass, projected);
        if let Some(class) = &self.class_embedding {
            time = time + class.forward(pass, &self.time_proj, inputs.class_labels, device);
        }
        config.act_fn.apply(time)
    }
}

fn per_sample(timesteps: &[f32], n: usize) -> Vec<f32> {
    if timesteps.len() == n { timesteps.to_vec() } else { vec![timesteps[0]; n] }
}

fn divide_by_timesteps(x: Tensor<4>, timesteps: Vec<f32>) -> Tensor<4> {
    let n = timesteps.len();
    let divisors = Tensor::<4>::from_data(TensorData::new(timesteps, [n, 1, 1, 1]), &x.device().inner());
    x / divisors
}

/// The projection and the size of what it gives.
fn time_projection(builder: &mut Builder, config: &UNet2DModelConfig) -> Result<(TimeProjection, usize)> {
    let dim = config.block_out_channels[0];
    Ok(match config.time_embedding_type {
        TimeEmbeddingType::Positional => {
            let freq_shift = config.freq_shift.as_f64().unwrap_or(0.0);
            (TimeProjection::Positional { dim, flip_sin_to_cos: config.flip_sin_to_cos, freq_shift }, dim)
        }
        TimeEmbeddingType::Fourier => (TimeProjection::fourier(builder, dim)?, 2 * dim),
        TimeEmbeddingType::Learned => {
            (TimeProjection::learned(builder, config.num_train_timesteps.unwrap_or(0), dim)?, dim)
        }
    })
}

fn class_embedding(
    builder: &mut Builder,
    config: &UNet2DModelConfig,
    features: usize,
) -> Result<Option<ClassEmbedding>> {
    let dim = config.time_channels();
    Ok(match (config.class_embed_type, config.num_class_embeds) {
        (Some(ClassEmbedType::Timestep), _) => {
            Some(ClassEmbedding::Timestep(TimestepEmbedding::new(builder, "class_embedding", features, dim)?))
        }
        (Some(ClassEmbedType::Identity), _) => Some(ClassEmbedding::Identity { dim }),
        (None, Some(classes)) => Some(ClassEmbedding::table(builder, classes, dim)?),
        (None, None) => None,
    })
}

fn down_blocks(builder: &mut Builder, style: &BlockStyle) -> Result<Vec<Down>> {
    let channels = &style.config.block_out_channels;
    let mut blocks = Vec::with_capacity(channels.len());
    for (level, &kind) in style.config.down_block_types.iter().enumerate() {
        let around = [channels[level.saturating_sub(1)], channels[level]];
        let last = level + 1 == channels.len();
        blocks.push(builder.part(format!("down_blocks.{level}"), |builder| {
            Ok(if kind.carries_picture() {
                Down::Skip(Box::new(SkipDownBlock2D::new(builder, style, kind, around, last)?))
            } else {
                Down::Plain(DownBlock2D::new(builder, style, kind, around, last)?)
            })
        })?);
    }
    Ok(blocks)
}

fn up_blocks(builder: &mut Builder, style: &BlockStyle) -> Result<Vec<Up>> {
    let channels: Vec<usize> = style.config.block_out_channels.iter().rev().copied().collect();
    let mut blocks = Vec::with_capacity(channels.len());
    for (level, &kind) in style.config.up_block_types.iter().enumerate() {
        let last = level + 1 == channels.len();
        let around = UpChannels {
            previous: channels[level.saturating_sub(1)],
            outputs: channels[level],
            inputs: channels[(level + 1).min(channels.len() - 1)],
        };
        blocks.push(builder.part(format!("up_blocks.{level}"), |builder| {
            Ok(if kind.carries_picture() {
                Up::Skip(Box::new(SkipUpBlock2D::new(builder, style, kind, around, last)?))
            } else {
                Up::Plain(UpBlock2D::new(builder, style, kind, around, last)?)
            })
        })?);
    }
    Ok(blocks)
}
