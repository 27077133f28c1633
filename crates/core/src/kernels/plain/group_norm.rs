//! Group normalisation out of burn operations.

use crate::kernels::group_norm::Saved;
use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::Shape;

/// Means over the pixels and channels of each group: `[n, pixels, groups, width]` to `[n, 1, groups, 1]`.
fn group_mean<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mean_dim(B::float_mean_dim(x, 3), 1)
}

fn sigmoid<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_recip(B::float_add_scalar(B::float_exp(B::float_neg(x)), 1f32.into()))
}

/// `[n, h, w, c]` to `[n, h·w, groups, c / groups]`.
fn grouped<B: Backend>(x: FloatTensor<B>, groups: usize) -> FloatTensor<B> {
    let [n, h, w, c] = x.shape().dims();
    B::float_reshape(x, Shape::new([n, h * w, groups, c / groups]))
}

fn per_channel<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let [channels] = x.shape().dims();
    B::float_reshape(x, Shape::new([1, 1, 1, channels]))
}

/// The definition of [`crate::kernels::group_norm`]: output, mean and reciprocal standard deviation.
pub fn group_norm<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    groups: usize,
    epsilon: f32,
    silu: bool,
) -> [FloatTensor<B>; 3] {
    let shape = x.shape();
    let n = shape.dims::<4>()[0];
    let x = grouped::<B>(x, groups);
    let mean = group_mean::<B>(x.clone());
    let centred = B::float_sub(x, mean.clone());
    let variance = group_mean::<B>(B::float_mul(centred.clone(), centred.clone()));
    let rstd = B::float_recip(B::float_sqrt(B::float_add_scalar(variance, epsilon.into())));
    let normalised = B::float_reshape(B::float_mul(centred, rstd.clone()), shape);
    let y = B::float_add(B::float_mul(normalised, per_channel::<B>(gamma)), per_channel::<B>(beta));
    let y = if silu { B::float_mul(y.clone(), sigmoid::<B>(y)) } else { y };
    let statistics = Shape::new([n, groups]);
    [y, B::float_reshape(mean, statistics.clone()), B::float_reshape(rstd, statistics)]
}

/// Derivative of SiLU: σ(y)·(1 + y·(1 − σ(y))).
fn silu_derivative<B: Backend>(y: FloatTensor<B>) -> FloatTensor<B> {
    let sigma = sigmoid::<B>(y.clone());
    let complement = B::float_add_scalar(B::float_neg(sigma.clone()), 1f32.into());
    B::float_mul(sigma, B::float_add_scalar(B::float_mul(y, complement), 1f32.into()))
}

/// Sums over everything but channels: `[n, h, w, c]` to `[c]`.
fn channel_totals<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let [n, h, w, c] = x.shape().dims();
    let rows = B::float_reshape(x, Shape::new([n * h * w, c]));
    B::float_reshape(B::float_sum_dim(rows, 0), Shape::new([c]))
}

/// The plain body of [`crate::kernels::KernelGradients::group_norm_backward`]. With x̂ the normalised input, dx̂ = dy·γ and ⟨·⟩ the mean
/// over a group: dx = rstd·(dx̂ − ⟨dx̂⟩ − x̂·⟨dx̂·x̂⟩), dγ = Σ dy·x̂, dβ = Σ dy.
pub fn group_norm_backward<B: Backend>(saved: Saved<B>, gradient: FloatTensor<B>) -> [FloatTensor<B>; 3] {
    let shape = saved.x.shape();
    let [n, groups] = saved.mean.shape().dims();
    let statistics = Shape::new([n, 1, groups, 1]);
    let mean = B::float_reshape(saved.mean, statistics.clone());
    let rstd = B::float_reshape(saved.rstd, statistics);
    let normalised = B::float_mul(B::float_sub(grouped::<B>(saved.x, groups), mean), rstd.clone());
    let gamma = per_channel::<B>(saved.gamma);
    let flat = B::float_reshape(normalised.clone(), shape.clone());
    let gradient = if saved.silu {
        let y = B::float_add(B::float_mul(flat.clone(), gamma.clone()), per_channel::<B>(saved.beta));
        B::float_mul(gradient, silu_derivative::<B>(y))
    } else {
        gradient
    };
    let gamma_gradient = channel_totals::<B>(B::float_mul(gradient.clone(), flat));
    let beta_gradient = channel_totals::<B>(gradient.clone());
    let dx = grouped::<B>(B::float_mul(gradient, gamma), groups);
    let along = group_mean::<B>(B::float_mul(dx.clone(), normalised.clone()));
    let dx = B::float_sub(B::float_sub(dx.clone(), group_mean::<B>(dx)), B::float_mul(normalised, along));
    [B::float_reshape(B::float_mul(dx, rstd), shape), gamma_gradient, beta_gradient]
}
