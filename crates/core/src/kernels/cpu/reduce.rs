//! Sums: partial results of jobs, columns, squares.

use super::buffers::Recycled;
use super::parallel::{Shared, parallel_for};
use super::simd::{Simd, isa_entry};

/// `total[i] = Σ_share partial[share][i]`, in order.
pub(crate) fn sum_shares(partial: &[f32], total: &mut [f32]) {
    const CHUNK: usize = 1 << 14;
    let len = total.len();
    let total = Shared::new(total);
    parallel_for(len.div_ceil(CHUNK), |chunk| {
        let range = chunk * CHUNK..len.min((chunk + 1) * CHUNK);
        // SAFETY: each job has its own chunk.
        let sums = unsafe { total.range(range.clone()) };
        sums.copy_from_slice(&partial[range.clone()]);
        for share in partial.chunks_exact(len).skip(1) {
            sums.iter_mut().zip(&share[range.clone()]).for_each(|(sum, x)| *sum += x);
        }
    });
}

/// `[batch][pixels][channels]` summed over pixels into `sums` `[batch][channels]`: the gradient of a bias per sample.
pub fn sum_pixels(batch: usize, pixels: usize, channels: usize, x: &[f32], sums: &mut [f32]) {
    assert_eq!(x.len(), batch * pixels * channels, "input of sum_pixels");
    assert_eq!(sums.len(), batch * channels, "output of sum_pixels");
    if x.is_empty() {
        return sums.fill(0.0);
    }
    let sums = Shared::new(sums);
    parallel_for(batch, |image| {
        // SAFETY: each job has its own image.
        let sums = unsafe { sums.range(image * channels..(image + 1) * channels) };
        add_rows(&x[image * pixels * channels..(image + 1) * pixels * channels], sums);
    });
}

/// Sums the rows of `x` pairwise by runs of [`RUN`], which keeps the rounding error that of a short sum.
fn add_rows(x: &[f32], sums: &mut [f32]) {
    const RUN: usize = 64;
    let channels = sums.len();
    let mut run = Recycled::for_overwrite(channels);
    sums.fill(0.0);
    for rows in x.chunks(RUN * channels) {
        run.fill(0.0);
        for row in rows.chunks_exact(channels) {
            run.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        sums.iter_mut().zip(run.iter()).for_each(|(sum, x)| *sum += x);
    }
}

/// `[rows][channels]` summed over rows into `sums` `[channels]`: the gradient of a bias.
pub fn sum_rows(rows: usize, channels: usize, x: &[f32], sums: &mut [f32]) {
    const ROWS: usize = 512;
    assert_eq!(x.len(), rows * channels, "input of sum_rows");
    assert_eq!(sums.len(), channels, "output of sum_rows");
    if x.is_empty() {
        return sums.fill(0.0);
    }
    let parts = rows.div_ceil(ROWS);
    let mut partial = Recycled::for_overwrite(parts * channels);
    let shared = Shared::new(&mut partial);
    parallel_for(parts, |part| {
        // SAFETY: each job has its own row of partial sums.
        let sums = unsafe { shared.range(part * channels..(part + 1) * channels) };
        add_rows(&x[part * ROWS * channels..rows.min((part + 1) * ROWS) * channels], sums);
    });
    add_rows(&partial, sums);
}

/// `Σ x²` in double precision.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    const CHUNK: usize = 1 << 15;
    let chunks = x.len().div_ceil(CHUNK);
    let partial: Vec<std::sync::atomic::AtomicU64> = (0..chunks).map(|_| Default::default()).collect();
    parallel_for(chunks, |chunk| {
        let mut sum = 0.0;
        // SAFETY: safe code, compiled for the instruction set.
        unsafe { square_chunk((&x[chunk * CHUNK..x.len().min((chunk + 1) * CHUNK)], &mut sum)) };
        partial[chunk].store(sum.to_bits(), std::sync::atomic::Ordering::Relaxed);
    });
    partial.into_iter().map(|bits| f64::from_bits(bits.into_inner())).sum()
}

isa_entry! {
    unsafe fn square_chunk(job: (&[f32], &mut f64)) = square_body;
}

/// Left to the compiler, which knows the conversion to double precision better than [`Simd`] does.
#[inline(always)]
unsafe fn square_body<S: Simd>(_: S, (x, total): (&[f32], &mut f64)) {
    const LANES: usize = 16;
    let mut sums = [0.0f64; LANES];
    let mut i = 0;
    while i + LANES <= x.len() {
        for lane in 0..LANES {
            let x = x[i + lane] as f64;
            sums[lane] += x * x;
        }
        i += LANES;
    }
    *total = 0.0;
    for sum in sums {
        *total += sum;
    }
    for &x in &x[i..] {
        *total += x as f64 * x as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::reference::{Noise, assert_close};

    #[test]
    fn rows_pixels_and_squares() {
        for (batch, pixels, channels) in [(1, 1, 1), (3, 700, 5), (2, 64, 33), (0, 4, 3)] {
            let x = Noise::new(5).vec(batch * pixels * channels);
            let mut expected = vec![0.0; batch * channels];
            let mut total = vec![0.0; channels];
            for (i, &x) in x.iter().enumerate() {
                expected[i / (pixels * channels) * channels + i % channels] += x as f64;
                total[i % channels] += x as f64;
            }
            let mut sums = vec![f32::NAN; batch * channels];
            sum_pixels(batch, pixels, channels, &x, &mut sums);
            assert_close(&sums, &expected, 1e-6, "sum_pixels");
            let mut sums = vec![f32::NAN; channels];
            sum_rows(batch * pixels, channels, &x, &mut sums);
            assert_close(&sums, &total, 1e-6, "sum_rows");
            let squares: f64 = x.iter().map(|&x| (x as f64).powi(2)).sum();
            assert!((sum_of_squares(&x) - squares).abs() <= 1e-12 * squares);
        }
    }
}
