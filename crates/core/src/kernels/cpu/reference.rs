//! Plain loops in double precision that define what the kernels compute, and the means to compare with them.

use super::winograd::ConvShape;

/// A fixed sequence of numbers that looks normal enough: sums of four uniform ones.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }

    pub(crate) fn vec(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| (0..4).map(|_| self.uniform()).sum::<f32>() * 1.7).collect()
    }
}

/// Asserts that every element is within `tolerance` times the largest expected magnitude.
pub(crate) fn assert_close(actual: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-30, |m: f64, x| m.max(x.abs()));
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let error = (a as f64 - e).abs() / largest;
        assert!(error <= tolerance, "{what}: element {i} is {a}, expected {e} (error {error:.1e} of the largest)");
    }
}

/// A convolution: extents, kernel, stride and zero padding (top and left; bottom and right are whatever the output needs).
#[derive(Clone, Copy)]
pub(crate) struct Conv {
    pub batch: usize,
    pub input: (usize, usize),
    pub output: (usize, usize),
    pub c_in: usize,
    pub c_out: usize,
    pub kernel: (usize, usize),
    pub stride: usize,
    pub padding: (usize, usize),
}

impl Conv {
    /// Calls `visit(x index, w index, y index)` without channels for every product of the convolution.
    fn taps(&self, mut visit: impl FnMut(usize, usize, usize)) {
        for n in 0..self.batch {
            for (oh, ow) in (0..self.output.0).flat_map(|h| (0..self.output.1).map(move |w| (h, w))) {
                for (kh, kw) in (0..self.kernel.0).flat_map(|h| (0..self.kernel.1).map(move |w| (h, w))) {
                    let (h, w) = (oh * self.stride + kh, ow * self.stride + kw);
                    if h < self.padding.0 || w < self.padding.1 {
                        continue;
                    }
                    let (h, w) = (h - self.padding.0, w - self.padding.1);
                    if h < self.input.0 && w < self.input.1 {
                        let x = (n * self.input.0 + h) * self.input.1 + w;
                        let y = (n * self.output.0 + oh) * self.output.1 + ow;
                        visit(x, kh * self.kernel.1 + kw, y);
                    }
                }
            }
        }
    }

    pub(crate) fn forward(&self, x: &[f32], w: &[f32]) -> Vec<f64> {
        let mut y = vec![0.0; self.batch * self.output.0 * self.output.1 * self.c_out];
        self.taps(|xi, wi, yi| {
            for c in 0..self.c_in {
                for k in 0..self.c_out {
                    y[yi * self.c_out + k] +=
                        x[xi * self.c_in + c] as f64 * w[(wi * self.c_in + c) * self.c_out + k] as f64;
                }
            }
        });
        y
    }

    pub(crate) fn input_gradient(&self, dy: &[f32], w: &[f32]) -> Vec<f64> {
        let mut dx = vec![0.0; self.batch * self.input.0 * self.input.1 * self.c_in];
        self.taps(|xi, wi, yi| {
            for c in 0..self.c_in {
                for k in 0..self.c_out {
                    dx[xi * self.c_in + c] +=
                        dy[yi * self.c_out + k] as f64 * w[(wi * self.c_in + c) * self.c_out + k] as f64;
                }
            }
        });
        dx
    }

    pub(crate) fn weight_gradient(&self, x: &[f32], dy: &[f32]) -> Vec<f64> {
        let mut dw = vec![0.0; self.kernel.0 * self.kernel.1 * self.c_in * self.c_out];
        self.taps(|xi, wi, yi| {
            for c in 0..self.c_in {
                for k in 0..self.c_out {
                    dw[(wi * self.c_in + c) * self.c_out + k] +=
                        x[xi * self.c_in + c] as f64 * dy[yi * self.c_out + k] as f64;
                }
            }
        });
        dw
    }
}

impl From<ConvShape> for Conv {
    fn from(shape: ConvShape) -> Self {
        let size = (shape.height, shape.width);
        Conv {
            batch: shape.batch,
            input: size,
            output: size,
            c_in: shape.c_in,
            c_out: shape.c_out,
            kernel: (3, 3),
            stride: 1,
            padding: (1, 1),
        }
    }
}

/// Nearest-neighbour up-sampling of NHWC images to `height x width`.
pub(crate) fn upsample(x: &[f32], batch: usize, (height, width): (usize, usize), channels: usize) -> Vec<f32> {
    let mut y = Vec::with_capacity(x.len() * 4);
    for n in 0..batch {
        for (h, w) in (0..height).flat_map(|h| (0..width).map(move |w| (h, w))) {
            let pixel = ((n * (height / 2) + h / 2) * (width / 2) + w / 2) * channels;
            y.extend_from_slice(&x[pixel..pixel + channels]);
        }
    }
    y
}

/// The transpose of [`upsample`].
pub(crate) fn sum_squares(dy: &[f64], batch: usize, (height, width): (usize, usize), channels: usize) -> Vec<f64> {
    let mut dx = vec![0.0; dy.len() / 4];
    for n in 0..batch {
        for (h, w) in (0..height).flat_map(|h| (0..width).map(move |w| (h, w))) {
            for c in 0..channels {
                dx[((n * (height / 2) + h / 2) * (width / 2) + w / 2) * channels + c] +=
                    dy[((n * height + h) * width + w) * channels + c];
            }
        }
    }
    dx
}

/// Runs `body` on a pool of that many threads.
pub(crate) fn with_threads<R: Send>(threads: usize, body: impl FnOnce() -> R + Send) -> R {
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(body),
        Err(error) => unreachable!("no pool of {threads} threads: {error}"),
    }
}
