//! bfloat16, the upper half of a float. Kernels calculate in single precision; images and tokens that are kept in it are widened
//! before and rounded afterwards.

use super::parallel::{Shared, parallel_for};
use super::simd::{Simd, isa_entry};
use half::bf16;

/// Numbers of one job.
const CHUNK: usize = 1 << 15;

/// `y = x`
pub fn widen(x: &[bf16], y: &mut [f32]) {
    // SAFETY: the machine has the instruction set that is chosen; slices are all that the body touches.
    in_jobs(x, y, |x, y| unsafe { widen_run((x, y)) });
}

/// `y = x`, rounded to the nearest, ties to even.
pub fn narrow(x: &[f32], y: &mut [bf16]) {
    // SAFETY: as above.
    in_jobs(x, y, |x, y| unsafe { narrow_run((x, y)) });
}

/// Runs `body` over pieces of both slices.
fn in_jobs<X: Sync, Y: Send>(x: &[X], y: &mut [Y], body: impl Fn(&[X], &mut [Y]) + Sync + Send) {
    assert_eq!(x.len(), y.len(), "numbers to convert");
    let y = Shared::new(y);
    parallel_for(x.len().div_ceil(CHUNK), |job| {
        let range = job * CHUNK..x.len().min((job + 1) * CHUNK);
        // SAFETY: each job has its own numbers.
        body(&x[range.clone()], unsafe { y.range(range) });
    });
}

isa_entry! {
    unsafe fn widen_run(job: (&[bf16], &mut [f32])) = widen_body;
}
isa_entry! {
    unsafe fn narrow_run(job: (&[f32], &mut [bf16])) = narrow_body;
}

/// Whole numbers, which the compiler makes vectors of.
#[inline(always)]
unsafe fn widen_body<S: Simd>(_: S, (x, y): (&[bf16], &mut [f32])) {
    for (x, y) in x.iter().zip(y) {
        *y = f32::from_bits((x.to_bits() as u32) << 16);
    }
}

/// As [`widen_body`]. Adds half of the last place that stays, less one where that place is even.
#[inline(always)]
unsafe fn narrow_body<S: Simd>(_: S, (x, y): (&[f32], &mut [bf16])) {
    /// The largest bits of a magnitude that is a number; infinity.
    const INFINITY: u32 = 0x7f80_0000;
    for (x, y) in x.iter().zip(y) {
        let bits = x.to_bits();
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
        let quiet_nan = (bits >> 16) | 0x40;
        *y = bf16::from_bits(if bits & 0x7fff_ffff > INFINITY { quiet_nan } else { rounded } as u16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::Isa;
    use crate::kernels::cpu::reference::Noise;

    /// The crate `half` does it one by one.
    #[test]
    fn rounds_as_half_does() {
        let special = [0.0, -0.0, 1.0, f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE, 1e-45];
        let ties = (0..64).map(|i| f32::from_bits(0x3f80_0000 + i * 0x4000));
        let beside_ties =
            (0..64).flat_map(|i| [-1i32, 1].map(|d| f32::from_bits((0x3f80_8000 + d + (i << 16)) as u32)));
        let x: Vec<f32> =
            special.into_iter().chain(ties).chain(beside_ties).chain(Noise::new(1).vec(100_003)).collect();
        Isa::for_each(|isa| {
            let mut narrowed = vec![bf16::ONE; x.len()];
            narrow(&x, &mut narrowed);
            let bits = |x: &[bf16]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let expected: Vec<bf16> = x.iter().map(|&x| bf16::from_f32(x)).collect();
            assert_eq!(bits(&narrowed), bits(&expected), "{isa:?}");
            let mut widened = vec![f32::NAN; x.len()];
            widen(&narrowed, &mut widened);
            assert!(widened.iter().zip(&expected).all(|(&x, y)| x == y.to_f32()), "{isa:?}");
        });
    }

    #[test]
    fn no_number_stays_none() {
        for bits in [0x7f80_0001, 0x7fff_ffff, 0xff80_0001, 0xffc0_0000] {
            let mut narrowed = [bf16::ONE];
            narrow(&[f32::from_bits(bits)], &mut narrowed);
            assert!(narrowed[0].is_nan(), "{bits:x}");
            let mut widened = [0.0];
            widen(&narrowed, &mut widened);
            assert!(widened[0].is_nan());
        }
    }
}
