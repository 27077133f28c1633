//! Changing the size of images inside a network. All tensors are NHWC.

use super::layers::Conv2d;
use super::parameters::{Builder, Pass};
use crate::Result;
use crate::kernels::{self, Conv2dOptions, Plus};
use burn::tensor::{Tensor, TensorData};

/// How a resnet block changes the size of its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resampling {
    None,
    /// Each pixel twice in both directions.
    NearestUp,
    /// Means of 2x2 pixels.
    AverageDown,
    /// Twice the size through the filter (1, 3, 3, 1) (Karras et al. 2020, §D).
    FirUp,
    /// Half the size through the filter (1, 3, 3, 1).
    FirDown,
}

impl Resampling {
    pub fn apply(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::None => x,
            Self::NearestUp => nearest_up(x),
            Self::AverageDown => average_down(x),
            Self::FirUp => fir_up(x),
            Self::FirDown => fir_down(x),
        }
    }
}

fn nearest_up(x: Tensor<4>) -> Tensor<4> {
    let [n, h, w, c] = x.dims();
    x.reshape([n, h, 1, w, 1, c]).expand([n, h, 2, w, 2, c]).reshape([n, 2 * h, 2 * w, c])
}

fn average_down(x: Tensor<4>) -> Tensor<4> {
    let [n, h, w, c] = x.dims();
    x.reshape([n, h / 2, 2, w / 2, 2, c]).mean_dim(2).mean_dim(4).reshape([n, h / 2, w / 2, c])
}

/// Filters each channel for itself with the outer product of (1, 3, 3, 1), normalised to the sum `gain`.
fn fir(x: Tensor<4>, gain: f32, options: Conv2dOptions) -> Tensor<4> {
    const TAPS: [f32; 4] = [1.0, 3.0, 3.0, 1.0];
    let [n, h, w, c] = x.dims();
    let device = x.device();
    let kernel: Vec<f32> = TAPS.iter().flat_map(|a| TAPS.iter().map(move |b| a * b / 64.0 * gain)).collect();
    let kernel = Tensor::<4>::from_data(TensorData::new(kernel, [4, 4, 1, 1]), &device);
    let planes = x.permute([0, 3, 1, 2]).reshape([n * c, h, w, 1]);
    let planes = kernels::conv2d(planes, kernel, Tensor::zeros([1], &device), Plus::Nothing, options);
    let [_, h, w, _] = planes.dims();
    planes.reshape([n, c, h, w]).permute([0, 2, 3, 1])
}

/// Half the size, as diffusers' `downsample_2d` with its default kernel.
pub fn fir_down(x: Tensor<4>) -> Tensor<4> {
    fir(x, 1.0, Conv2dOptions { stride: 2, padding: [1; 4], upsample: false, scale: 1.0 })
}

/// Twice the size, as diffusers' `upsample_2d` with its default kernel: zeros between the pixels, then the filter with
/// four times the gain.
pub fn fir_up(x: Tensor<4>) -> Tensor<4> {
    let [n, h, w, c] = x.dims();
    let device = x.device();
    let x = x.reshape([n, h, w, 1, c]);
    let zeros = |x: &Tensor<5>| Tensor::<5>::zeros(x.shape(), &device).cast(x.dtype());
    let x = Tensor::cat(vec![x.clone(), zeros(&x)], 3).reshape([n, h, 1, 2 * w, c]);
    let x = Tensor::cat(vec![x.clone(), zeros(&x)], 2).reshape([n, 2 * h, 2 * w, c]);
    fir(x, 4.0, Conv2dOptions { stride: 1, padding: [2, 2, 1, 1], upsample: false, scale: 1.0 })
}

/// `Downsample2D`: a 3x3 convolution with stride 2.
pub struct Downsample2D(Conv2d);

impl Downsample2D {
    /// `padding` 0 pads one row below and one column to the right instead of all around.
    pub fn new(builder: &mut Builder, channels: usize, padding: usize) -> Result<Self> {
        let padding = if padding == 0 { [0, 0, 1, 1] } else { [padding; 4] };
        let options = Conv2dOptions { stride: 2, padding, upsample: false, scale: 1.0 };
        Ok(Self(Conv2d::new(builder, "conv", [channels, channels], 3, options)?))
    }

    pub fn forward(&self, pass: &Pass, x: Tensor<4>) -> Tensor<4> {
        self.0.forward(pass, x)
    }
}

/// `Upsample2D`: nearest neighbour to twice the size, then a 3x3 convolution.
pub struct Upsample2D(Conv2d);

impl Upsample2D {
    pub fn new(builder: &mut Builder, channels: usize) -> Result<Self> {
        let options = Conv2dOptions { upsample: true, ..Conv2dOptions::SAME_3X3 };
        Ok(Self(Conv2d::new(builder, "conv", [channels, channels], 3, options)?))
    }

    pub fn forward(&self, pass: &Pass, x: Tensor<4>) -> Tensor<4> {
        self.0.forward(pass, x)
    }
}
