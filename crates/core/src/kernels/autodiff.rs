//! The operations on `Autodiff`: each records its backward pass.

use super::{Conv2dOptions, Epilogue, GroupNormOptions, KernelGradients, Kernels};
use burn::backend::{Backend, tensor::FloatTensor};
use burn_autodiff::{Autodiff, NodeId, checkpoint::strategy::CheckpointStrategy, grads::Gradients};

/// Hands the gradients of an operation's inputs on to those that are in the graph.
pub fn register<B: Backend, const N: usize>(
    gradients: &mut Gradients,
    parents: [Option<NodeId>; N],
    inputs: [Option<FloatTensor<B>>; N],
) {
    for (parent, gradient) in parents.into_iter().zip(inputs) {
        if let (Some(node), Some(gradient)) = (parent, gradient) {
            gradients.register::<B>(node, gradient);
        }
    }
}

impl<B: KernelGradients, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
    fn conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epilogue: Epilogue<Self>,
        options: Conv2dOptions,
    ) -> FloatTensor<Self> {
        super::conv2d::tracked::<B, C>(x, weight, bias, epilogue, options)
    }

    fn group_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        groups: usize,
        epsilon: f32,
        silu: bool,
    ) -> FloatTensor<Self> {
        super::group_norm::tracked::<B, C>(x, gamma, beta, groups, epsilon, silu)
    }

    fn norm_conv2d(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        norm: GroupNormOptions,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epilogue: Epilogue<Self>,
        options: Conv2dOptions,
    ) -> FloatTensor<Self> {
        if B::KEEPS_NORMALISED {
            let normalised = Self::group_norm(x, gamma, beta, norm.groups, norm.epsilon, norm.silu);
            return Self::conv2d(normalised, weight, bias, epilogue, options);
        }
        super::norm_conv2d::tracked::<B, C>([x, gamma, beta], norm, [weight, bias], epilogue, options)
    }

    fn attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self> {
        super::attention::tracked::<B, C>(query, key, value, heads)
    }

    fn linear(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        super::linear::tracked::<B, C>(x, weight, bias)
    }

    fn concat_channels(first: FloatTensor<Self>, second: FloatTensor<Self>) -> FloatTensor<Self> {
        super::concat::tracked::<B, C>(first, second)
    }
}
