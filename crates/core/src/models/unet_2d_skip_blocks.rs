//! The levels of NCSN++ (Song et al. 2021, appendix H): beside the features a picture is carried along, filtered to half
//! the size on the way down and painted at growing size on the way up.

use super::attention::{Attention, AttentionShape};
use super::layers::{Conv2d, GroupNorm};
use super::parameters::{Builder, Pass};
use super::resampling::{Resampling, fir_down, fir_up};
use super::resnet::{ResnetBlock2D, ResnetShape};
use super::unet_2d_blocks::{BlockStyle, DownBlockType, UpBlockType, UpChannels, with_skip};
use crate::Result;
use crate::kernels::{Conv2dOptions, GroupNormOptions, Plus};
use burn::tensor::Tensor;
use std::f32::consts::SQRT_2;

/// Channels of the picture.
const PICTURE: usize = 3;
/// Groups of the attentions' normalisations, whatever the configuration says.
const ATTENTION_GROUPS: usize = 32;

fn groups_of(channels: usize) -> usize {
    (channels / 4).min(32)
}

fn shape(inputs: usize, outputs: usize, groups: usize) -> ResnetShape {
    ResnetShape {
        groups_out: groups_of(outputs),
        output_scale_factor: SQRT_2,
        ..ResnetShape::new(inputs, outputs, groups)
    }
}

fn resampling_shape(channels: usize, resampling: Resampling) -> ResnetShape {
    ResnetShape { resampling, force_shortcut: true, ..shape(channels, channels, groups_of(channels)) }
}

fn attention(style: &BlockStyle, channels: usize) -> AttentionShape {
    AttentionShape { rescale_output_factor: SQRT_2, ..style.attention(channels, Some(ATTENTION_GROUPS)) }
}

/// `SkipDownBlock2D` and `AttnSkipDownBlock2D`.
pub struct SkipDownBlock2D {
    resnets: Vec<ResnetBlock2D>,
    attentions: Vec<Attention>,
    /// The resnet that halves the features, and the convolution that adds the halved picture; not at the last level.
    down: Option<(ResnetBlock2D, Conv2d)>,
}

impl SkipDownBlock2D {
    pub fn new(
        builder: &mut Builder,
        style: &BlockStyle,
        kind: DownBlockType,
        [inputs, outputs]: [usize; 2],
        last: bool,
    ) -> Result<Self> {
        let mut block = Self { resnets: Vec::new(), attentions: Vec::new(), down: None };
        for layer in 0..style.config.layers_per_block {
            let inputs = if layer == 0 { inputs } else { outputs };
            let shape = shape(inputs, outputs, groups_of(inputs));
            block.resnets.push(ResnetBlock2D::new(builder, format!("resnets.{layer}"), style.resnet, shape)?);
            if kind == DownBlockType::AttnSkipDownBlock2D {
                let shape = attention(style, outputs);
                block.attentions.push(Attention::new(builder, format!("attentions.{layer}"), shape)?);
            }
        }
        if !last {
            let shape = resampling_shape(outputs, Resampling::FirDown);
            let resnet = ResnetBlock2D::new(builder, "resnet_down", style.resnet, shape)?;
            let conv = Conv2d::new(builder, "skip_conv", [PICTURE, outputs], 1, Conv2dOptions::POINTWISE)?;
            block.down = Some((resnet, conv));
        }
        Ok(block)
    }

    /// Features and picture in, features and picture out.
    pub fn forward(
        &self,
        pass: &Pass,
        mut x: Tensor<4>,
        time: &Tensor<2>,
        picture: Tensor<4>,
        skips: &mut Vec<Tensor<4>>,
    ) -> (Tensor<4>, Tensor<4>) {
        for (index, resnet) in self.resnets.iter().enumerate() {
            x = resnet.forward(pass, x, time);
            if let Some(attention) = self.attentions.get(index) {
                x = attention.forward(pass, x);
            }
            skips.push(x.clone());
        }
        let Some((resnet, conv)) = &self.down else { return (x, picture) };
        let picture = fir_down(picture);
        let x = conv.forward_plus(pass, picture.clone(), Plus::Residual(resnet.forward(pass, x, time)));
        skips.push(x.clone());
        (x, picture)
    }
}

/// What a level on the way up does at its end: paint on the picture, and double the features.
struct Painter {
    resnet_up: ResnetBlock2D,
    skip_norm: GroupNorm,
    skip_conv: Conv2d,
}

/// `SkipUpBlock2D` and `AttnSkipUpBlock2D`.
pub struct SkipUpBlock2D {
    resnets: Vec<ResnetBlock2D>,
    attention: Option<Attention>,
    painter: Option<Painter>,
}

impl SkipUpBlock2D {
    pub fn new(
        builder: &mut Builder,
        style: &BlockStyle,
        kind: UpBlockType,
        channels: UpChannels,
        last: bool,
    ) -> Result<Self> {
        let with_attention = kind == UpBlockType::AttnSkipUpBlock2D;
        let outputs = channels.outputs;
        let count = style.config.layers_per_block + 1;
        let mut resnets = Vec::with_capacity(count);
        for layer in 0..count {
            let [features, skip] = channels.of_layer(layer, count);
            // diffusers forgets a pair of brackets in the block with attention; its models are built that way.
            let groups = if with_attention { (features + skip / 4).min(32) } else { groups_of(features + skip) };
            let shape = shape(features + skip, outputs, groups);
            resnets.push(ResnetBlock2D::new(builder, format!("resnets.{layer}"), style.resnet, shape)?);
        }
        let attention =
            with_attention.then(|| Attention::new(builder, "attentions.0", attention(style, outputs))).transpose()?;
        let painter = (!last).then(|| Painter::new(builder, style, outputs)).transpose()?;
        Ok(Self { resnets, attention, painter })
    }

    /// Features and picture so far in, features and picture out.
    pub fn forward(
        &self,
        pass: &Pass,
        mut x: Tensor<4>,
        time: &Tensor<2>,
        picture: Option<Tensor<4>>,
        skips: &mut Vec<Tensor<4>>,
    ) -> (Tensor<4>, Option<Tensor<4>>) {
        for resnet in &self.resnets {
            x = resnet.forward(pass, with_skip(x, skips), time);
        }
        if let Some(attention) = &self.attention {
            x = attention.forward(pass, x);
        }
        let picture = picture.map(fir_up);
        match &self.painter {
            Some(painter) => {
                let picture = painter.paint(pass, x.clone(), picture);
                (painter.resnet_up.forward(pass, x, time), Some(picture))
            }
            None => (x, picture),
        }
    }
}

impl Painter {
    fn new(builder: &mut Builder, style: &BlockStyle, channels: usize) -> Result<Self> {
        let shape = resampling_shape(channels, Resampling::FirUp);
        let norm = GroupNormOptions { groups: groups_of(channels), epsilon: style.resnet.epsilon, silu: true };
        Ok(Self {
            resnet_up: ResnetBlock2D::new(builder, "resnet_up", style.resnet, shape)?,
            skip_conv: Conv2d::new(builder, "skip_conv", [channels, PICTURE], 3, Conv2dOptions::SAME_3X3)?,
            skip_norm: GroupNorm::new(builder, "skip_norm", channels, norm)?,
        })
    }

    fn paint(&self, pass: &Pass, x: Tensor<4>, picture: Option<Tensor<4>>) -> Tensor<4> {
        let plus = picture.map_or(Plus::Nothing, Plus::Residual);
        self.skip_conv.forward_normalised(pass, &self.skip_norm, x, plus)
    }
}
