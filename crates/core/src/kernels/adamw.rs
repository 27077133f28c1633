//! The update of one parameter by AdamW, and what clipping measures.

use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::tensor::DispatchTensor;
#[cfg(test)]
use burn::tensor::Shape;

/// The numbers of one optimizer step, the same for all parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    pub learning_rate: f64,
    pub betas: [f64; 2],
    pub epsilon: f64,
    pub weight_decay: f64,
    /// 1 for the first step.
    pub step: u32,
    /// Factor on the gradients: what clipping left of them.
    pub gradient_scale: f32,
}

/// The running means of a parameter's gradients and of their squares.
#[derive(Clone, Debug)]
pub struct Moments {
    first: DispatchTensor,
    second: DispatchTensor,
}

/// Operations on parameters, outside of any graph.
#[backend_extension(Flex)]
pub trait ParameterKernels: Backend {
    /// New value and moments; see [`plain`], the definition.
    fn adamw(
        value: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// Σx², one number.
    fn sum_of_squares(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// The update (Loshchilov & Hutter 2019, algorithm 2) in torch's order of operations: θ ← (1 − lr·λ)·θ;
/// m ← m + (1−β₁)(g − m); v ← β₂v + (1−β₂)g²; θ ← θ − lr/(1−β₁ᵗ) · m / (√v / √(1−β₂ᵗ) + ε).
#[cfg(test)]
pub fn plain<B: Backend>(
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
#[cfg(test)]
pub fn plain_sum_of_squares<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let count = x.shape().num_elements();
    let x = B::float_reshape(x, Shape::new([count]));
    B::float_sum(B::float_mul(x.clone(), x))
}

/// The new value of a parameter and its new moments; without moments it starts from zeros.
pub fn adamw(
    value: DispatchTensor,
    gradient: DispatchTensor,
    moments: Option<Moments>,
    step: AdamWStep,
) -> (DispatchTensor, Moments) {
    let Moments { first, second } = moments.unwrap_or_else(|| {
        let zeros = || {
            use burn::backend::ops::FloatTensorOps;
            Dispatch::float_zeros(value.shape(), &value.device(), value.dtype().into())
        };
        Moments { first: zeros(), second: zeros() }
    });
    let (value, first, second) = <Dispatch as ParameterKernels>::adamw(value, gradient, first, second, step);
    (value, Moments { first, second })
}

/// Σx², a tensor of one number.
pub fn sum_of_squares(x: DispatchTensor) -> DispatchTensor {
    <Dispatch as ParameterKernels>::sum_of_squares(x)
}
