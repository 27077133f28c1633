//! The moving average out of burn operations.

use burn::backend::{Backend, tensor::FloatTensor};

/// s − (1 − decay)(s − θ) for an average s of the value θ (diffusers' `EMAModel.step`).
pub fn moving_average<B: Backend>(average: FloatTensor<B>, value: FloatTensor<B>, decay: f64) -> FloatTensor<B> {
    let distance = B::float_sub(average.clone(), value);
    B::float_sub(average, B::float_mul_scalar(distance, (1.0 - decay).into()))
}
