//! Matrix product with bias: how autodiff records it.

use super::autodiff::register;
use super::{KernelGradients, Kernels};
use burn::backend::tensor::FloatTensor;
use burn_autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};

#[derive(Debug)]
struct LinearBackward;

impl<B: KernelGradients> Backward<B, 3> for LinearBackward {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (x, weight) = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        let (dx, dw, db) = B::linear_backward(x, weight, gradient, ops.parents[0].is_some());
        let parents = ops.parents.map(|parent| parent.map(|node| node.id));
        register::<B, 3>(gradients, parents, [dx, Some(dw), Some(db)]);
    }
}

/// The body of [`super::Kernels::linear`] on `Autodiff`.
pub fn tracked<B: KernelGradients, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    bias: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let nodes = [x.node(), weight.node(), bias.node()];
    let (x, weight) = (x.into_primitive(), weight.into_primitive());
    let state = (x.clone(), weight.clone());
    let y = <B as Kernels>::linear(x, weight, bias.into_primitive());
    match LinearBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(state, y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}
