//! The update of one parameter by AdamW, and what clipping measures.

use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::tensor::{DispatchTensor, Shape};

/// The numbers of one optimizer step, the same for all parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    pub beta1: f32,
    pub beta2: f32,
    pub epsilon: f32,
    /// 1 − learning rate · weight decay
    pub decay: f32,
    /// learning rate / (1 − β₁ᵗ)
    pub step_size: f32,
    /// √(1 − β₂ᵗ)
    pub correction2_root: f32,
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
    /// New value and moments; see [`plain`].
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

/// The update (Loshchilov & Hutter 2019, algorithm 2) in torch's order of operations: θ ← decay·θ; m ← β₁m + (1−β₁)g;
/// v ← β₂v + (1−β₂)g²; θ ← θ − step_size · m / (√v / correction2_root + ε).
pub fn plain<B: Backend>(
    value: FloatTensor<B>,
    gradient: FloatTensor<B>,
    first: FloatTensor<B>,
    second: FloatTensor<B>,
    step: AdamWStep,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let gradient = B::float_mul_scalar(gradient, step.gradient_scale.into());
    let square = B::float_mul(gradient.clone(), gradient.clone());
    let mix = |old, beta: f32, new| {
        let kept = B::float_mul_scalar(old, beta.into());
        B::float_add(kept, B::float_mul_scalar(new, (1.0 - beta).into()))
    };
    let first = mix(first, step.beta1, gradient);
    let second = mix(second, step.beta2, square);
    let root = B::float_div_scalar(B::float_sqrt(second.clone()), step.correction2_root.into());
    let direction = B::float_div(first.clone(), B::float_add_scalar(root, step.epsilon.into()));
    let value = B::float_mul_scalar(value, step.decay.into());
    (B::float_sub(value, B::float_mul_scalar(direction, step.step_size.into())), first, second)
}

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
