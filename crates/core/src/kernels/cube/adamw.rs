//! The update of one parameter by AdamW: one sweep over value, gradient and both moments. The formula stands in
//! `kernels::plain::adamw`.

use super::tensors::{buffer, elementwise, len, own};
use crate::kernels::AdamWStep;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// New value and moments.
pub fn adamw(
    value: CubeTensor,
    gradient: &CubeTensor,
    first: CubeTensor,
    second: CubeTensor,
    step: AdamWStep,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let [value, first, second] = [value, first, second].map(own);
    let corrections = step.betas.map(|beta| 1.0 - beta.powi(step.step as i32));
    let (count, threads) = elementwise(&value.client, len(&value));
    // SAFETY: the kernel stops at the last weight.
    unsafe {
        adamw_kernel::launch_unchecked(
            &value.client,
            count,
            threads,
            buffer(&value),
            buffer(gradient),
            buffer(&first),
            buffer(&second),
            len(&value) as u32,
            step.gradient_scale,
            (1.0 - step.learning_rate * step.weight_decay) as f32,
            (1.0 - step.betas[0]) as f32,
            step.betas[1] as f32,
            (1.0 - step.betas[1]) as f32,
            (step.learning_rate / corrections[0]) as f32,
            corrections[1].sqrt() as f32,
            step.epsilon as f32,
        );
    }
    (value, first, second)
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers and numbers of a kernel")]
fn adamw_kernel(
    value: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    all: u32,
    gradient_scale: f32,
    keep: f32,
    first_rate: f32,
    beta2: f32,
    second_rate: f32,
    rate: f32,
    correction: f32,
    epsilon: f32,
) {
    if ABSOLUTE_POS >= all as usize {
        terminate!();
    }
    let g = gradient[ABSOLUTE_POS] * gradient_scale;
    let m = first[ABSOLUTE_POS] + (g - first[ABSOLUTE_POS]) * first_rate;
    let v = second[ABSOLUTE_POS] * beta2 + g * g * second_rate;
    first[ABSOLUTE_POS] = m;
    second[ABSOLUTE_POS] = v;
    value[ABSOLUTE_POS] = value[ABSOLUTE_POS] * keep - rate * (m / (v.sqrt() / correction + epsilon));
}
