//! The block between the two halves of a UNet.

use super::attention::{Attention, AttentionShape};
use super::parameters::{Builder, Pass};
use super::resnet::{ResnetBlock2D, ResnetShape};
use super::unet_2d_blocks::BlockStyle;
use super::unet_2d_config::TimeScaleShift;
use crate::Result;
use burn::tensor::Tensor;

/// `UNetMidBlock2D`: resnet, attention, resnet.
pub struct UNetMidBlock2D {
    first: ResnetBlock2D,
    attention: Option<Attention>,
    second: ResnetBlock2D,
}

impl UNetMidBlock2D {
    pub fn new(builder: &mut Builder, style: &BlockStyle, channels: usize) -> Result<Self> {
        let config = style.config;
        let groups = config.norm_num_groups.unwrap_or((channels / 4).min(32));
        let default_shift = config.resnet_time_scale_shift == TimeScaleShift::Default;
        let attention_groups = config.attn_norm_num_groups.or(default_shift.then_some(groups));
        let scale = config.mid_scale();
        let shape = ResnetShape { output_scale_factor: scale, ..ResnetShape::new(channels, channels, groups) };
        let attention = AttentionShape { rescale_output_factor: scale, ..style.attention(channels, attention_groups) };
        Ok(Self {
            first: ResnetBlock2D::new(builder, "resnets.0", style.resnet, shape)?,
            attention: config.add_attention.then(|| Attention::new(builder, "attentions.0", attention)).transpose()?,
            second: ResnetBlock2D::new(builder, "resnets.1", style.resnet, shape)?,
        })
    }

    pub fn forward(&self, pass: &Pass, x: Tensor<4>, time: &Tensor<2>) -> Tensor<4> {
        let x = self.first.forward(pass, x, time);
        let x = match &self.attention {
            Some(attention) => attention.forward(pass, x),
            None => x,
        };
        self.second.forward(pass, x, time)
    }
}
