//! Group normalisation with an optional SiLU behind it: how autodiff records it.

use super::autodiff::register;
use super::{KernelGradients, Kernels};
use burn::backend::{Backend, tensor::FloatTensor};
use burn_autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};

/// What the backward pass keeps: the input and its statistics; the normalised values are made again from them.
#[derive(Clone, Debug)]
pub struct Saved<B: Backend> {
    pub x: FloatTensor<B>,
    pub gamma: FloatTensor<B>,
    pub beta: FloatTensor<B>,
    /// `[n, groups]`
    pub mean: FloatTensor<B>,
    /// `1 / √(variance + epsilon)`, `[n, groups]`
    pub rstd: FloatTensor<B>,
    pub silu: bool,
}

#[derive(Debug)]
struct GroupNormBackward;

impl<B: KernelGradients> Backward<B, 3> for GroupNormBackward {
    type State = Saved<B>;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let inputs = B::group_norm_backward(ops.state, gradient);
        register::<B, 3>(gradients, ops.parents.map(|parent| parent.map(|node| node.id)), inputs.map(Some));
    }
}

/// The body of [`super::Kernels::group_norm`] on `Autodiff`.
pub fn tracked<B: KernelGradients, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    gamma: FloatTensor<Autodiff<B, C>>,
    beta: FloatTensor<Autodiff<B, C>>,
    groups: usize,
    epsilon: f32,
    silu: bool,
) -> FloatTensor<Autodiff<B, C>> {
    let nodes = [x.node(), gamma.node(), beta.node()];
    let (x, gamma, beta) = (x.into_primitive(), gamma.into_primitive(), beta.into_primitive());
    match GroupNormBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let [y, mean, rstd] = B::group_norm_forward(x.clone(), gamma.clone(), beta.clone(), groups, epsilon, silu);
            prepared.finish(Saved { x, gamma, beta, mean, rstd, silu }, y)
        }
        OpsKind::UnTracked(prepared) => {
            prepared.finish(<B as Kernels>::group_norm(x, gamma, beta, groups, epsilon, silu))
        }
    }
}
