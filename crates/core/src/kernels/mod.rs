//! The operations that models are made of, each with a plain body that defines it (in `plain`), a backward pass written
//! by hand, and fast bodies per backend.
//!
//! Activations are NHWC, convolution weights HWIO, linear weights `[in, out]`. A model calls the functions of this module
//! with burn tensors; the backend extension picks the body for the tensor's device, and the one for `Autodiff` records
//! the backward pass. Shapes are checked by the models before they get here.

mod attention;
mod autodiff;
mod concat;
mod conv2d;
mod cpu;
#[cfg(feature = "gpu")]
mod cube;
mod flex;
mod group_norm;
mod interpolation_points;
mod linear;
mod norm_conv2d;
mod parameters;
#[cfg(any(test, feature = "gpu"))]
mod plain;
mod prediction;
mod tensors;

pub use conv2d::Conv2dOptions;
#[cfg(target_family = "wasm")]
pub use cpu::threads;
pub use parameters::{AdamWStep, Moments, adamw, moving_averages, scaled, sums_of_squares};
pub use prediction::keep_packed_weights;

use burn::backend::{Backend, Dispatch, ExtensionType, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::tensor::{Shape, Tensor};

/// The operations, in the form that every backend provides.
#[backend_extension(Flex, Cube: cfg(feature = "gpu"), Autodiff)]
pub trait Kernels: Backend {
    /// `(conv(x) + bias + epilogue) · options.scale`; see [`conv2d`].
    fn conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        #[extension_type] epilogue: Epilogue<Self>,
        options: Conv2dOptions,
    ) -> FloatTensor<Self>;

    /// Group normalisation, then SiLU where `silu`; see [`group_norm`].
    fn group_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        groups: usize,
        epsilon: f32,
        silu: bool,
    ) -> FloatTensor<Self>;

    /// A convolution of a normalised image; see [`norm_conv2d`].
    #[allow(clippy::too_many_arguments, reason = "two operations in one; the macro passes single tensors on")]
    fn norm_conv2d(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        norm: GroupNormOptions,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        #[extension_type] epilogue: Epilogue<Self>,
        options: Conv2dOptions,
    ) -> FloatTensor<Self>;

    /// Scaled dot-product attention; see [`attention`].
    fn attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self>;

    /// `x · weight + bias`; see [`linear`].
    fn linear(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The channels of two images, one after the other; see [`concat_channels`].
    fn concat_channels(first: FloatTensor<Self>, second: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// What the backward passes need from a backend: forwards that keep their statistics, and gradients.
pub trait KernelGradients: Kernels {
    /// Whether [`Kernels::norm_conv2d`] keeps the normalised image for the backward pass, or makes it again there.
    const KEEPS_NORMALISED: bool;

    /// Gradient of the unscaled convolution with respect to `x` (of shape `input`).
    fn conv2d_input_gradient(
        gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        input: [usize; 4],
        options: Conv2dOptions,
    ) -> FloatTensor<Self>;

    /// Gradient of the unscaled convolution with respect to `weight` (of shape `kernel`), and the [channel
    /// sums](Self::channel_sums) of `gradient`, which fall off on the way.
    fn conv2d_weight_gradient(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        kernel: [usize; 4],
        options: Conv2dOptions,
    ) -> [FloatTensor<Self>; 2];

    /// [Gradient of the input](Self::conv2d_input_gradient), [of the weights](Self::conv2d_weight_gradient), the [channel
    /// sums](Self::channel_sums) of `gradient`, and the gradient of the bias.
    fn conv2d_gradients(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        options: Conv2dOptions,
    ) -> [FloatTensor<Self>; 4] {
        let (input, kernel) = (x.shape().dims(), weight.shape().dims());
        let [dw, sums] = Self::conv2d_weight_gradient(x, gradient.clone(), kernel, options);
        let db = Self::sum_of_samples(sums.clone());
        [Self::conv2d_input_gradient(gradient, weight, input, options), dw, sums, db]
    }

    /// Sums over the samples: `[n, c]` to `[c]`.
    fn sum_of_samples(sums: FloatTensor<Self>) -> FloatTensor<Self> {
        let [n, channels] = sums.shape().dims();
        let pixels = Self::float_reshape(sums, Shape::new([1, n, 1, channels]));
        Self::float_reshape(Self::channel_sums(pixels), Shape::new([channels]))
    }

    /// Sums over height and width: `[n, h, w, c]` to `[n, c]`.
    fn channel_sums(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Output, mean and reciprocal standard deviation, the last two `[n, groups]`.
    fn group_norm_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        groups: usize,
        epsilon: f32,
        silu: bool,
    ) -> [FloatTensor<Self>; 3];

    /// Gradients with respect to `x`, `gamma` and `beta`.
    fn group_norm_backward(saved: group_norm::Saved<Self>, gradient: FloatTensor<Self>) -> [FloatTensor<Self>; 3];

    /// [`Self::group_norm_backward`], and the output of the forward pass made again, in one pass over the image. For backends
    /// that do not [keep](Self::KEEPS_NORMALISED) it.
    fn group_norm_backward_with_output(
        saved: group_norm::Saved<Self>,
        norm: GroupNormOptions,
        gradient: FloatTensor<Self>,
    ) -> ([FloatTensor<Self>; 3], FloatTensor<Self>) {
        let group_norm::Saved { x, gamma, beta, .. } = saved.clone();
        let [output, ..] = Self::group_norm_forward(x, gamma, beta, norm.groups, norm.epsilon, norm.silu);
        (Self::group_norm_backward(saved, gradient), output)
    }

    /// [`Kernels::norm_conv2d`] of an image, gamma and beta with a weight and a bias: output, and what
    /// [`Self::group_norm_forward`] gives beside its own.
    fn norm_conv2d_forward(
        [x, gamma, beta]: [FloatTensor<Self>; 3],
        norm: GroupNormOptions,
        [weight, bias]: [FloatTensor<Self>; 2],
        epilogue: Epilogue<Self>,
        options: Conv2dOptions,
    ) -> [FloatTensor<Self>; 3] {
        let [normalised, mean, rstd] = Self::group_norm_forward(x, gamma, beta, norm.groups, norm.epsilon, norm.silu);
        [<Self as Kernels>::conv2d(normalised, weight, bias, epilogue, options), mean, rstd]
    }

    /// Gradients with respect to `x`, `gamma` and `beta`, and what [`Self::conv2d_weight_gradient`] gives.
    fn norm_conv2d_backward(
        saved: group_norm::Saved<Self>,
        norm: GroupNormOptions,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        options: Conv2dOptions,
    ) -> ([FloatTensor<Self>; 3], [FloatTensor<Self>; 2]) {
        norm_conv2d::gradients::<Self>(saved, norm, weight, gradient, options)
    }

    /// Output, and what the backward pass wants to keep of the scores (the plain body: the probabilities; a fast one:
    /// the logarithm of each row's sum).
    fn attention_forward(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        heads: usize,
    ) -> [FloatTensor<Self>; 2];

    /// Gradients with respect to query, key and value.
    fn attention_backward(saved: attention::Saved<Self>, gradient: FloatTensor<Self>) -> [FloatTensor<Self>; 3];

    /// Gradients with respect to `x`, `weight` and `bias`.
    fn linear_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        needs_input_gradient: bool,
    ) -> (Option<FloatTensor<Self>>, FloatTensor<Self>, FloatTensor<Self>);

    /// The first `channels` channels of an image, and the others.
    fn split_channels(x: FloatTensor<Self>, channels: usize) -> [FloatTensor<Self>; 2];
}

/// Gives back the memory that was kept for work that has ended.
pub fn release_memory() {
    flex::forget_packed_weights();
    #[cfg(feature = "gpu")]
    cube::forget_packed_weights();
    cpu::buffers::clear();
}

/// What a convolution adds to its result before it is written.
#[derive(ExtensionType)]
pub enum Epilogue<B: Backend> {
    None,
    /// One value a sample and output channel, `[n, c_out]`: the time embedding.
    SampleBias(FloatTensor<B>),
    /// A tensor of the output's shape.
    Residual(FloatTensor<B>),
}

/// What [`conv2d`] adds to its result.
pub enum Plus {
    Nothing,
    /// `[n, c_out]`
    SampleBias(Tensor<2>),
    /// `[n, h_out, w_out, c_out]`
    Residual(Tensor<4>),
}

impl Plus {
    fn into_epilogue(self) -> Epilogue<Dispatch> {
        match self {
            Plus::Nothing => Epilogue::None,
            Plus::SampleBias(tensor) => Epilogue::SampleBias(tensor.into_dispatch()),
            Plus::Residual(tensor) => Epilogue::Residual(tensor.into_dispatch()),
        }
    }
}

/// Two-dimensional convolution with its epilogue:
/// `(conv(x, weight) + bias + plus) · options.scale`.
///
/// # Shapes
/// - x: `[n, h, w, c_in]`
/// - weight: `[kernel_h, kernel_w, c_in, c_out]`
/// - bias: `[c_out]`
/// - output: `[n, h_out, w_out, c_out]`
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, plus: Plus, options: Conv2dOptions) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as Kernels>::conv2d(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        plus.into_epilogue(),
        options,
    ))
}

/// How a group normalisation is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNormOptions {
    /// Number of groups; divides the channels.
    pub groups: usize,
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether SiLU follows.
    pub silu: bool,
}

/// Group normalisation (Wu & He 2018, eq. 1-2) with population variance, then SiLU where asked for.
///
/// # Shapes
/// - x, output: `[n, h, w, c]`
/// - gamma, beta: `[c]`
pub fn group_norm(x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>, options: GroupNormOptions) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as Kernels>::group_norm(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        options.groups,
        options.epsilon,
        options.silu,
    ))
}

/// [`conv2d`] of the [`group_norm`] of `x`, as one operation: where memory is dearer than arithmetic, what lies between the two is not
/// kept for the backward pass but made again there, which halves what a residual block keeps.
///
/// # Shapes
/// As for the two.
pub fn norm_conv2d(
    x: Tensor<4>,
    [gamma, beta]: [Tensor<1>; 2],
    norm: GroupNormOptions,
    weight: Tensor<4>,
    bias: Tensor<1>,
    plus: Plus,
    options: Conv2dOptions,
) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as Kernels>::norm_conv2d(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        norm,
        weight.into_dispatch(),
        bias.into_dispatch(),
        plus.into_epilogue(),
        options,
    ))
}

/// Scaled dot-product attention, `softmax(q·kᵀ / √d)·v` for each head (Vaswani et al. 2017, eq. 1).
/// Head `i` owns the channels `i·d .. (i+1)·d`.
///
/// # Shapes
/// - query, key, value, output: `[n, tokens, heads · d]`
pub fn attention(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, heads: usize) -> Tensor<3> {
    Tensor::from_dispatch(<Dispatch as Kernels>::attention(
        query.into_dispatch(),
        key.into_dispatch(),
        value.into_dispatch(),
        heads,
    ))
}

/// `x · weight + bias`.
///
/// # Shapes
/// - x: `[rows, in]`
/// - weight: `[in, out]`
/// - bias: `[out]`
/// - output: `[rows, out]`
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as Kernels>::linear(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ))
}

/// The channels of two images of one size, one after the other.
///
/// # Shapes
/// - first: `[n, h, w, a]`
/// - second: `[n, h, w, b]`
/// - output: `[n, h, w, a + b]`
pub fn concat_channels(first: Tensor<4>, second: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as Kernels>::concat_channels(first.into_dispatch(), second.into_dispatch()))
}

#[cfg(test)]
mod tests;
