//! The levels of a UNet: what each does on the way down and on the way up.

use super::attention::{Attention, AttentionShape};
use super::parameters::{Builder, Pass};
use super::resampling::{Downsample2D, Resampling, Upsample2D};
use super::resnet::{ResnetBlock2D, ResnetShape, ResnetStyle};
use super::unet_2d_config::{ResampleType, UNet2DModelConfig};
use crate::kernels::concat_channels;
use crate::{Error, Result};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// A level on the way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub enum DownBlockType {
    #[serde(alias = "UNetResDownBlock2D")]
    DownBlock2D,
    #[serde(alias = "UNetResAttnDownBlock2D")]
    AttnDownBlock2D,
    ResnetDownsampleBlock2D,
    #[serde(alias = "UNetResSkipDownBlock2D")]
    SkipDownBlock2D,
    #[serde(alias = "UNetResAttnSkipDownBlock2D")]
    AttnSkipDownBlock2D,
}

/// A level on the way up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub enum UpBlockType {
    #[serde(alias = "UNetResUpBlock2D")]
    UpBlock2D,
    #[serde(alias = "UNetResAttnUpBlock2D")]
    AttnUpBlock2D,
    ResnetUpsampleBlock2D,
    #[serde(alias = "UNetResSkipUpBlock2D")]
    SkipUpBlock2D,
    #[serde(alias = "UNetResAttnSkipUpBlock2D")]
    AttnSkipUpBlock2D,
}

impl DownBlockType {
    /// Whether the block passes a down-sampled picture along beside the features.
    pub fn carries_picture(self) -> bool {
        matches!(self, Self::SkipDownBlock2D | Self::AttnSkipDownBlock2D)
    }

    fn has_attention(self) -> bool {
        matches!(self, Self::AttnDownBlock2D | Self::AttnSkipDownBlock2D)
    }
}

impl UpBlockType {
    /// Whether the block paints on a picture beside the features.
    pub fn carries_picture(self) -> bool {
        matches!(self, Self::SkipUpBlock2D | Self::AttnSkipUpBlock2D)
    }
}

/// What the blocks of one model share.
pub struct BlockStyle<'a> {
    pub config: &'a UNet2DModelConfig,
    pub resnet: ResnetStyle,
}

impl BlockStyle<'_> {
    /// `normNumGroups`, which the plain blocks need.
    pub fn groups(&self) -> Result<usize> {
        self.config.norm_num_groups.ok_or_else(|| {
            let message = "normNumGroups null works in the middle and Skip blocks only: give a number for the others";
            Error::InvalidConfig(message.into())
        })
    }

    /// The attention of a level with `channels` channels.
    pub fn attention(&self, channels: usize, groups: Option<usize>) -> AttentionShape {
        AttentionShape {
            channels,
            head_dim: self.config.attention_head_dim.unwrap_or(channels),
            groups,
            epsilon: self.resnet.epsilon,
            rescale_output_factor: 1.0,
        }
    }
}

/// Resnet blocks, each followed by attention where the level has it.
pub struct Layers {
    resnets: Vec<ResnetBlock2D>,
    attentions: Vec<Attention>,
}

impl Layers {
    fn new(builder: &mut Builder, style: &BlockStyle, shapes: &[ResnetShape], attention: bool) -> Result<Self> {
        let mut layers = Self { resnets: Vec::new(), attentions: Vec::new() };
        for (index, shape) in shapes.iter().enumerate() {
            layers.resnets.push(ResnetBlock2D::new(builder, format!("resnets.{index}"), style.resnet, *shape)?);
            if attention {
                let shape = style.attention(shape.outputs, Some(style.groups()?));
                layers.attentions.push(Attention::new(builder, format!("attentions.{index}"), shape)?);
            }
        }
        Ok(layers)
    }

    fn forward(&self, pass: &Pass, index: usize, x: Tensor<4>, time: &Tensor<2>) -> Tensor<4> {
        let x = self.resnets[index].forward(pass, x, time);
        match self.attentions.get(index) {
            Some(attention) => attention.forward(pass, x),
            None => x,
        }
    }
}

/// What ends a level.
enum Resampler {
    Down(Downsample2D),
    Up(Upsample2D),
    Resnet(Box<ResnetBlock2D>),
}

impl Resampler {
    fn forward(&self, pass: &Pass, x: Tensor<4>, time: &Tensor<2>) -> Tensor<4> {
        match self {
            Self::Down(layer) => layer.forward(pass, x),
            Self::Up(layer) => layer.forward(pass, x),
            Self::Resnet(layer) => layer.forward(pass, x, time),
        }
    }

    fn resnet(builder: &mut Builder, name: &str, style: &BlockStyle, channels: usize, how: Resampling) -> Result<Self> {
        let shape = ResnetShape { resampling: how, ..ResnetShape::new(channels, channels, style.groups()?) };
        Ok(Self::Resnet(Box::new(ResnetBlock2D::new(builder, name, style.resnet, shape)?)))
    }
}

/// `DownBlock2D`, `AttnDownBlock2D` and `ResnetDownsampleBlock2D`.
pub struct DownBlock2D {
    layers: Layers,
    downsampler: Option<Resampler>,
}

impl DownBlock2D {
    pub fn new(
        builder: &mut Builder,
        style: &BlockStyle,
        kind: DownBlockType,
        [inputs, outputs]: [usize; 2],
        last: bool,
    ) -> Result<Self> {
        let groups = style.groups()?;
        let of = |layer| ResnetShape::new(if layer == 0 { inputs } else { outputs }, outputs, groups);
        let shapes: Vec<ResnetShape> = (0..style.config.layers_per_block).map(of).collect();
        let layers = Layers::new(builder, style, &shapes, kind.has_attention())?;
        let with_resnet = match kind {
            DownBlockType::ResnetDownsampleBlock2D => true,
            DownBlockType::AttnDownBlock2D => style.config.downsample_type == ResampleType::Resnet,
            _ => false,
        };
        let downsampler = match (last, with_resnet) {
            (true, _) => None,
            (_, true) => Some(Resampler::resnet(builder, "downsamplers.0", style, outputs, Resampling::AverageDown)?),
            _ => Some(builder.part("downsamplers.0", |builder| {
                Ok(Resampler::Down(Downsample2D::new(builder, outputs, style.config.downsample_padding)?))
            })?),
        };
        Ok(Self { layers, downsampler })
    }

    /// Pushes what the way up will need on `skips`.
    pub fn forward(&self, pass: &Pass, mut x: Tensor<4>, time: &Tensor<2>, skips: &mut Vec<Tensor<4>>) -> Tensor<4> {
        for index in 0..self.layers.resnets.len() {
            x = self.layers.forward(pass, index, x, time);
            skips.push(x.clone());
        }
        if let Some(downsampler) = &self.downsampler {
            x = downsampler.forward(pass, x, time);
            skips.push(x.clone());
        }
        x
    }
}

/// Channels around a level on the way up.
#[derive(Clone, Copy, Debug)]
pub struct UpChannels {
    /// Of the level below, which comes in.
    pub previous: usize,
    /// Of this level.
    pub outputs: usize,
    /// Of the next level up, whose last skip this level takes.
    pub inputs: usize,
}

impl UpChannels {
    /// Channels of the features and of the skip that layer `layer` of `layers` receives.
    pub fn of_layer(&self, layer: usize, layers: usize) -> [usize; 2] {
        let features = if layer == 0 { self.previous } else { self.outputs };
        let skip = if layer + 1 == layers { self.inputs } else { self.outputs };
        [features, skip]
    }
}

/// `UpBlock2D`, `AttnUpBlock2D` and `ResnetUpsampleBlock2D`.
pub struct UpBlock2D {
    layers: Layers,
    upsampler: Option<Resampler>,
}

impl UpBlock2D {
    pub fn new(
        builder: &mut Builder,
        style: &BlockStyle,
        kind: UpBlockType,
        channels: UpChannels,
        last: bool,
    ) -> Result<Self> {
        let groups = style.groups()?;
        let count = style.config.layers_per_block + 1;
        let of = |layer| {
            let [features, skip] = channels.of_layer(layer, count);
            ResnetShape::new(features + skip, channels.outputs, groups)
        };
        let shapes: Vec<ResnetShape> = (0..count).map(of).collect();
        let layers = Layers::new(builder, style, &shapes, kind == UpBlockType::AttnUpBlock2D)?;
        let with_resnet = match kind {
            UpBlockType::ResnetUpsampleBlock2D => true,
            UpBlockType::AttnUpBlock2D => style.config.upsample_type == ResampleType::Resnet,
            _ => false,
        };
        let upsampler = match (last, with_resnet) {
            (true, _) => None,
            (_, true) => {
                Some(Resampler::resnet(builder, "upsamplers.0", style, channels.outputs, Resampling::NearestUp)?)
            }
            _ => Some(
                builder
                    .part("upsamplers.0", |builder| Ok(Resampler::Up(Upsample2D::new(builder, channels.outputs)?)))?,
            ),
        };
        Ok(Self { layers, upsampler })
    }

    /// Takes from `skips`, last first.
    pub fn forward(&self, pass: &Pass, mut x: Tensor<4>, time: &Tensor<2>, skips: &mut Vec<Tensor<4>>) -> Tensor<4> {
        for index in 0..self.layers.resnets.len() {
            x = self.layers.forward(pass, index, with_skip(x, skips), time);
        }
        match &self.upsampler {
            Some(upsampler) => upsampler.forward(pass, x, time),
            None => x,
        }
    }
}

/// The features with the last skip behind them, channel after channel.
pub fn with_skip(x: Tensor<4>, skips: &mut Vec<Tensor<4>>) -> Tensor<4> {
    match skips.pop() {
        Some(skip) => concat_channels(x, skip),
        None => x,
    }
}
