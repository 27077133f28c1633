//! Embeddings of timesteps and classes.

use super::layers::Linear;
use super::parameters::{Builder, Initial, Layout, ParameterId, Pass};
use crate::Result;
use burn::tensor::{Device, Int, Tensor, TensorData, activation::silu};
use std::f32::consts::TAU;

/// Sinusoidal position embedding (Vaswani et al. 2017, §3.5) of timesteps, as DDPM uses it:
/// e = t·f with f_i = exp(−ln(10000)·i / (dim/2 − freq_shift)), then (sin e, cos e), or (cos e, sin e) if flipped.
/// In float32, as torch computes it.
///
/// # Shapes
/// - output: `[timesteps, dim]`, row by row; an odd `dim` ends in a zero
pub fn sinusoidal(timesteps: &[f32], dim: usize, flip_sin_to_cos: bool, freq_shift: f64) -> Vec<f32> {
    let half = dim / 2;
    let divisor = (half as f64 - freq_shift) as f32;
    let frequency = |i: usize| ((-(10000f64.ln()) as f32 * i as f32) / divisor).exp();
    let frequencies: Vec<f32> = (0..half).map(frequency).collect();
    let mut rows = Vec::with_capacity(timesteps.len() * dim);
    for t in timesteps {
        let angles = frequencies.iter().map(|f| t * f);
        if flip_sin_to_cos {
            rows.extend(angles.clone().map(f32::cos).chain(angles.map(f32::sin)));
        } else {
            rows.extend(angles.clone().map(f32::sin).chain(angles.map(f32::cos)));
        }
        rows.extend(std::iter::repeat_n(0.0, dim % 2));
    }
    rows
}

/// How a model turns timesteps into vectors.
pub enum TimeProjection {
    Positional {
        dim: usize,
        flip_sin_to_cos: bool,
        freq_shift: f64,
    },
    /// Random Fourier features of ln t (Tancik et al. 2020; Song et al. 2021): (sin, cos) of 2π·w·ln t.
    Fourier {
        weight: ParameterId,
    },
    /// A table with a row a timestep.
    Learned {
        weight: ParameterId,
    },
}

impl TimeProjection {
    pub fn fourier(builder: &mut Builder, dim: usize) -> Result<Self> {
        const SCALE: f32 = 16.0;
        builder.part("time_proj", |builder| {
            // diffusers draws the weights twice and keeps the second draw.
            builder.skip_draws(dim);
            Ok(Self::Fourier { weight: builder.constant("weight", &[dim], Initial::Normal(SCALE))? })
        })
    }

    pub fn learned(builder: &mut Builder, timesteps: usize, dim: usize) -> Result<Self> {
        builder.part("time_proj", |builder| Ok(Self::Learned { weight: embedding(builder, timesteps, dim)? }))
    }

    /// `[timesteps, features]`
    pub fn forward(&self, pass: &Pass, timesteps: &[f32], device: &Device) -> Tensor<2> {
        let n = timesteps.len();
        match self {
            Self::Positional { dim, flip_sin_to_cos, freq_shift } => {
                let rows = sinusoidal(timesteps, *dim, *flip_sin_to_cos, *freq_shift);
                Tensor::from_data(TensorData::new(rows, [n, *dim]), device)
            }
            Self::Fourier { weight } => {
                let logs = timesteps.iter().map(|t| t.ln()).collect::<Vec<f32>>();
                let logs = Tensor::<2>::from_data(TensorData::new(logs, [n, 1]), device);
                let angles = logs * pass.weight::<1>(*weight).unsqueeze::<2>() * TAU;
                Tensor::cat(vec![angles.clone().sin(), angles.cos()], 1)
            }
            Self::Learned { weight } => lookup(pass, *weight, timesteps, device),
        }
    }
}

fn embedding(builder: &mut Builder, rows: usize, dim: usize) -> Result<ParameterId> {
    builder.parameter("weight", &[rows, dim], Layout::Same, Initial::Normal(1.0))
}

/// Rows of a table; the caller has checked that `indices` are whole numbers within it.
fn lookup(pass: &Pass, table: ParameterId, indices: &[f32], device: &Device) -> Tensor<2> {
    let indices = indices.iter().map(|&index| index as i64).collect::<Vec<i64>>();
    let indices = Tensor::<1, Int>::from_data(TensorData::new(indices.clone(), [indices.len()]), device);
    pass.weight::<2>(table).select(0, indices)
}

/// The two-layer network behind a time projection: linear, SiLU, linear.
pub struct TimestepEmbedding {
    linear_1: Linear,
    linear_2: Linear,
}

impl TimestepEmbedding {
    pub fn new(builder: &mut Builder, name: &str, inputs: usize, dim: usize) -> Result<Self> {
        builder.part(name, |builder| {
            Ok(Self {
                linear_1: Linear::new(builder, "linear_1", [inputs, dim])?,
                linear_2: Linear::new(builder, "linear_2", [dim, dim])?,
            })
        })
    }

    pub fn forward(&self, pass: &Pass, x: Tensor<2>) -> Tensor<2> {
        self.linear_2.forward(pass, silu(self.linear_1.forward(pass, x)))
    }
}

/// How class labels are added to the time embedding.
pub enum ClassEmbedding {
    /// A table with a row a class.
    Table { weight: ParameterId },
    /// The labels go the way of the timesteps.
    Timestep(TimestepEmbedding),
    /// The labels are vectors of the time embedding's size already.
    Identity { dim: usize },
}

impl ClassEmbedding {
    pub fn table(builder: &mut Builder, classes: usize, dim: usize) -> Result<Self> {
        builder.part("class_embedding", |builder| Ok(Self::Table { weight: embedding(builder, classes, dim)? }))
    }

    /// `labels`: one a sample, or a vector a sample for `Identity`. Output: `[samples, dim]`.
    pub fn forward(&self, pass: &Pass, projection: &TimeProjection, labels: &[f32], device: &Device) -> Tensor<2> {
        match self {
            Self::Table { weight } => lookup(pass, *weight, labels, device),
            Self::Timestep(embedding) => embedding.forward(pass, projection.forward(pass, labels, device)),
            Self::Identity { dim } => {
                Tensor::from_data(TensorData::new(labels.to_vec(), [labels.len() / dim, *dim]), device)
            }
        }
    }
}
