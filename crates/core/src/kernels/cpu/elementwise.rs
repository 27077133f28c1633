//! Values moved about: up-sampling, concatenation of channels.

use super::parallel::{Shared, parallel_for};

/// Floats of one job.
const CHUNK: usize = 1 << 15;

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
    use crate::kernels::cpu::reference::{self, Noise, assert_close};

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
}
