//! The update of one parameter by AdamW and of its moving average, and what clipping measures.

use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::tensor::DispatchTensor;

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
    pub first: DispatchTensor,
    pub second: DispatchTensor,
}

/// Operations on parameters, outside of any graph.
#[backend_extension(Flex, Cube: cfg(feature = "gpu"))]
pub trait ParameterKernels: Backend {
    /// New value and moments; `kernels::plain::adamw` is the definition.
    fn adamw(
        value: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// `average + rate · (value - average)`; `kernels::plain::moving_average` is the definition.
    fn moving_average(average: FloatTensor<Self>, value: FloatTensor<Self>, rate: f32) -> FloatTensor<Self>;

    /// Σx², one number.
    fn sum_of_squares(x: FloatTensor<Self>) -> FloatTensor<Self>;
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

/// The average after one more value; in place where nobody shares it.
pub fn moving_average(average: DispatchTensor, value: DispatchTensor, rate: f32) -> DispatchTensor {
    <Dispatch as ParameterKernels>::moving_average(average, value, rate)
}

/// Σx², a tensor of one number.
pub fn sum_of_squares(x: DispatchTensor) -> DispatchTensor {
    <Dispatch as ParameterKernels>::sum_of_squares(x)
}
