//! The inverse cosine transform of Loeffler, Ligtenberg and Moschytz (ICASSP 1989) in libjpeg's accurate integers
//! (`jidctint.c`): constants of 13 bits, two bits of fraction between the passes, every rounding as there.

use super::blocks::Block;
use super::frame::Quantisation;

const CONSTANT_BITS: u32 = 13;
const FRACTION_BITS: u32 = 2;

/// Samples of a block into `samples`, whose rows are `stride` apart.
pub fn idct(block: &Block, quantisation: &Quantisation, samples: &mut [u8], stride: usize) {
    if block[1..].iter().all(|&coefficient| coefficient == 0) {
        let level = to_sample((i32::from(block[0]) * i32::from(quantisation[0]) + 4) >> 3);
        samples.chunks_mut(stride).take(8).for_each(|row| row[..8].fill(level));
        return;
    }
    let mut values = [0i32; 64];
    for (value, (&coefficient, &step)) in values.iter_mut().zip(block.iter().zip(quantisation)) {
        *value = i32::from(coefficient) * i32::from(step);
    }
    pass(&mut values, CONSTANT_BITS - FRACTION_BITS);
    transpose(&mut values);
    pass(&mut values, CONSTANT_BITS + FRACTION_BITS + 3);
    for (x, column) in values.as_chunks::<8>().0.iter().enumerate() {
        for (y, &value) in column.iter().enumerate() {
            samples[y * stride + x] = to_sample(value);
        }
    }
}

fn to_sample(value: i32) -> u8 {
    value.saturating_add(128).clamp(0, 255) as u8
}

fn transpose(values: &mut [i32; 64]) {
    for row in 0..8 {
        for column in row + 1..8 {
            values.swap(8 * row + column, 8 * column + row);
        }
    }
}

/// One dimension: each column apart, so that eight are computed at once. Damaged files may overflow.
fn pass(values: &mut [i32; 64], bits: u32) {
    let times = i32::wrapping_mul;
    let (plus, minus) = (i32::wrapping_add, i32::wrapping_sub);
    for column in 0..8 {
        let at = |row: usize| values[8 * row + column];
        // Even part.
        let half = times(plus(at(2), at(6)), 4433);
        let (e2, e3) = (plus(half, times(at(6), -15137)), plus(half, times(at(2), 6270)));
        let (e0, e1) = (plus(at(0), at(4)) << CONSTANT_BITS, minus(at(0), at(4)) << CONSTANT_BITS);
        let even = [plus(e0, e3), plus(e1, e2), minus(e1, e2), minus(e0, e3)];
        // Odd part.
        let [o0, o1, o2, o3] = [at(7), at(5), at(3), at(1)];
        let together = times(plus(plus(o0, o2), plus(o1, o3)), 9633);
        let z1 = times(plus(o0, o3), -7373);
        let z2 = times(plus(o1, o2), -20995);
        let z3 = plus(times(plus(o0, o2), -16069), together);
        let z4 = plus(times(plus(o1, o3), -3196), together);
        let odd = [
            plus(times(o3, 12299), plus(z1, z4)),
            plus(times(o2, 25172), plus(z2, z3)),
            plus(times(o1, 16819), plus(z2, z4)),
            plus(times(o0, 2446), plus(z1, z3)),
        ];
        let rounded = |sum: i32| plus(sum, 1 << (bits - 1)) >> bits;
        for k in 0..4 {
            values[8 * k + column] = rounded(plus(even[k], odd[k]));
            values[8 * (7 - k) + column] = rounded(minus(even[k], odd[k]));
        }
    }
}
