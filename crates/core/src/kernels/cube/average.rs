//! The exponential moving average of a parameter. The formula stands in `kernels::plain::adamw`.

use super::tensors::{buffer, elementwise, len, own};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

pub fn moving_average(average: CubeTensor, value: &CubeTensor, rate: f32) -> CubeTensor {
    let average = own(average);
    let (count, threads) = elementwise(&average.client, len(&average));
    // SAFETY: the kernel stops at the last weight.
    unsafe {
        average_kernel::launch_unchecked(
            &average.client,
            count,
            threads,
            buffer(&average),
            buffer(value),
            len(&average) as u32,
            rate,
        );
    }
    average
}

#[cube(launch_unchecked)]
fn average_kernel(average: &mut [f32], value: &[f32], all: u32, rate: f32) {
    if ABSOLUTE_POS >= all as usize {
        terminate!();
    }
    average[ABSOLUTE_POS] = average[ABSOLUTE_POS] + (value[ABSOLUTE_POS] - average[ABSOLUTE_POS]) * rate;
}
