//! Joining the channels of two images: how autodiff records it.

use super::autodiff::register;
use super::{KernelGradients, Kernels};
use burn::backend::{TensorMetadata, tensor::FloatTensor};
use burn_autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};

#[derive(Debug)]
struct ConcatBackward;

impl<B: KernelGradients> Backward<B, 2> for ConcatBackward {
    /// Channels of the first image.
    type State = usize;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let parts = B::split_channels(gradients.consume::<B>(&ops.node), ops.state);
        register::<B, 2>(gradients, ops.parents.map(|parent| parent.map(|node| node.id)), parts.map(Some));
    }
}

/// The body of [`Kernels::concat_channels`] on `Autodiff`.
pub fn tracked<B: KernelGradients, C: CheckpointStrategy>(
    first: FloatTensor<Autodiff<B, C>>,
    second: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let nodes = [first.node(), second.node()];
    let [_, _, _, channels] = first.shape().dims();
    let joined = <B as Kernels>::concat_channels(first.into_primitive(), second.into_primitive());
    match ConcatBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(channels, joined),
        OpsKind::UnTracked(prepared) => prepared.finish(joined),
    }
}
