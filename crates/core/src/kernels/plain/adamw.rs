//! The update of AdamW out of burn operations.

use crate::kernels::AdamWStep;
use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::Shape;

/// The update (Loshchilov & Hutter 2019, algorithm 2) in torch's order of operations: θ ← (1 − lr·λ)·θ;
/// m ← m + (1−β₁)(g − m); v ← β₂v + (1−β₂)g²; θ ← θ − lr/(1−β₁ᵗ) · m / (√v / √(1−β₂ᵗ) + ε).
pub fn adamw<B: Backend>(
    value: FloatTensor<B>,
    gradient: FloatTensor<B>,
    first: FloatTensor<B>,
    second: FloatTensor<B>,
    step: AdamWStep,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let [beta1, beta2] = step.betas;
    let corrections = step.betas.map(|beta| 1.0 - beta.powi(step.step as i32));
    let gradient = B::float_mul_scalar(gradient, step.gradient_scale.into());
    let square = B::float_mul(gradient.clone(), gradient.clone());
    let towards = B::float_sub(gradient, first.clone());
    let first = B::float_add(first, B::float_mul_scalar(towards, (1.0 - beta1).into()));
    let second = B::float_mul_scalar(second, beta2.into());
    let second = B::float_add(second, B::float_mul_scalar(square, (1.0 - beta2).into()));
    let root = B::float_div_scalar(B::float_sqrt(second.clone()), corrections[1].sqrt().into());
    let direction = B::float_div(first.clone(), B::float_add_scalar(root, step.epsilon.into()));
    let value = B::float_mul_scalar(value, (1.0 - step.learning_rate * step.weight_decay).into());
    let change = B::float_mul_scalar(direction, (step.learning_rate / corrections[0]).into());
    (B::float_sub(value, change), first, second)
}

/// Σx², one number.
pub fn sum_of_squares<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let count = x.shape().num_elements();
    let x = B::float_reshape(x, Shape::new([count]));
    B::float_sum(B::float_mul(x.clone(), x))
}
