//! Element by element: SiLU, sums, up-sampling, concatenation of channels.

use core::ops::Range;

use super::parallel::{Shared, parallel_for};
use super::simd::{Simd, isa_entry};

/// Floats of one job.
const CHUNK: usize = 1 << 15;

/// Runs `body(range, y[range])` over chunks of `y`.
fn chunks(y: &mut [f32], body: impl Fn(Range<usize>, &mut [f32]) + Sync + Send) {
    let len = y.len();
    let y = Shared::new(y);
    parallel_for(len.div_ceil(CHUNK), |chunk| {
        let range = chunk * CHUNK..len.min((chunk + 1) * CHUNK);
        // SAFETY: each job has its own chunk.
        body(range.clone(), unsafe { y.range(range) });
    });
}

/// Runs `body(row, y[row])` over rows of `width` floats, several to a job.
fn rows(width: usize, y: &mut [f32], body: impl Fn(usize, &mut [f32]) + Sync + Send) {
    if width == 0 {
        return;
    }
    let (count, per_job) = (y.len() / width, CHUNK.div_ceil(width));
    let y = Shared::new(y);
    parallel_for(count.div_ceil(per_job), |job| {
        let range = job * per_job..count.min((job + 1) * per_job);
        // SAFETY: each job has its own rows.
        let y = unsafe { y.range(range.start * width..range.end * width) };
        range.zip(y.chunks_exact_mut(width)).for_each(|(row, y)| body(row, y));
    });
}

/// `y = x σ(x)`.
pub fn silu(x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "silu");
    chunks(y, |range, y| {
        // SAFETY: both slices have the chunk's length.
        unsafe { silu_chunk((&x[range], y)) };
    });
}

isa_entry! {
    unsafe fn silu_chunk(job: (&[f32], &mut [f32])) = silu_body;
}

#[inline(always)]
unsafe fn silu_body<S: Simd>(s: S, (x, y): (&[f32], &mut [f32])) {
    let mut i = 0;
    while i < y.len() {
        let lanes = S::LANES.min(y.len() - i);
        // SAFETY: `lanes` floats from `i` on exist in both.
        unsafe {
            let x = s.load_lanes(x.as_ptr().add(i), lanes);
            s.store_lanes(y.as_mut_ptr().add(i), lanes, s.mul(x, s.sigmoid(x)));
        }
        i += S::LANES;
    }
}

/// `dx = dy silu'(x)`.
pub fn silu_gradient(x: &[f32], dy: &[f32], dx: &mut [f32]) {
    assert_eq!((x.len(), dy.len()), (dx.len(), dx.len()), "silu gradient");
    chunks(dx, |range, dx| {
        // SAFETY: all slices have the chunk's length.
        unsafe { silu_gradient_chunk((&x[range.clone()], &dy[range], dx)) };
    });
}

isa_entry! {
    unsafe fn silu_gradient_chunk(job: (&[f32], &[f32], &mut [f32])) = silu_gradient_body;
}

#[inline(always)]
unsafe fn silu_gradient_body<S: Simd>(s: S, (x, dy, dx): (&[f32], &[f32], &mut [f32])) {
    let mut i = 0;
    while i < dx.len() {
        let lanes = S::LANES.min(dx.len() - i);
        // SAFETY: `lanes` floats from `i` on exist in all three.
        unsafe {
            let derivative = s.silu_derivative(s.load_lanes(x.as_ptr().add(i), lanes));
            let dy = s.load_lanes(dy.as_ptr().add(i), lanes);
            s.store_lanes(dx.as_mut_ptr().add(i), lanes, s.mul(dy, derivative));
        }
        i += S::LANES;
    }
}

/// `y = a + b`.
pub fn add(a: &[f32], b: &[f32], y: &mut [f32]) {
    assert_eq!((a.len(), b.len()), (y.len(), y.len()), "add");
    chunks(y, |range, y| {
        y.iter_mut().zip(&a[range.clone()]).zip(&b[range]).for_each(|((y, a), b)| *y = a + b);
    });
}

/// `y += x`.
pub fn add_assign(y: &mut [f32], x: &[f32]) {
    assert_eq!(x.len(), y.len(), "add_assign");
    chunks(y, |range, y| y.iter_mut().zip(&x[range]).for_each(|(y, x)| *y += x));
}

/// `y *= factor`.
pub fn scale(y: &mut [f32], factor: f32) {
    chunks(y, |_, y| y.iter_mut().for_each(|y| *y *= factor));
}

/// Nearest-neighbour up-sampling by two of NHWC images `[batch][height][width][channels]`.
pub fn upsample(batch: usize, height: usize, width: usize, channels: usize, x: &[f32], y: &mut [f32]) {
    assert_eq!((x.len(), y.len()), (batch * height * width * channels, 4 * x.len()), "upsample");
    rows(2 * width * channels, y, |row, y| {
        let x = &x[row / 2 * width * channels..][..width * channels];
        for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact_mut(2 * channels)) {
            y[..channels].copy_from_slice(x);
            y[channels..].copy_from_slice(x);
        }
    });
}

/// The transpose of [`upsample`]: sums the gradient over each square of four pixels.
pub fn upsample_gradient(batch: usize, height: usize, width: usize, channels: usize, dy: &[f32], dx: &mut [f32]) {
    assert_eq!((dx.len(), dy.len()), (batch * height * width * channels, 4 * dx.len()), "upsample gradient");
    rows(width * channels, dx, |row, dx| {
        let (upper, lower) = dy[row * 4 * width * channels..][..4 * width * channels].split_at(2 * width * channels);
        let squares = upper.chunks_exact(2 * channels).zip(lower.chunks_exact(2 * channels));
        for (dx, (upper, lower)) in dx.chunks_exact_mut(channels).zip(squares) {
            for (c, dx) in dx.iter_mut().enumerate() {
                *dx = (upper[c] + upper[channels + c]) + (lower[c] + lower[channels + c]);
            }
        }
    });
}

/// Concatenates channels: `y[pixel] = a[pixel] ‖ b[pixel]`, with `c_a` and `c_b` channels.
pub fn concat(c_a: usize, c_b: usize, a: &[f32], b: &[f32], y: &mut [f32]) {
    let pixels = y.len() / (c_a + c_b).max(1);
    assert_eq!((a.len(), b.len(), y.len()), (pixels * c_a, pixels * c_b, pixels * (c_a + c_b)), "concat");
    rows(c_a + c_b, y, |pixel, y| {
        let (to_a, to_b) = y.split_at_mut(c_a);
        to_a.copy_from_slice(&a[pixel * c_a..(pixel + 1) * c_a]);
        to_b.copy_from_slice(&b[pixel * c_b..(pixel + 1) * c_b]);
    });
}

/// The opposite of [`concat`].
pub fn split(c_a: usize, c_b: usize, y: &[f32], a: &mut [f32], b: &mut [f32]) {
    let (pixels, channels) = (y.len() / (c_a + c_b).max(1), c_a + c_b);
    assert_eq!((a.len(), b.len(), y.len()), (pixels * c_a, pixels * c_b, pixels * channels), "split");
    rows(c_a, a, |pixel, a| a.copy_from_slice(&y[pixel * channels..][..c_a]));
    rows(c_b, b, |pixel, b| b.copy_from_slice(&y[pixel * channels + c_a..][..c_b]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::Isa;
    use crate::kernels::cpu::reference::{self, Noise, assert_close};

    #[test]
    fn silu_and_its_gradient() {
        let x: Vec<f32> = (-4000..=4000).map(|i| i as f32 * 0.05).chain([1e-8, -1e-8, 3e38, -3e38]).collect();
        let dy = Noise::new(1).vec(x.len());
        Isa::for_each(|isa| {
            let (mut y, mut dx) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
            silu(&x, &mut y);
            silu_gradient(&x, &dy, &mut dx);
            for (i, &x) in x.iter().enumerate() {
                let sigmoid = 1.0 / (1.0 + (-x as f64).exp());
                let exact = x as f64 * sigmoid;
                assert!((y[i] as f64 - exact).abs() <= 4e-7 * exact.abs() + 1e-30, "silu({x}) = {} {isa:?}", y[i]);
                let exact = dy[i] as f64 * sigmoid * (1.0 + x as f64 * (1.0 - sigmoid));
                assert!(
                    (dx[i] as f64 - exact).abs() <= 1e-6 * (dy[i].abs() as f64 + 0.1),
                    "silu'({x}) = {}, not {exact} {isa:?}",
                    dx[i]
                );
            }
            let mut y = [0.0];
            silu(&[f32::NAN], &mut y);
            assert!(y[0].is_nan());
        });
    }

    #[test]
    fn up_sampling_and_its_transpose() {
        for (batch, height, width, channels) in [(1, 1, 1, 1), (2, 3, 5, 7), (1, 16, 16, 64)] {
            let mut noise = Noise::new(8);
            let (x, dy) =
                (noise.vec(batch * height * width * channels), noise.vec(4 * batch * height * width * channels));
            let (mut y, mut dx) = (vec![f32::NAN; dy.len()], vec![f32::NAN; x.len()]);
            upsample(batch, height, width, channels, &x, &mut y);
            assert_eq!(y, reference::upsample(&x, batch, (2 * height, 2 * width), channels));
            upsample_gradient(batch, height, width, channels, &dy, &mut dx);
            let dy: Vec<f64> = dy.iter().map(|&x| x as f64).collect();
            assert_close(&dx, &reference::sum_squares(&dy, batch, (2 * height, 2 * width), channels), 1e-6, "dx");
        }
    }

    #[test]
    fn concat_and_split() {
        let (a, b) = (Noise::new(1).vec(3 * 40_000), Noise::new(2).vec(5 * 40_000));
        let mut y = vec![f32::NAN; a.len() + b.len()];
        concat(3, 5, &a, &b, &mut y);
        assert_eq!((y[8..11].to_vec(), y[11..16].to_vec()), (a[3..6].to_vec(), b[5..10].to_vec()));
        let (mut back_a, mut back_b) = (vec![f32::NAN; a.len()], vec![f32::NAN; b.len()]);
        split(3, 5, &y, &mut back_a, &mut back_b);
        assert!(back_a == a && back_b == b);
    }

    #[test]
    fn sums_and_scaling() {
        let (a, b) = (Noise::new(1).vec(100_001), Noise::new(2).vec(100_001));
        let mut y = vec![f32::NAN; a.len()];
        add(&a, &b, &mut y);
        assert!(y.iter().zip(a.iter().zip(&b)).all(|(y, (a, b))| *y == a + b));
        let mut z = a.clone();
        add_assign(&mut z, &b);
        assert_eq!(y, z);
        scale(&mut z, 0.5);
        assert!(y.iter().zip(&z).all(|(y, z)| y * 0.5 == *z));
    }
}
