//! Backward pass.

use core::ops::Range;

use super::{Norm, NormShape, Pass, Statistics, with_channel_statistics};
use crate::kernels::cpu::buffers::Recycled;
use crate::kernels::cpu::parallel::Shared;
use crate::kernels::cpu::simd::{Simd, isa_entry};

/// Gradients the backward pass writes.
pub struct NormGradients<'a> {
    /// Holds `dy`, and becomes the gradient of `x`: a gradient is read once, so its memory serves for the next.
    pub x: &'a mut [f32],
    pub gamma: &'a mut [f32],
    pub beta: &'a mut [f32],
    /// The output of the forward pass, the same bits once more, for whoever did not keep it.
    pub output: Option<&'a mut [f32]>,
}

/// Backward pass of [`group_norm`](super::group_norm). With `x̂ = (x - mean) rstd`, `z = γ x̂ + β`, `g = dy f'(z)`, and sums over a
/// group of m elements: `dx = rstd (γ g - (Σ γ g + x̂ Σ γ g x̂) / m)`, `dγ = Σ g x̂`, `dβ = Σ g`. Recomputes `x̂` and `z`.
pub fn group_norm_gradient(shape: &NormShape, x: &[f32], norm: Norm, statistics: Statistics, gradients: NormGradients) {
    let (channels, groups) = (shape.channels, shape.batch * shape.groups);
    shape.assert(&norm, x);
    assert_eq!(gradients.x.len(), x.len(), "group norm gradients");
    assert_eq!((gradients.gamma.len(), gradients.beta.len()), (channels, channels), "group norm gradients");
    assert_eq!((statistics.mean.len(), statistics.rstd.len()), (groups, groups), "group norm statistics");
    assert!(gradients.output.as_ref().is_none_or(|y| y.len() == x.len()), "group norm output");
    let mut partial = Recycled::for_overwrite(shape.partial());
    let mut factors = Recycled::for_overwrite(shape.batch * FACTORS * channels);
    let mut sums = Recycled::for_overwrite(shape.batch * 2 * channels);
    shape.run(&Backward {
        shape,
        x,
        norm,
        statistics,
        dx: Shared::new(gradients.x),
        y: gradients.output.map(Shared::new),
        partial: Shared::new(&mut partial),
        factors: Shared::new(&mut factors),
        sums: Shared::new(&mut sums),
    });
    for (c, (gamma, beta)) in gradients.gamma.iter_mut().zip(gradients.beta).enumerate() {
        let mut total = [0.0f64; 2];
        for image in sums.chunks_exact(2 * channels) {
            total[0] += image[c] as f64;
            total[1] += image[channels + c] as f64;
        }
        (*beta, *gamma) = (total[0] as f32, total[1] as f32);
    }
}

/// Numbers per channel of [`image_factors`].
const FACTORS: usize = 4;

struct Backward<'a> {
    shape: &'a NormShape,
    x: &'a [f32],
    norm: Norm<'a>,
    statistics: Statistics<'a>,
    /// Holds `dy`, then `g`, then `dx`.
    dx: Shared<'a>,
    y: Option<Shared<'a>>,
    partial: Shared<'a>,
    /// Per image: mean, then the factors of `g` and of `x - mean`, and the constant, each per channel.
    factors: Shared<'a>,
    /// Per image: `Σ g` and `Σ g x̂` per channel.
    sums: Shared<'a>,
}

impl Backward<'_> {
    fn image_factors(&self, image: usize) -> Range<usize> {
        let len = FACTORS * self.shape.channels;
        image * len..(image + 1) * len
    }

    fn image_statistics(&self, image: usize) -> Statistics<'_> {
        let groups = self.shape.image_groups(image);
        Statistics { mean: &self.statistics.mean[groups.clone()], rstd: &self.statistics.rstd[groups] }
    }
}

impl Pass for Backward<'_> {
    fn sum(&self, image: usize, run: usize) {
        let span = self.shape.span(image, run);
        // SAFETY: the run's own sums, gradients and outputs.
        let (sums, dx, y) = unsafe {
            let y = self.y.map(|y| Shared::new(y.range(span.clone())));
            (self.partial.range(self.shape.partial_run(image, run)), self.dx.range(span.clone()), y)
        };
        sums.fill(0.0);
        let job = GradientJob {
            x: &self.x[span],
            dx: Shared::new(dx),
            y,
            channels: self.shape.channels,
            norm: self.norm,
            sums: Shared::new(sums),
        };
        with_channel_statistics(self.shape, self.image_statistics(image), |mean, rstd| {
            // SAFETY: every slice has rows of `channels`.
            unsafe { gradient_run((&job, mean, rstd)) };
        });
    }

    fn finish(&self, image: usize) {
        let channels = self.shape.channels;
        // SAFETY: the image's own sums and factors; its partial sums are written.
        let (partial, factors, sums) = unsafe {
            (
                self.partial.read(self.shape.partial_image(image)),
                self.factors.range(self.image_factors(image)),
                self.sums.range(image * 2 * channels..(image + 1) * 2 * channels),
            )
        };
        image_factors(self.shape, partial, self.norm.gamma, self.image_statistics(image), sums, factors);
    }

    fn apply(&self, image: usize, run: usize) {
        let span = self.shape.span(image, run);
        // SAFETY: the run's own gradients; the factors are written; every slice has rows of `channels`.
        unsafe {
            let dx = Shared::new(self.dx.range(span.clone()));
            let factors = self.factors.read(self.image_factors(image));
            finish_run(&FinishJob { x: &self.x[span], dx, channels: self.shape.channels, factors });
        }
    }
}

/// From the sums of an image's runs: `Σ g` and `Σ g x̂` per channel, and the factors of
/// `dx = factor g + slope (x - mean) + constant`.
fn image_factors(
    shape: &NormShape,
    partial: &[f32],
    gamma: &[f32],
    statistics: Statistics,
    sums: &mut [f32],
    factors: &mut [f32],
) {
    let (channels, per_group) = (shape.channels, shape.per_group());
    let count = (shape.pixels * per_group) as f64;
    for group in 0..shape.groups {
        let rstd = statistics.rstd[group];
        let (mut sum, mut product) = (0.0, 0.0);
        for c in group * per_group..(group + 1) * per_group {
            let [g, g_x] = shape.combine(partial, c);
            (sums[c], sums[channels + c]) = (g as f32, g_x as f32);
            sum += gamma[c] as f64 * g;
            product += gamma[c] as f64 * g_x;
        }
        let rstd_64 = rstd as f64;
        for c in group * per_group..(group + 1) * per_group {
            factors[c] = statistics.mean[group];
            factors[channels + c] = gamma[c] * rstd;
            factors[2 * channels + c] = (-rstd_64 * rstd_64 * product / count) as f32;
            factors[3 * channels + c] = (-rstd_64 * sum / count) as f32;
        }
    }
}

struct GradientJob<'a> {
    x: &'a [f32],
    /// `dy`, and then `g` until [`FinishJob`].
    dx: Shared<'a>,
    y: Option<Shared<'a>>,
    channels: usize,
    norm: Norm<'a>,
    sums: Shared<'a>,
}

isa_entry! {
    unsafe fn gradient_run(job: (&GradientJob<'_>, &[f32], &[f32])) = gradient_body;
}

/// `g = dy f'(z)` in place of `dy`, its sums, and `f(z)` into `y`. Pixel by pixel, so that memory is read in order; the sums stay in the
/// first-level cache.
#[inline(always)]
unsafe fn gradient_body<S: Simd>(s: S, (job, mean, rstd): (&GradientJob<'_>, &[f32], &[f32])) {
    for pixel in 0..job.x.len() / job.channels {
        let mut c = 0;
        while c < job.channels {
            let lanes = S::LANES.min(job.channels - c);
            let at = pixel * job.channels + c;
            // SAFETY: `lanes` channels from `c` on exist in every row.
            unsafe {
                let x = s.sub(s.load_lanes(job.x.as_ptr().add(at), lanes), s.load_lanes(mean.as_ptr().add(c), lanes));
                let x = s.mul(x, s.load_lanes(rstd.as_ptr().add(c), lanes));
                let mut g = s.load_lanes(job.dx.pointer().add(at), lanes);
                let (gamma, beta) = (job.norm.gamma.as_ptr().add(c), job.norm.beta.as_ptr().add(c));
                let z = s.fma(x, s.load_lanes(gamma, lanes), s.load_lanes(beta, lanes));
                if job.norm.silu {
                    g = s.mul(g, s.silu_derivative(z));
                }
                if let Some(y) = job.y {
                    let f = if job.norm.silu { s.mul(z, s.sigmoid(z)) } else { z };
                    s.store_lanes(y.pointer().add(at), lanes, f);
                }
                s.store_lanes(job.dx.pointer().add(at), lanes, g);
                let (sum, product) = (job.sums.pointer().add(c), job.sums.pointer().add(job.channels + c));
                s.store_lanes(sum, lanes, s.add(s.load_lanes(sum, lanes), g));
                s.store_lanes(product, lanes, s.fma(g, x, s.load_lanes(product, lanes)));
            }
            c += S::LANES;
        }
    }
}

struct FinishJob<'a> {
    x: &'a [f32],
    dx: Shared<'a>,
    channels: usize,
    /// Mean, factor, slope, constant, each `[channels]`.
    factors: &'a [f32],
}

isa_entry! {
    unsafe fn finish_run(job: &FinishJob<'_>) = finish_body;
}

/// `dx = factor g + slope (x - mean) + constant`.
#[inline(always)]
unsafe fn finish_body<S: Simd>(s: S, job: &FinishJob<'_>) {
    for pixel in 0..job.x.len() / job.channels {
        let mut c = 0;
        while c < job.channels {
            let lanes = S::LANES.min(job.channels - c);
            let at = pixel * job.channels + c;
            // SAFETY: `lanes` channels from `c` on exist in every row.
            unsafe {
                let factors = job.factors.as_ptr().add(c);
                let x = s.sub(s.load_lanes(job.x.as_ptr().add(at), lanes), s.load_lanes(factors, lanes));
                let factor = s.load_lanes(factors.add(job.channels), lanes);
                let slope = s.load_lanes(factors.add(2 * job.channels), lanes);
                let constant = s.load_lanes(factors.add(3 * job.channels), lanes);
                let to = job.dx.pointer().add(at);
                let dx = s.fma(s.load_lanes(to, lanes), factor, s.fma(slope, x, constant));
                s.store_lanes(to, lanes, dx);
            }
            c += S::LANES;
        }
    }
}
