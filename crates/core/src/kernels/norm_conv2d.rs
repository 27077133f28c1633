//! The convolution of a normalised image: how autodiff records it where the normalised image is not kept.
//!
//! Of the four images that a residual block keeps for its backward pass, two are results of normalisations. Their inputs are kept
//! as well, and the backward pass of the normalisation computes them on its way (Chen et al. 2016, arXiv:1604.06174, call it
//! dropping the results of low cost operations).

use super::autodiff::register;
use super::conv2d::{Addend, scaled, untracked_epilogue};
use super::group_norm::Saved;
use super::{Conv2dOptions, Epilogue, GroupNormOptions, KernelGradients, Kernels};
use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn_autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};

#[derive(Debug)]
struct NormConv2dBackward;

#[derive(Clone, Debug)]
struct State<B: Backend> {
    saved: Saved<B>,
    norm: GroupNormOptions,
    weight: FloatTensor<B>,
    addend: Addend,
    options: Conv2dOptions,
}

impl<B: KernelGradients> Backward<B, 6> for NormConv2dBackward {
    type State = State<B>;

    fn backward(self, ops: Ops<Self::State, 6>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let State { saved, norm, weight, addend, options } = ops.state;
        let [x, gamma, beta, weight_node, bias, addend_node] = ops.parents.map(|parent| parent.map(|node| node.id));
        let gradient = scaled::<B>(gradients.consume::<B>(&ops.node), options.scale);
        let (of_norm, [dw, sums]) = B::norm_conv2d_backward(saved, norm, weight, gradient.clone(), options);
        register::<B, 3>(gradients, [x, gamma, beta], of_norm.map(Some));
        let db = bias.map(|_| B::sum_of_samples(sums.clone()));
        register::<B, 2>(gradients, [weight_node, bias], [Some(dw), db]);
        register::<B, 1>(gradients, [addend_node], [addend.gradient::<B>(sums, gradient)]);
    }
}

/// The body of [`KernelGradients::norm_conv2d_backward`]: the convolution's input is made again on the way.
pub fn gradients<B: KernelGradients>(
    saved: Saved<B>,
    norm: GroupNormOptions,
    weight: FloatTensor<B>,
    gradient: FloatTensor<B>,
    options: Conv2dOptions,
) -> ([FloatTensor<B>; 3], [FloatTensor<B>; 2]) {
    let (input, kernel) = (saved.x.shape().dims(), weight.shape().dims());
    let of_normalised = B::conv2d_input_gradient(gradient.clone(), weight, input, options);
    let (of_norm, normalised) = B::group_norm_backward_with_output(saved, norm, of_normalised);
    (of_norm, B::conv2d_weight_gradient(normalised, gradient, kernel, options))
}

type Tracked<B, C> = FloatTensor<Autodiff<B, C>>;

/// The body of [`Kernels::norm_conv2d`] on `Autodiff`.
pub fn tracked<B: KernelGradients, C: CheckpointStrategy>(
    [x, gamma, beta]: [Tracked<B, C>; 3],
    norm: GroupNormOptions,
    [weight, bias]: [Tracked<B, C>; 2],
    epilogue: Epilogue<Autodiff<B, C>>,
    options: Conv2dOptions,
) -> Tracked<B, C> {
    let (epilogue, addend, addend_tensor) = untracked_epilogue::<B, C>(epilogue, &bias);
    let nodes = [x.node(), gamma.node(), beta.node(), weight.node(), bias.node(), addend_tensor.node()];
    let [x, gamma, beta, weight, bias] = [x, gamma, beta, weight, bias].map(|tensor| tensor.into_primitive());
    match NormConv2dBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let normalised = [x.clone(), gamma.clone(), beta.clone()];
            let [y, mean, rstd] = B::norm_conv2d_forward(normalised, norm, [weight.clone(), bias], epilogue, options);
            let saved = Saved { x, gamma, beta, mean, rstd, silu: norm.silu };
            prepared.finish(State { saved, norm, weight, addend, options }, y)
        }
        OpsKind::UnTracked(prepared) => {
            prepared.finish(<B as Kernels>::norm_conv2d(x, gamma, beta, norm, weight, bias, epilogue, options))
        }
    }
}
