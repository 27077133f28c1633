//! The operations on the CPU backend: burn's tensors in and out, the arithmetic in [`super::cpu`].

mod convolution;
mod packed_weights;
mod tensors;

pub use packed_weights::forget_packed_weights;

use super::cpu::attention::{AttentionGradients, AttentionShape, attention, attention_gradient};
use super::cpu::gemm::{LinearShape, linear, linear_input_gradient, linear_weight_gradient};
use super::cpu::group_norm::{Norm, NormGradients, NormShape, Statistics, group_norm, group_norm_gradient};
use super::cpu::{adamw, average, elementwise, reduce};
use super::parameters::{AdamWStep, ParameterKernels};
use super::tensors::Tensors;
use super::{Conv2dOptions, Epilogue, GroupNormOptions, KernelGradients, Kernels};
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};
use tensors::{contiguous, filled, stored, values, values_mut};

type T = FloatTensor<Flex>;

impl Kernels for Flex {
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
        let [y, _, _] = Self::norm_conv2d_forward([x, gamma, beta], norm, [weight, bias], epilogue, options);
        y
    }

    fn attention(query: T, key: T, value: T, heads: usize) -> T {
        let [output, _] = Self::attention_forward(query, key, value, heads);
        output
    }

    fn linear(x: T, weight: T, bias: T) -> T {
        let float_type = x.dtype();
        let (x, weight, bias) = (contiguous(x), contiguous(weight), contiguous(bias));
        let shape = linear_shape(&x, &weight);
        let fill = |y: &mut [f32]| linear(&shape, values(&x), values(&weight), Some(values(&bias)), None, y);
        stored(filled([shape.rows, shape.c_out], fill), float_type)
    }

    fn concat_channels(first: T, second: T) -> T {
        let float_type = first.dtype();
        let (first, second) = (contiguous(first), contiguous(second));
        let [n, h, w, a] = first.shape().dims();
        let [_, _, _, b] = second.shape().dims();
        let joined = filled([n, h, w, a + b], |y| elementwise::concat(a, b, values(&first), values(&second), y));
        stored(joined, float_type)
    }
}

fn linear_shape(x: &T, weight: &T) -> LinearShape {
    let [rows, _] = x.shape().dims();
    let [c_in, c_out] = weight.shape().dims();
    LinearShape { rows, c_in, c_out }
}

fn norm_shape(x: &T, groups: usize) -> NormShape {
    let [batch, height, width, channels] = x.shape().dims();
    NormShape { batch, pixels: height * width, channels, groups }
}

fn attention_shape(query: &T, key: &T, heads: usize) -> AttentionShape {
    let [batch, queries, inner] = query.shape().dims();
    let [_, keys, _] = key.shape().dims();
    AttentionShape { batch, queries, keys, heads, dim: inner / heads }
}

impl KernelGradients for Flex {
    const KEEPS_NORMALISED: bool = false;

    fn conv2d_input_gradient(gradient: T, weight: T, input: [usize; 4], options: Conv2dOptions) -> T {
        convolution::input_gradient(gradient, weight, input, options)
    }

    fn conv2d_weight_gradient(x: T, gradient: T, kernel: [usize; 4], options: Conv2dOptions) -> [T; 2] {
        convolution::weight_gradient(x, gradient, kernel, options)
    }

    fn channel_sums(x: T) -> T {
        convolution::channel_sums(&contiguous(x))
    }

    fn group_norm_forward(x: T, gamma: T, beta: T, groups: usize, epsilon: f32, silu: bool) -> [T; 3] {
        let float_type = x.dtype();
        let (x, gamma, beta) = (contiguous(x), contiguous(gamma), contiguous(beta));
        let shape = norm_shape(&x, groups);
        let norm = Norm { gamma: values(&gamma), beta: values(&beta), epsilon, silu };
        let mut mean = vec![0.0; shape.batch * groups];
        let mut rstd = vec![0.0; shape.batch * groups];
        let dims: [usize; 4] = x.shape().dims();
        let y = filled(dims, |y| group_norm(&shape, values(&x), norm, y, &mut mean, &mut rstd));
        let statistics = |values: Vec<f32>| filled([shape.batch, groups], |out| out.copy_from_slice(&values));
        [stored(y, float_type), statistics(mean), statistics(rstd)]
    }

    fn group_norm_backward(saved: super::group_norm::Saved<Self>, gradient: T) -> [T; 3] {
        group_norm_gradients(saved, gradient, None)
    }

    fn group_norm_backward_with_output(
        saved: super::group_norm::Saved<Self>,
        _: GroupNormOptions,
        gradient: T,
    ) -> ([T; 3], T) {
        let float_type = gradient.dtype();
        let mut output = filled::<4>(saved.x.shape().dims(), |_| {});
        let gradients = group_norm_gradients(saved, gradient, Some(&mut output));
        (gradients, stored(output, float_type))
    }

    /// What lies between the two is not rounded.
    fn norm_conv2d_forward(
        [x, gamma, beta]: [T; 3],
        norm: GroupNormOptions,
        [weight, bias]: [T; 2],
        epilogue: Epilogue<Self>,
        options: Conv2dOptions,
    ) -> [T; 3] {
        let float_type = x.dtype();
        let [normalised, mean, rstd] =
            Self::group_norm_forward(contiguous(x), gamma, beta, norm.groups, norm.epsilon, norm.silu);
        [stored(<Self as Kernels>::conv2d(normalised, weight, bias, epilogue, options), float_type), mean, rstd]
    }

    fn norm_conv2d_backward(
        saved: super::group_norm::Saved<Self>,
        norm: GroupNormOptions,
        weight: T,
        gradient: T,
        options: Conv2dOptions,
    ) -> ([T; 3], [T; 2]) {
        let float_type = gradient.dtype();
        let saved = super::group_norm::Saved { x: contiguous(saved.x), ..saved };
        let ([dx, dgamma, dbeta], of_weight) =
            super::norm_conv2d::gradients::<Self>(saved, norm, weight, contiguous(gradient), options);
        ([stored(dx, float_type), dgamma, dbeta], of_weight)
    }

    fn attention_forward(query: T, key: T, value: T, heads: usize) -> [T; 2] {
        let float_type = query.dtype();
        let [query, key, value] = [query, key, value].map(contiguous);
        let shape = attention_shape(&query, &key, heads);
        let mut logsumexp = filled([shape.batch, heads, shape.queries], |_| {});
        let output = filled([shape.batch, shape.queries, heads * shape.dim], |output| {
            attention(&shape, values(&query), values(&key), values(&value), output, values_mut(&mut logsumexp));
        });
        [stored(output, float_type), logsumexp]
    }

    fn attention_backward(saved: super::attention::Saved<Self>, gradient: T) -> [T; 3] {
        let float_type = gradient.dtype();
        let [query, key, value, output] = [saved.query, saved.key, saved.value, saved.output].map(contiguous);
        let gradient = contiguous(gradient);
        let shape = attention_shape(&query, &key, saved.heads);
        let like = |x: &T| filled::<3>(x.shape().dims(), |_| {});
        let (mut q, mut k, mut v) = (like(&query), like(&key), like(&value));
        let gradients = AttentionGradients { q: values_mut(&mut q), k: values_mut(&mut k), v: values_mut(&mut v) };
        let inputs = [values(&query), values(&key), values(&value)];
        attention_gradient(&shape, inputs, values(&output), values(&saved.scores), values(&gradient), gradients);
        [q, k, v].map(|gradient| stored(gradient, float_type))
    }

    fn linear_backward(x: T, weight: T, gradient: T, needs_input_gradient: bool) -> (Option<T>, T, T) {
        let float_type = x.dtype();
        let (x, weight, gradient) = (contiguous(x), contiguous(weight), contiguous(gradient));
        let shape = linear_shape(&x, &weight);
        let LinearShape { rows, c_in, c_out } = shape;
        let dy = values(&gradient);
        let dx = needs_input_gradient
            .then(|| filled([rows, c_in], |dx| linear_input_gradient(&shape, dy, values(&weight), dx)));
        let dw = filled([c_in, c_out], |dw| linear_weight_gradient(&shape, values(&x), dy, dw));
        let dx = dx.map(|dx| stored(dx, float_type));
        (dx, dw, filled([c_out], |db| reduce::sum_rows(rows, c_out, dy, db)))
    }

    fn split_channels(x: T, channels: usize) -> [T; 2] {
        let float_type = x.dtype();
        let x = contiguous(x);
        let [n, h, w, c] = x.shape().dims();
        let rest = c - channels;
        let mut second = filled([n, h, w, rest], |_| {});
        let split = |first: &mut [f32]| elementwise::split(channels, rest, values(&x), first, values_mut(&mut second));
        [filled([n, h, w, channels], split), second].map(|x| stored(x, float_type))
    }
}

/// The gradients of a group normalisation, and its output where there is a tensor for it.
fn group_norm_gradients(saved: super::group_norm::Saved<Flex>, gradient: T, output: Option<&mut T>) -> [T; 3] {
    let float_type = gradient.dtype();
    let mut dx = contiguous(gradient);
    let [x, gamma, beta] = [saved.x, saved.gamma, saved.beta].map(contiguous);
    let [_, groups] = saved.mean.shape().dims();
    let shape = norm_shape(&x, groups);
    let norm = Norm { gamma: values(&gamma), beta: values(&beta), epsilon: 0.0, silu: saved.silu };
    let statistics = Statistics { mean: values(&saved.mean), rstd: values(&saved.rstd) };
    let mut gamma_gradient = filled([shape.channels], |_| {});
    let mut beta_gradient = filled([shape.channels], |_| {});
    let gradients = NormGradients {
        x: values_mut(&mut dx),
        gamma: values_mut(&mut gamma_gradient),
        beta: values_mut(&mut beta_gradient),
        output: output.map(values_mut),
    };
    group_norm_gradient(&shape, values(&x), norm, statistics, gradients);
    [stored(dx, float_type), gamma_gradient, beta_gradient]
}

impl ParameterKernels for Flex {
    fn adamw(
        mut values: Tensors<Self>,
        gradients: Tensors<Self>,
        mut firsts: Tensors<Self>,
        mut seconds: Tensors<Self>,
        step: AdamWStep,
    ) -> (Tensors<Self>, Tensors<Self>, Tensors<Self>) {
        let [beta1, beta2] = step.betas;
        let numbers = adamw::AdamW {
            learning_rate: step.learning_rate,
            betas: (beta1, beta2),
            epsilon: step.epsilon,
            weight_decay: step.weight_decay,
            step: step.step,
            gradient_scale: step.gradient_scale,
        };
        let moments = firsts.0.iter_mut().zip(&mut seconds.0);
        for ((value, gradient), (first, second)) in values.0.iter_mut().zip(gradients.0).zip(moments) {
            let gradient = contiguous(gradient);
            numbers.update(adamw::Parameter {
                value: values_mut(value),
                gradient: self::values(&gradient),
                first_moment: values_mut(first),
                second_moment: values_mut(second),
            });
        }
        (values, firsts, seconds)
    }

    fn moving_averages(mut averages: Tensors<Self>, values: Tensors<Self>, decay: f64) -> Tensors<Self> {
        for (average, value) in averages.0.iter_mut().zip(values.0) {
            average::moving_average(values_mut(average), self::values(&contiguous(value)), (1.0 - decay) as f32);
        }
        averages
    }

    fn scaled(xs: Tensors<Self>, factor: f32) -> Tensors<Self> {
        Tensors(xs.0.into_iter().map(|x| <Self as FloatTensorOps<Self>>::float_mul_scalar(x, factor.into())).collect())
    }

    fn sums_of_squares(xs: Tensors<Self>) -> T {
        let sums = xs.0.into_iter().map(|x| reduce::sum_of_squares(values(&contiguous(x))) as f32);
        let sums: Vec<f32> = sums.collect();
        filled([sums.len()], |out| out.copy_from_slice(&sums))
    }
}
