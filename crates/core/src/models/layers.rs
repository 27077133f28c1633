//! The layers with weights, as torch constructs and initialises them.

use super::parameters::{Builder, Initial, Layout, ParameterId, Pass};
use crate::kernels::{self, Conv2dOptions, GroupNormOptions, Plus};
use crate::{Error, Result};
use burn::tensor::Tensor;

/// Bound of torch's default initialisation of linear and convolution layers, 1/√fan_in
/// (`kaiming_uniform_` with a = √5; its bias rule gives the same).
fn default_bound(fan_in: usize) -> Initial {
    Initial::Uniform((1.0 / (fan_in as f64).sqrt()) as f32)
}

/// `torch.nn.Conv2d` over NHWC images.
pub struct Conv2d {
    weight: ParameterId,
    bias: ParameterId,
    options: Conv2dOptions,
}

impl Conv2d {
    pub fn new(
        builder: &mut Builder,
        name: &str,
        [inputs, outputs]: [usize; 2],
        kernel: usize,
        options: Conv2dOptions,
    ) -> Result<Self> {
        builder.part(name, |builder| {
            let bound = default_bound(inputs * kernel * kernel);
            let shape = [outputs, inputs, kernel, kernel];
            Ok(Self {
                weight: builder.parameter("weight", &shape, Layout::Convolution, bound)?,
                bias: builder.parameter("bias", &[outputs], Layout::Same, bound)?,
                options,
            })
        })
    }

    pub fn forward(&self, pass: &Pass, x: Tensor<4>) -> Tensor<4> {
        self.forward_plus(pass, x, Plus::Nothing)
    }

    pub fn forward_plus(&self, pass: &Pass, x: Tensor<4>, plus: Plus) -> Tensor<4> {
        kernels::conv2d(x, pass.weight(self.weight), pass.weight(self.bias), plus, self.options)
    }

    /// The convolution of what `norm` makes of `x`, which training then need not keep.
    pub fn forward_normalised(&self, pass: &Pass, norm: &GroupNorm, x: Tensor<4>, plus: Plus) -> Tensor<4> {
        let parameters = [pass.weight(norm.gamma), pass.weight(norm.beta)];
        let (weight, bias) = (pass.weight(self.weight), pass.weight(self.bias));
        kernels::norm_conv2d(x, parameters, norm.options, weight, bias, plus, self.options)
    }
}

/// `torch.nn.Linear`.
pub struct Linear {
    weight: ParameterId,
    bias: ParameterId,
}

impl Linear {
    pub fn new(builder: &mut Builder, name: &str, [inputs, outputs]: [usize; 2]) -> Result<Self> {
        builder.part(name, |builder| {
            let bound = default_bound(inputs);
            Ok(Self {
                weight: builder.parameter("weight", &[outputs, inputs], Layout::Linear, bound)?,
                bias: builder.parameter("bias", &[outputs], Layout::Same, bound)?,
            })
        })
    }

    /// `[rows, in]` to `[rows, out]`.
    pub fn forward(&self, pass: &Pass, x: Tensor<2>) -> Tensor<2> {
        kernels::linear(x, pass.weight(self.weight), pass.weight(self.bias))
    }
}

/// `torch.nn.GroupNorm` over NHWC images, with the SiLU that mostly follows.
pub struct GroupNorm {
    gamma: ParameterId,
    beta: ParameterId,
    options: GroupNormOptions,
}

impl GroupNorm {
    pub fn new(builder: &mut Builder, name: &str, channels: usize, options: GroupNormOptions) -> Result<Self> {
        let groups = options.groups;
        if groups == 0 || !channels.is_multiple_of(groups) {
            let path = builder.path(name);
            return Err(Error::InvalidConfig(format!(
                "{path} has {channels} channels, which {groups} groups do not divide: \
                 choose normNumGroups and blockOutChannels so that the groups divide every block's channels"
            )));
        }
        builder.part(name, |builder| {
            Ok(Self {
                gamma: builder.parameter("weight", &[channels], Layout::Same, Initial::Constant(1.0))?,
                beta: builder.parameter("bias", &[channels], Layout::Same, Initial::Constant(0.0))?,
                options,
            })
        })
    }

    pub fn forward(&self, pass: &Pass, x: Tensor<4>) -> Tensor<4> {
        kernels::group_norm(x, pass.weight(self.gamma), pass.weight(self.beta), self.options)
    }
}
