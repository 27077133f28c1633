//! The operations on the CPU backend.

use super::adamw::{self, AdamWStep, ParameterKernels};
use super::{Conv2dOptions, Epilogue, KernelGradients, Kernels, attention, conv2d, group_norm, linear};
use burn::backend::{Flex, tensor::FloatTensor};

type T = FloatTensor<Flex>;

impl Kernels for Flex {
    fn conv2d(
        x: T,
        weight: T,
        bias: T,
        epilogue: Epilogue<Self>,
        options: Conv2dOptions,
    ) -> T {
        conv2d::plain::<Flex>(x, weight, bias, epilogue, options)
    }

    fn group_norm(x: T, gamma: T, beta: T, groups: usize, epsilon: f32, silu: bool) -> T {
        let [y, _, _] = group_norm::plain::<Flex>(x, gamma, beta, groups, epsilon, silu);
        y
    }

    fn attention(query: T, key: T, value: T, heads: usize) -> T {
        let [output, _] = attention::plain::<Flex>(query, key, value, heads);
        output
    }

    fn linear(x: T, weight: T, bias: T) -> T {
        linear::plain::<Flex>(x, weight, bias)
    }
}

impl KernelGradients for Flex {
    fn conv2d_input_gradient(gradient: T, weight: T, input: [usize; 4], options: Conv2dOptions) -> T {
        conv2d::plain_input_gradient::<Flex>(gradient, weight, input, options)
    }

    fn conv2d_weight_gradient(x: T, gradient: T, kernel: [usize; 4], options: Conv2dOptions) -> T {
        conv2d::plain_weight_gradient::<Flex>(x, gradient, kernel, options)
    }

    fn channel_sums(x: T) -> T {
        conv2d::plain_channel_sums::<Flex>(x)
    }

    fn group_norm_forward(x: T, gamma: T, beta: T, groups: usize, epsilon: f32, silu: bool) -> [T; 3] {
        group_norm::plain::<Flex>(x, gamma, beta, groups, epsilon, silu)
    }

    fn group_norm_backward(saved: group_norm::Saved<Self>, gradient: T) -> [T; 3] {
        group_norm::plain_backward::<Flex>(saved, gradient)
    }

    fn attention_forward(query: T, key: T, value: T, heads: usize) -> [T; 2] {
        attention::plain::<Flex>(query, key, value, heads)
    }

    fn attention_backward(saved: attention::Saved<Self>, gradient: T) -> [T; 3] {
        attention::plain_backward::<Flex>(saved, gradient)
    }

    fn linear_backward(x: T, weight: T, gradient: T, needs_input_gradient: bool) -> (Option<T>, T, T) {
        linear::plain_backward::<Flex>(x, weight, gradient, needs_input_gradient)
    }
}

impl ParameterKernels for Flex {
    fn adamw(value: T, gradient: T, first: T, second: T, step: AdamWStep) -> (T, T, T) {
        adamw::plain::<Flex>(value, gradient, first, second, step)
    }

    fn sum_of_squares(x: T) -> T {
        adamw::plain_sum_of_squares::<Flex>(x)
    }
}
