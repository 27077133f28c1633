//! The operations on graphics cards: burn's tensors in and out, the arithmetic in CubeCL kernels, which become SPIR-V, WGSL or
//! Metal where they run. Which kernel does what depends on shapes alone.
//!
//! Images and tokens may be float16: they are read and written as such, and everything is calculated in float32. Weights,
//! statistics, sums, and what parameters get are float32.

mod attention;
mod convolution;
mod elementwise;
mod group_norm;
mod packed_weights;
mod parameters;
mod patches;
mod product;
mod reduce;
mod tensors;
mod winograd;

use super::parameters::{AdamWStep, ParameterKernels};
use super::tensors::Tensors;
use super::{Conv2dOptions, Epilogue, GroupNormOptions, KernelGradients, Kernels, plain};
use burn::backend::TensorMetadata;
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::cast;
use burn_cubecl::tensor::CubeTensor;
use product::{Finish, product};
use tensors::{contiguous, empty};

pub use packed_weights::forget_packed_weights;

type T = CubeTensor;

impl Kernels for CubeBackend {
    fn conv2d(x: T, weight: T, bias: T, epilogue: Epilogue<Self>, options: Conv2dOptions) -> T {
        convolution::forward(x, weight, bias, epilogue, options)
    }

    fn group_norm(x: T, gamma: T, beta: T, groups: usize, epsilon: f32, silu: bool) -> T {
        let [y, _, _] = Self::group_norm_forward(x, gamma, beta, groups, epsilon, silu);
        y
    }

    fn norm_conv2d(
        x: T,
        gamma: T,
        beta: T,
        norm: GroupNormOptions,
        weight: T,
        bias: T,
        epilogue: Epilogue<Self>,
        options: Conv2dOptions,
    ) -> T {
        let normalised = Self::group_norm(x, gamma, beta, norm.groups, norm.epsilon, norm.silu);
        Self::conv2d(normalised, weight, bias, epilogue, options)
    }

    fn attention(query: T, key: T, value: T, heads: usize) -> T {
        let [output, _] = Self::attention_forward(query, key, value, heads);
        output
    }

    fn linear(x: T, weight: T, bias: T) -> T {
        let (x, weight, bias) = (contiguous(x), contiguous(weight), contiguous(bias));
        let [rows, depth] = x.shape().dims();
        let [_, columns] = weight.shape().dims();
        product(
            convolution::plain(rows, depth, columns),
            &x,
            &weight,
            Finish { bias: Some(&bias), ..Finish::NONE },
            empty(&x, [rows, columns]),
        )
    }

    fn concat_channels(first: T, second: T) -> T {
        elementwise::concat(&contiguous(first), &contiguous(second))
    }
}

/// Whether a head is left to matrix products.
fn is_large(query: &T, heads: usize) -> bool {
    let [_, _, inner] = query.shape().dims();
    inner / heads > attention::LARGEST_HEAD
}

impl KernelGradients for CubeBackend {
    const KEEPS_NORMALISED: bool = true;

    fn conv2d_input_gradient(gradient: T, weight: T, input: [usize; 4], options: Conv2dOptions) -> T {
        convolution::input_gradient(gradient, weight, input, options)
    }

    fn conv2d_weight_gradient(x: T, gradient: T, kernel: [usize; 4], options: Conv2dOptions) -> [T; 2] {
        let sums = Self::channel_sums(gradient.clone());
        [convolution::weight_gradient(x, gradient, kernel, options), sums]
    }

    fn conv2d_gradients(x: T, weight: T, gradient: T, options: Conv2dOptions) -> [T; 4] {
        convolution::gradients(x, weight, gradient, options)
    }

    fn channel_sums(x: T) -> T {
        reduce::pixel_sums(&contiguous(x))
    }

    fn group_norm_forward(x: T, gamma: T, beta: T, groups: usize, epsilon: f32, silu: bool) -> [T; 3] {
        group_norm::forward(&contiguous(x), &contiguous(gamma), &contiguous(beta), groups, epsilon, silu)
    }

    fn group_norm_backward(saved: super::group_norm::Saved<Self>, gradient: T) -> [T; 3] {
        let [x, gamma, beta] = [saved.x, saved.gamma, saved.beta].map(contiguous);
        group_norm::backward(&super::group_norm::Saved { x, gamma, beta, ..saved }, &contiguous(gradient))
    }

    fn attention_forward(query: T, key: T, value: T, heads: usize) -> [T; 2] {
        if is_large(&query, heads) {
            let dtype = query.dtype;
            let [query, key, value] = [query, key, value].map(|x| cast(x, DType::F32));
            let [output, scores] = plain::attention::<Self>(query, key, value, heads);
            return [cast(output, dtype), scores];
        }
        attention::forward(&contiguous(query), &contiguous(key), &contiguous(value), heads)
    }

    fn attention_backward(saved: super::attention::Saved<Self>, gradient: T) -> [T; 3] {
        if is_large(&saved.query, saved.heads) {
            let dtype = saved.query.dtype;
            let float32 = |x: T| cast(x, DType::F32);
            let [query, key, value, output] = [saved.query, saved.key, saved.value, saved.output].map(float32);
            let saved = super::attention::Saved { query, key, value, output, ..saved };
            return plain::attention_backward::<Self>(saved, float32(gradient)).map(|x| cast(x, dtype));
        }
        let [query, key, value, output] = [saved.query, saved.key, saved.value, saved.output].map(contiguous);
        let saved = super::attention::Saved { query, key, value, output, ..saved };
        attention::backward(&saved, &contiguous(gradient))
    }

    fn linear_backward(x: T, weight: T, gradient: T, needs_input_gradient: bool) -> (Option<T>, T, T) {
        let (x, weight, gradient) = (contiguous(x), contiguous(weight), contiguous(gradient));
        let [rows, inputs] = x.shape().dims();
        let [_, outputs] = weight.shape().dims();
        let problem = convolution::by_transposed(rows, outputs, inputs);
        let dx = || product(problem, &gradient, &weight, Finish::NONE, empty(&gradient, [rows, inputs]));
        let dx = needs_input_gradient.then(dx);
        let dw = convolution::weights_product(rows, inputs, outputs, &x, &gradient, [inputs, outputs]);
        (dx, dw, reduce::row_sums(&gradient))
    }

    fn split_channels(x: T, channels: usize) -> [T; 2] {
        elementwise::split(&contiguous(x), channels)
    }
}

impl ParameterKernels for CubeBackend {
    fn adamw(
        values: Tensors<Self>,
        gradients: Tensors<Self>,
        firsts: Tensors<Self>,
        seconds: Tensors<Self>,
        step: AdamWStep,
    ) -> (Tensors<Self>, Tensors<Self>, Tensors<Self>) {
        let gradients: Vec<T> = gradients.0.into_iter().map(contiguous).collect();
        let [values, firsts, seconds] = parameters::adamw([values.0, firsts.0, seconds.0], &gradients, step);
        (Tensors(values), Tensors(firsts), Tensors(seconds))
    }

    fn moving_averages(averages: Tensors<Self>, values: Tensors<Self>, decay: f64) -> Tensors<Self> {
        let values: Vec<T> = values.0.into_iter().map(contiguous).collect();
        Tensors(parameters::moving_averages(averages.0, &values, decay))
    }

    fn scaled(xs: Tensors<Self>, factor: f32) -> Tensors<Self> {
        Tensors(parameters::scaled(xs.0, factor))
    }

    fn sums_of_squares(xs: Tensors<Self>) -> T {
        let xs: Vec<T> = xs.0.into_iter().map(contiguous).collect();
        parameters::sums_of_squares(&xs)
    }
}
