//! The residual block that UNets are made of.

use super::layers::{Conv2d, GroupNorm, Linear};
use super::parameters::{Builder, Pass};
use super::resampling::Resampling;
use super::unet_2d_config::ActivationFunction;
use crate::Result;
use crate::kernels::{Conv2dOptions, GroupNormOptions, Plus};
use burn::tensor::Tensor;

/// What all resnet blocks of a model share.
#[derive(Clone, Copy, Debug)]
pub struct ResnetStyle {
    /// Size of the time embedding.
    pub time_channels: usize,
    pub epsilon: f32,
    pub activation: ActivationFunction,
    pub dropout: f32,
    /// Whether the time embedding scales and shifts the second normalisation instead of being added before it.
    pub scale_shift: bool,
}

/// What differs from block to block.
#[derive(Clone, Copy, Debug)]
pub struct ResnetShape {
    pub inputs: usize,
    pub outputs: usize,
    pub groups: usize,
    pub groups_out: usize,
    /// The sum of shortcut and block is divided by it.
    pub output_scale_factor: f32,
    pub resampling: Resampling,
    /// Whether the shortcut has a convolution although the channels do not change.
    pub force_shortcut: bool,
}

impl ResnetShape {
    /// The plain block: as many groups everywhere, no resampling.
    pub fn new(inputs: usize, outputs: usize, groups: usize) -> Self {
        Self {
            inputs,
            outputs,
            groups,
            groups_out: groups,
            output_scale_factor: 1.0,
            resampling: Resampling::None,
            force_shortcut: false,
        }
    }
}

/// `ResnetBlock2D`: out = (shortcut(x) + conv2(act(norm2(conv1(act(norm1(x))) + time)))) / output_scale_factor.
pub struct ResnetBlock2D {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Linear,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
    style: ResnetStyle,
    shape: ResnetShape,
}

impl ResnetBlock2D {
    pub fn new(builder: &mut Builder, name: impl ToString, style: ResnetStyle, shape: ResnetShape) -> Result<Self> {
        let ResnetShape { inputs, outputs, groups, groups_out, output_scale_factor, .. } = shape;
        let fused = style.activation == ActivationFunction::Silu;
        let norm = |groups, silu| GroupNormOptions { groups, epsilon: style.epsilon, silu };
        let scale = 1.0 / output_scale_factor;
        let time_outputs = if style.scale_shift { 2 * outputs } else { outputs };
        builder.part(name, |builder| {
            Ok(Self {
                norm1: GroupNorm::new(builder, "norm1", inputs, norm(groups, fused))?,
                conv1: Conv2d::new(builder, "conv1", [inputs, outputs], 3, first_convolution(shape.resampling))?,
                time_emb_proj: Linear::new(builder, "time_emb_proj", [style.time_channels, time_outputs])?,
                norm2: GroupNorm::new(builder, "norm2", outputs, norm(groups_out, fused && !style.scale_shift))?,
                conv2: {
                    let options = Conv2dOptions { scale, ..Conv2dOptions::SAME_3X3 };
                    Conv2d::new(builder, "conv2", [outputs, outputs], 3, options)?
                },
                conv_shortcut: (inputs != outputs || shape.force_shortcut)
                    .then(|| Conv2d::new(builder, "conv_shortcut", [inputs, outputs], 1, Conv2dOptions::POINTWISE))
                    .transpose()?,
                style,
                shape,
            })
        })
    }

    /// `x`: NHWC. `time`: the activated time embedding, `[n, time_channels]`.
    pub fn forward(&self, pass: &Pass, x: Tensor<4>, time: &Tensor<2>) -> Tensor<4> {
        let time = self.time_emb_proj.forward(pass, time.clone());
        let h = self.first_half(pass, x.clone(), &time);
        let x = self.shape.resampling.apply(x);
        let shortcut = match &self.conv_shortcut {
            Some(conv) => conv.forward(pass, x),
            None => x,
        };
        self.second_half(pass, h, time, Plus::Residual(shortcut))
    }

    /// conv1(resample(act(norm1(x)))), and the time embedding where it is added.
    fn first_half(&self, pass: &Pass, x: Tensor<4>, time: &Tensor<2>) -> Tensor<4> {
        let plus = if self.style.scale_shift { Plus::Nothing } else { Plus::SampleBias(time.clone()) };
        let resampling = match self.shape.resampling {
            // Happens inside conv1.
            Resampling::NearestUp => Resampling::None,
            other => other,
        };
        if self.activates_in_norm() && resampling == Resampling::None {
            return self.conv1.forward_normalised(pass, &self.norm1, x, plus);
        }
        let h = self.norm1.forward(pass, x);
        let h = if self.activates_in_norm() { h } else { self.style.activation.apply(h) };
        self.conv1.forward_plus(pass, resampling.apply(h), plus)
    }

    /// conv2(dropout(act(norm2(h)))), scaled and shifted by the time embedding where it is not added before, plus the shortcut.
    fn second_half(&self, pass: &Pass, h: Tensor<4>, time: Tensor<2>, shortcut: Plus) -> Tensor<4> {
        if self.activates_in_norm() && !self.style.scale_shift && !pass.drops(self.style.dropout) {
            return self.conv2.forward_normalised(pass, &self.norm2, h, shortcut);
        }
        let h = self.norm2.forward(pass, h);
        let h = if self.style.scale_shift { scale_and_shift(h, time) } else { h };
        let activated = self.activates_in_norm() && !self.style.scale_shift;
        let h = if activated { h } else { self.style.activation.apply(h) };
        self.conv2.forward_plus(pass, pass.dropout(h, self.style.dropout), shortcut)
    }

    /// Whether the activation is part of the normalisations, except behind a scale and shift.
    fn activates_in_norm(&self) -> bool {
        self.style.activation == ActivationFunction::Silu
    }
}

fn first_convolution(resampling: Resampling) -> Conv2dOptions {
    Conv2dOptions { upsample: resampling == Resampling::NearestUp, ..Conv2dOptions::SAME_3X3 }
}

/// x·(1 + scale) + shift, both from one vector a sample: `[n, 2c]`.
fn scale_and_shift(x: Tensor<4>, time: Tensor<2>) -> Tensor<4> {
    let [n, _, _, c] = x.dims();
    let time = time.cast(x.dtype());
    let scale = time.clone().narrow(1, 0, c).reshape([n, 1, 1, c]);
    let shift = time.narrow(1, c, c).reshape([n, 1, 1, c]);
    x * (scale + 1.0) + shift
}
