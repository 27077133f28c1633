//! Scaled dot-product attention: how autodiff records it.

use super::autodiff::register;
use super::{KernelGradients, Kernels};
use burn::backend::{Backend, tensor::FloatTensor};
use burn_autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};

/// What the backward pass keeps.
#[derive(Clone, Debug)]
pub struct Saved<B: Backend> {
    pub query: FloatTensor<B>,
    pub key: FloatTensor<B>,
    pub value: FloatTensor<B>,
    pub output: FloatTensor<B>,
    /// The second result of [`KernelGradients::attention_forward`].
    pub scores: FloatTensor<B>,
    pub heads: usize,
}

#[derive(Debug)]
struct AttentionBackward;

impl<B: KernelGradients> Backward<B, 3> for AttentionBackward {
    type State = Saved<B>;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let inputs = B::attention_backward(ops.state, gradient);
        register::<B, 3>(gradients, ops.parents.map(|parent| parent.map(|node| node.id)), inputs.map(Some));
    }
}

/// The body of [`super::Kernels::attention`] on `Autodiff`.
pub fn tracked<B: KernelGradients, C: CheckpointStrategy>(
    query: FloatTensor<Autodiff<B, C>>,
    key: FloatTensor<Autodiff<B, C>>,
    value: FloatTensor<Autodiff<B, C>>,
    heads: usize,
) -> FloatTensor<Autodiff<B, C>> {
    let nodes = [query.node(), key.node(), value.node()];
    let (query, key, value) = (query.into_primitive(), key.into_primitive(), value.into_primitive());
    match AttentionBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let [output, scores] = B::attention_forward(query.clone(), key.clone(), value.clone(), heads);
            prepared.finish(Saved { query, key, value, output: output.clone(), scores, heads }, output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(<B as Kernels>::attention(query, key, value, heads)),
    }
}
