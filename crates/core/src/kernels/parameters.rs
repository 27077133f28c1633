//! What training does with the parameters of a model: the update by AdamW, the moving average, what clipping measures, and
//! factors on gradients.
//! With all of them in one call, so that a graphics card is handed one kernel for many.

use super::tensors::Tensors;
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

impl Moments {
    /// Those of a parameter that was never updated, in memory that lasts like the parameter's.
    pub fn zeros(value: &DispatchTensor) -> Self {
        use burn::backend::ops::FloatTensorOps;
        let device = value.device();
        let zeros = |(shape, dtype)| Dispatch::float_zeros(shape, &device, dtype);
        let zeros = || Dispatch::memory_persistent_allocations(&device, (value.shape(), value.dtype().into()), zeros);
        Self { first: zeros(), second: zeros() }
    }
}

/// Operations on lists of parameters, outside of any graph. The lists are not empty and in one order.
#[backend_extension(Flex, Cube: cfg(feature = "gpu"))]
pub trait ParameterKernels: Backend {
    /// New values and moments; `kernels::plain::adamw` is the definition for one parameter.
    fn adamw(
        #[extension_type] values: Tensors<Self>,
        #[extension_type] gradients: Tensors<Self>,
        #[extension_type] firsts: Tensors<Self>,
        #[extension_type] seconds: Tensors<Self>,
        step: AdamWStep,
    ) -> (Tensors<Self>, Tensors<Self>, Tensors<Self>);

    /// New averages; `kernels::plain::moving_average` is the definition for one parameter.
    fn moving_averages(
        #[extension_type] averages: Tensors<Self>,
        #[extension_type] values: Tensors<Self>,
        decay: f64,
    ) -> Tensors<Self>;

    /// Each tensor times `factor`.
    fn scaled(#[extension_type] xs: Tensors<Self>, factor: f32) -> Tensors<Self>;

    /// Σx² of each, `[tensors]`.
    fn sums_of_squares(#[extension_type] xs: Tensors<Self>) -> FloatTensor<Self>;
}

/// The new values of parameters and their new moments.
pub fn adamw(
    values: Vec<DispatchTensor>,
    gradients: Vec<DispatchTensor>,
    moments: Vec<Moments>,
    step: AdamWStep,
) -> (Vec<DispatchTensor>, Vec<Moments>) {
    if values.is_empty() {
        return (values, moments);
    }
    let (firsts, seconds) = moments.into_iter().map(|Moments { first, second }| (first, second)).unzip();
    let lists = [values, gradients, firsts, seconds].map(Tensors::<Dispatch>);
    let [values, gradients, firsts, seconds] = lists;
    let (values, firsts, seconds) = <Dispatch as ParameterKernels>::adamw(values, gradients, firsts, seconds, step);
    let moments = firsts.0.into_iter().zip(seconds.0).map(|(first, second)| Moments { first, second });
    (values.0, moments.collect())
}

/// s ← s − (1 − decay)(s − θ) for averages s of values θ.
pub fn moving_averages(averages: Vec<DispatchTensor>, values: Vec<DispatchTensor>, decay: f64) -> Vec<DispatchTensor> {
    if averages.is_empty() {
        return averages;
    }
    <Dispatch as ParameterKernels>::moving_averages(Tensors(averages), Tensors(values), decay).0
}

/// Each of some tensors times `factor`.
pub fn scaled(xs: Vec<DispatchTensor>, factor: f32) -> Vec<DispatchTensor> {
    if xs.is_empty() {
        return xs;
    }
    <Dispatch as ParameterKernels>::scaled(Tensors(xs), factor).0
}

/// Σx² of each of some tensors, at least one.
pub fn sums_of_squares(xs: Vec<DispatchTensor>) -> DispatchTensor {
    <Dispatch as ParameterKernels>::sums_of_squares(Tensors(xs))
}
