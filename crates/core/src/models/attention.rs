//! Self-attention between the pixels of an image.

use super::layers::{GroupNorm, Linear};
use super::parameters::{Builder, Pass};
use crate::kernels::{self, GroupNormOptions};
use crate::{Error, Result};
use burn::tensor::Tensor;

/// How an attention layer is built.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    pub channels: usize,
    /// Channels of one head; the number of heads is `channels / head_dim`.
    pub head_dim: usize,
    /// Groups of the normalisation; none for no normalisation.
    pub groups: Option<usize>,
    pub epsilon: f32,
    /// The sum of input and result is divided by it.
    pub rescale_output_factor: f32,
}

/// diffusers' `Attention` in the form that unconditional UNets use: normalise, attend, project, add the input.
pub struct Attention {
    group_norm: Option<GroupNorm>,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: usize,
    rescale_output_factor: f32,
}

impl Attention {
    pub fn new(builder: &mut Builder, name: impl ToString, shape: AttentionShape) -> Result<Self> {
        let AttentionShape { channels, head_dim, groups, epsilon, rescale_output_factor } = shape;
        let heads = channels.checked_div(head_dim).unwrap_or(0);
        if heads == 0 {
            return Err(Error::InvalidConfig(format!(
                "attentionHeadDim {head_dim} makes no head out of {channels} channels: choose 1 to {channels}"
            )));
        }
        let inner = heads * head_dim;
        builder.part(name, |builder| {
            let norm = |groups| GroupNormOptions { groups, epsilon, silu: false };
            Ok(Self {
                group_norm: groups
                    .map(|groups| GroupNorm::new(builder, "group_norm", channels, norm(groups)))
                    .transpose()?,
                to_q: Linear::new(builder, "to_q", [channels, inner])?,
                to_k: Linear::new(builder, "to_k", [channels, inner])?,
                to_v: Linear::new(builder, "to_v", [channels, inner])?,
                to_out: Linear::new(builder, "to_out.0", [inner, channels])?,
                heads,
                rescale_output_factor,
            })
        })
    }

    /// `x`: NHWC.
    pub fn forward(&self, pass: &Pass, x: Tensor<4>) -> Tensor<4> {
        let [n, h, w, c] = x.dims();
        let normed = match &self.group_norm {
            Some(norm) => norm.forward(pass, x.clone()),
            None => x.clone(),
        };
        let rows = normed.reshape([n * h * w, c]);
        let tokens = |layer: &Linear| {
            let projected = layer.forward(pass, rows.clone());
            let [_, inner] = projected.dims();
            projected.reshape([n, h * w, inner])
        };
        let attended = kernels::attention(tokens(&self.to_q), tokens(&self.to_k), tokens(&self.to_v), self.heads);
        let [_, _, inner] = attended.dims();
        let out = self.to_out.forward(pass, attended.reshape([n * h * w, inner])).reshape([n, h, w, c]) + x;
        if self.rescale_output_factor == 1.0 { out } else { out / self.rescale_output_factor }
    }
}
