//! Scaled dot-product attention out of burn operations.

use crate::kernels::attention::Saved;
use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::Shape;

/// `[n, tokens, heads · d]` to `[n, heads, tokens, d]`.
fn split_heads<B: Backend>(x: FloatTensor<B>, heads: usize) -> FloatTensor<B> {
    let [n, tokens, inner] = x.shape().dims();
    let x = B::float_reshape(x, Shape::new([n, tokens, heads, inner / heads]));
    B::float_permute(x, &[0, 2, 1, 3])
}

/// The inverse of [`split_heads`].
fn merge_heads<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let [n, heads, tokens, d] = x.shape().dims();
    B::float_reshape(B::float_permute(x, &[0, 2, 1, 3]), Shape::new([n, tokens, heads * d]))
}

fn inverse_root<B: Backend>(x: &FloatTensor<B>, heads: usize) -> f32 {
    let [_, _, inner] = x.shape().dims();
    1.0 / ((inner / heads) as f32).sqrt()
}

/// The definition of [`crate::kernels::attention`]: the output and the probabilities `[n, heads, tokens, tokens]`.
pub fn attention<B: Backend>(
    query: FloatTensor<B>,
    key: FloatTensor<B>,
    value: FloatTensor<B>,
    heads: usize,
) -> [FloatTensor<B>; 2] {
    let scale = inverse_root::<B>(&query, heads);
    let [query, key, value] = [query, key, value].map(|x| split_heads::<B>(x, heads));
    let scores = B::float_mul_scalar(B::float_matmul(query, B::float_transpose(key)), scale.into());
    let largest = B::float_max_dim(scores.clone(), 3);
    let weights = B::float_exp(B::float_sub(scores, largest));
    let probabilities = B::float_div(weights.clone(), B::float_sum_dim(weights, 3));
    [merge_heads::<B>(B::float_matmul(probabilities.clone(), value)), probabilities]
}

/// The plain body of [`crate::kernels::KernelGradients::attention_backward`], where `scores` are the probabilities P. With dO the
/// output's gradient: dV = Pᵀ·dO, dS = P ∘ (dO·Vᵀ − rowsum(dO·Vᵀ ∘ P)), dQ = dS·K/√d, dK = dSᵀ·Q/√d.
pub fn attention_backward<B: Backend>(saved: Saved<B>, gradient: FloatTensor<B>) -> [FloatTensor<B>; 3] {
    let heads = saved.heads;
    let scale = inverse_root::<B>(&saved.query, heads);
    let [query, key, value, gradient] =
        [saved.query, saved.key, saved.value, gradient].map(|x| split_heads::<B>(x, heads));
    let probabilities = saved.scores;
    let value_gradient = B::float_matmul(B::float_transpose(probabilities.clone()), gradient.clone());
    let weighted = B::float_mul(B::float_matmul(gradient, B::float_transpose(value)), probabilities.clone());
    let rows = B::float_sum_dim(weighted.clone(), 3);
    let scores = B::float_sub(weighted, B::float_mul(probabilities, rows));
    let scores = B::float_mul_scalar(scores, scale.into());
    let query_gradient = B::float_matmul(scores.clone(), key);
    let key_gradient = B::float_matmul(B::float_transpose(scores), query);
    [query_gradient, key_gradient, value_gradient].map(merge_heads::<B>)
}
