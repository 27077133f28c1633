//! The exponential moving average of a parameter, in one sweep over memory.

use super::parallel::{Shared, parallel_for};
use super::simd::{Simd, isa_entry};
use core::ops::Range;

/// Floats of one job.
const CHUNK: usize = 1 << 14;

/// `average += rate (value - average)`
pub fn moving_average(average: &mut [f32], value: &[f32], rate: f32) {
    let len = average.len();
    assert_eq!(value.len(), len, "moving average");
    let average = Shared::new(average);
    parallel_for(len.div_ceil(CHUNK), |chunk| {
        let range = chunk * CHUNK..len.min((chunk + 1) * CHUNK);
        // SAFETY: each job has its own chunk of slices of one length.
        unsafe { sweep(&Job { average, value, rate, range }) };
    });
}

struct Job<'a> {
    average: Shared<'a>,
    value: &'a [f32],
    rate: f32,
    range: Range<usize>,
}

isa_entry! {
    unsafe fn sweep(job: &Job<'_>) = body;
}

#[inline(always)]
unsafe fn body<S: Simd>(s: S, job: &Job<'_>) {
    let rate = s.splat(job.rate);
    let mut i = job.range.start;
    while i < job.range.end {
        let lanes = S::LANES.min(job.range.end - i);
        // SAFETY: `lanes` floats from `i` on exist in both slices and are this job's.
        unsafe {
            let at = job.average.pointer().add(i);
            let average = s.load_lanes(at, lanes);
            let value = s.load_lanes(job.value.as_ptr().add(i), lanes);
            s.store_lanes(at, lanes, s.fma(rate, s.sub(value, average), average));
        }
        i += S::LANES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::Isa;
    use crate::kernels::cpu::reference::{Noise, assert_close};

    #[test]
    fn as_in_double_precision() {
        Isa::for_each(|isa| {
            let mut noise = Noise::new(23);
            let (mut average, value) = (noise.vec(20_003), noise.vec(20_003));
            let pairs = average.iter().zip(&value);
            let expected: Vec<f64> = pairs.map(|(&a, &v)| 0.9 * f64::from(a) + 0.1 * f64::from(v)).collect();
            moving_average(&mut average, &value, 0.1);
            assert_close(&average, &expected, 1e-6, &format!("{isa:?}"));
        });
    }
}
