//! The options of `UNet2DModel`, all 28 of diffusers.

use super::unet_2d_blocks::{DownBlockType, UpBlockType};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The nonlinearity of the resnet blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename_all = "snake_case"))]
#[serde(rename_all = "snake_case")]
pub enum ActivationFunction {
    #[serde(alias = "swish")]
    Silu,
    Mish,
    Gelu,
    Relu,
}

impl ActivationFunction {
    pub fn apply<const D: usize>(self, x: burn::tensor::Tensor<D>) -> burn::tensor::Tensor<D> {
        use burn::tensor::activation;
        match self {
            Self::Silu => activation::silu(x),
            Self::Mish => activation::mish(x),
            Self::Gelu => activation::gelu(x),
            Self::Relu => activation::relu(x),
        }
    }
}

/// How timesteps become vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename_all = "snake_case"))]
#[serde(rename_all = "snake_case")]
pub enum TimeEmbeddingType {
    Positional,
    Fourier,
    Learned,
}

/// How class labels become vectors, where it is not a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename_all = "snake_case"))]
#[serde(rename_all = "snake_case")]
pub enum ClassEmbedType {
    Timestep,
    Identity,
}

/// What changes the size of the image between two blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename_all = "snake_case"))]
#[serde(rename_all = "snake_case")]
pub enum ResampleType {
    Conv,
    Resnet,
}

/// What the time embedding does to the second normalisation of a resnet block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename_all = "snake_case"))]
#[serde(rename_all = "snake_case")]
pub enum TimeScaleShift {
    Default,
    ScaleShift,
}

/// The block between the two halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub enum MidBlockType {
    UNetMidBlock2D,
}

/// Height and width of the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(untagged, expecting = "a number of pixels, or [height, width]")]
pub enum SampleSize {
    Square(usize),
    Rectangle([usize; 2]),
}

impl SampleSize {
    /// Height and width.
    pub fn dimensions(self) -> [usize; 2] {
        match self {
            Self::Square(size) => [size, size],
            Self::Rectangle(sizes) => sizes,
        }
    }
}

/// The options of a `UNet2DModel`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename_all = "camelCase"))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UNet2DModelConfig {
    /// Height and width of the images, as one number or two. Only pipelines read it. Default: null.
    pub sample_size: Option<SampleSize>,
    /// Channels of the input. Default: 3.
    pub in_channels: usize,
    /// Channels of the output. Default: 3.
    pub out_channels: usize,
    /// Whether the input is taken as 2x − 1. Default: false.
    pub center_input_sample: bool,
    /// Default: "positional".
    pub time_embedding_type: TimeEmbeddingType,
    /// Size of the time embedding. Default: null, four times the first of `blockOutChannels`.
    pub time_embedding_dim: Option<usize>,
    /// Subtracted from the divisor of the positional frequencies. Default: 0.
    #[cfg_attr(test, ts(type = "number"))]
    pub freq_shift: serde_json::Number,
    /// Whether the cosines come first. Default: true.
    pub flip_sin_to_cos: bool,
    /// One a level, from fine to coarse. Default: DownBlock2D and three AttnDownBlock2D.
    pub down_block_types: Vec<DownBlockType>,
    /// Default: "UNetMidBlock2D"; null for none.
    pub mid_block_type: Option<MidBlockType>,
    /// One a level, from coarse to fine. Default: three AttnUpBlock2D and UpBlock2D.
    pub up_block_types: Vec<UpBlockType>,
    /// Channels of each level. Default: 224, 448, 672, 896.
    pub block_out_channels: Vec<usize>,
    /// Resnet blocks a level on the way down; one more on the way up. Default: 2.
    pub layers_per_block: usize,
    /// The sums of the middle block are divided by it. Default: 1.
    #[cfg_attr(test, ts(type = "number"))]
    pub mid_block_scale_factor: serde_json::Number,
    /// 1, or 0 to pad one row below and one column to the right. Default: 1.
    pub downsample_padding: usize,
    /// How Attn blocks halve the image. Default: "conv".
    pub downsample_type: ResampleType,
    /// How Attn blocks double the image. Default: "conv".
    pub upsample_type: ResampleType,
    /// Share of the values that a resnet block drops while training. Default: 0.
    pub dropout: f64,
    /// Default: "silu".
    pub act_fn: ActivationFunction,
    /// Channels of an attention head; null for one head. Default: 8.
    pub attention_head_dim: Option<usize>,
    /// Groups of the normalisations; null for a quarter of the channels, at most 32. Default: 32.
    pub norm_num_groups: Option<usize>,
    /// Groups of the middle attention's normalisation. Default: null, as `normNumGroups`.
    pub attn_norm_num_groups: Option<usize>,
    /// Added to the variances. Default: 1e-5.
    pub norm_eps: f64,
    /// Default: "default".
    pub resnet_time_scale_shift: TimeScaleShift,
    /// Whether the middle block has attention. Default: true.
    pub add_attention: bool,
    /// Default: null.
    pub class_embed_type: Option<ClassEmbedType>,
    /// Number of classes; with `classEmbedType` null a table of them is learned. Default: null.
    pub num_class_embeds: Option<usize>,
    /// Rows of the table for `timeEmbeddingType` "learned". Default: null.
    pub num_train_timesteps: Option<usize>,
}

impl Default for UNet2DModelConfig {
    fn default() -> Self {
        use DownBlockType::{AttnDownBlock2D, DownBlock2D};
        use UpBlockType::{AttnUpBlock2D, UpBlock2D};
        Self {
            sample_size: None,
            in_channels: 3,
            out_channels: 3,
            center_input_sample: false,
            time_embedding_type: TimeEmbeddingType::Positional,
            time_embedding_dim: None,
            freq_shift: 0.into(),
            flip_sin_to_cos: true,
            down_block_types: vec![DownBlock2D, AttnDownBlock2D, AttnDownBlock2D, AttnDownBlock2D],
            mid_block_type: Some(MidBlockType::UNetMidBlock2D),
            up_block_types: vec![AttnUpBlock2D, AttnUpBlock2D, AttnUpBlock2D, UpBlock2D],
            block_out_channels: vec![224, 448, 672, 896],
            layers_per_block: 2,
            mid_block_scale_factor: 1.into(),
            downsample_padding: 1,
            downsample_type: ResampleType::Conv,
            upsample_type: ResampleType::Conv,
            dropout: 0.0,
            act_fn: ActivationFunction::Silu,
            attention_head_dim: Some(8),
            norm_num_groups: Some(32),
            attn_norm_num_groups: None,
            norm_eps: 1e-5,
            resnet_time_scale_shift: TimeScaleShift::Default,
            add_attention: true,
            class_embed_type: None,
            num_class_embeds: None,
            num_train_timesteps: None,
        }
    }
}

impl UNet2DModelConfig {
    /// Size of the time embedding.
    pub fn time_channels(&self) -> usize {
        self.time_embedding_dim.unwrap_or(4 * self.block_out_channels.first().copied().unwrap_or(0))
    }

    /// Bytes that a pass over a batch of this shape (NCHW) takes at the least; more where `tracked`, as each block keeps what
    /// its backward pass needs. Saturates.
    pub fn working_bytes(&self, shape: &[usize], tracked: bool) -> u64 {
        let &[batch, _, height, width] = shape else { return 0 };
        let pixels = [batch, height, width].iter().fold(1u64, |product, &size| product.saturating_mul(size as u64));
        let layers = self.layers_per_block as u64;
        let of_level = |(level, &channels): (usize, &usize)| {
            let plane = (pixels >> (2 * level).min(63)).saturating_mul(channels as u64);
            // On the way down a level keeps what its layers give for the way up; a resnet block keeps two.
            plane.saturating_mul(if tracked { 2 * (2 * layers + 1) } else { layers })
        };
        let kept = self.block_out_channels.iter().enumerate().map(of_level).fold(0u64, u64::saturating_add);
        let finest = pixels.saturating_mul(self.block_out_channels.first().map_or(0, |&channels| channels as u64));
        // Activations can be half as wide as weights; the last block works on two tensors of the finest level.
        kept.saturating_add(finest.saturating_mul(2)).saturating_mul(2)
    }

    /// Height and width of the input must be multiples of it.
    pub fn size_multiple(&self) -> usize {
        1 << (self.block_out_channels.len() - 1)
    }

    /// Refuses what no model can be built from. Group counts and heads are checked where the layers are built.
    pub fn validate(&self) -> Result<()> {
        let invalid = |message: String| Err(Error::InvalidConfig(message));
        let levels = self.block_out_channels.len();
        if levels == 0 || self.down_block_types.len() != levels || self.up_block_types.len() != levels {
            return invalid(format!(
                "downBlockTypes, upBlockTypes and blockOutChannels must have one entry a level: got {}, {} and {levels}",
                self.down_block_types.len(),
                self.up_block_types.len(),
            ));
        }
        self.validate_sizes()?;
        if self.time_embedding_type == TimeEmbeddingType::Learned && self.num_train_timesteps.is_none() {
            return invalid("timeEmbeddingType \"learned\" needs numTrainTimesteps, the rows of its table".into());
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return invalid(format!("dropout must be at least 0 and below 1, got {}", self.dropout));
        }
        if !self.norm_eps.is_finite() || self.norm_eps < 0.0 {
            return invalid(format!("normEps must be a number of at least 0, got {}", self.norm_eps));
        }
        if self.mid_scale() <= 0.0 {
            return invalid(format!("midBlockScaleFactor must be more than 0, got {}", self.mid_block_scale_factor));
        }
        self.validate_skip_blocks()
    }

    fn validate_sizes(&self) -> Result<()> {
        // Beyond these the weights of one layer would not fit any memory; far smaller numbers are meant.
        const LARGEST: usize = 1 << 16;
        let sizes = [
            ("inChannels", self.in_channels),
            ("outChannels", self.out_channels),
            ("layersPerBlock", self.layers_per_block),
            ("timeEmbeddingDim", self.time_channels()),
            ("numClassEmbeds", self.num_class_embeds.unwrap_or(1)),
            ("numTrainTimesteps", self.num_train_timesteps.unwrap_or(1)),
        ];
        let channels = self.block_out_channels.iter().map(|&channels| ("blockOutChannels", channels));
        for (name, size) in sizes.into_iter().chain(channels) {
            if size == 0 || size > LARGEST {
                return Err(Error::InvalidConfig(format!("{name} must be 1 to {LARGEST}, got {size}")));
            }
        }
        if self.block_out_channels.len() > 16 || self.downsample_padding > 1 {
            return Err(Error::InvalidConfig(format!(
                "at most 16 levels and a downsamplePadding of 0 or 1 are possible, got {} levels and {}",
                self.block_out_channels.len(),
                self.downsample_padding
            )));
        }
        Ok(())
    }

    /// The Skip blocks carry a picture of three channels beside the features, from the finest level on.
    fn validate_skip_blocks(&self) -> Result<()> {
        let down: Vec<bool> = self.down_block_types.iter().map(|block| block.carries_picture()).collect();
        let up: Vec<bool> = self.up_block_types.iter().rev().map(|block| block.carries_picture()).collect();
        for (name, skips) in [("downBlockTypes", down), ("upBlockTypes", up)] {
            let finest = skips.iter().take_while(|&&skip| skip).count();
            if skips.iter().skip(finest).any(|&skip| skip) {
                return Err(Error::InvalidConfig(format!(
                    "{name}: a Skip block needs Skip blocks at all finer levels, which hand it the picture"
                )));
            }
            if finest > 0 && (self.in_channels != 3 || self.out_channels != 3) {
                return Err(Error::InvalidConfig(format!(
                    "{name}: Skip blocks work on pictures of 3 channels, got inChannels {} and outChannels {}",
                    self.in_channels, self.out_channels
                )));
            }
        }
        Ok(())
    }

    /// `midBlockScaleFactor` as a number; what is no finite number is refused by `validate`.
    pub fn mid_scale(&self) -> f32 {
        self.mid_block_scale_factor.as_f64().unwrap_or(0.0) as f32
    }
}
