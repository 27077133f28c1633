//! Group normalisation, with SiLU in the same pass: `y = f((x - mean) rstd γ + β)` per sample and group of channels
//! (Wu and He 2018, arXiv:1803.08494), population variance, `f` the identity or `silu(z) = z σ(z)`.
//!
//! Sums run over runs of pixels in single precision and are combined in double. Squares are taken of the difference from the
//! first pixel, so that a large mean costs no digits.

use super::buffers::Recycled;
use super::parallel::{Shared, parallel_for};
use super::simd::{Simd, isa_entry};

/// NHWC extents; `groups` divides `channels`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NormShape {
    pub batch: usize,
    pub pixels: usize,
    pub channels: usize,
    pub groups: usize,
}

/// The layer's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    pub gamma: &'a [f32],
    pub beta: &'a [f32],
    pub epsilon: f32,
    pub silu: bool,
}

/// Mean and reciprocal standard deviation, `[batch][groups]` each.
#[derive(Clone, Copy, Debug)]
pub struct Statistics<'a> {
    pub mean: &'a [f32],
    pub rstd: &'a [f32],
}

/// Pixels summed in single precision before double takes over.
const RUN: usize = 64;
/// From this batch on one job does all of an image, which then stays in its second-level cache.
const IMAGES: usize = 8;

impl NormShape {
    fn image(&self) -> usize {
        self.pixels * self.channels
    }

    fn runs(&self) -> usize {
        self.pixels.div_ceil(RUN)
    }

    fn per_group(&self) -> usize {
        self.channels / self.groups
    }

    fn assert(&self, norm: &Norm, x: &[f32]) {
        assert!(self.groups > 0 && self.channels.is_multiple_of(self.groups), "groups must divide channels");
        assert_eq!(x.len(), self.batch * self.image(), "group norm input");
        assert_eq!((norm.gamma.len(), norm.beta.len()), (self.channels, self.channels), "group norm parameters");
    }

    /// Runs the three steps of a pass: `run(image, run)` for every run of pixels, `finish(image)`, `apply(image, run)`.
    fn three_steps(
        &self,
        run: impl Fn(usize, usize) + Sync + Send,
        finish: impl Fn(usize) + Sync + Send,
        apply: impl Fn(usize, usize) + Sync + Send,
    ) {
        let runs = self.runs();
        if self.batch >= IMAGES {
            parallel_for(self.batch, |image| {
                (0..runs).for_each(|i| run(image, i));
                finish(image);
                (0..runs).for_each(|i| apply(image, i));
            });
        } else {
            parallel_for(self.batch * runs, |i| run(i / runs, i % runs));
            parallel_for(self.batch, finish);
            parallel_for(self.batch * runs, |i| apply(i / runs, i % runs));
        }
    }

    /// The part of an image's data that a run covers.
    fn span(&self, image: usize, run: usize) -> core::ops::Range<usize> {
        let (first, last) = (run * RUN, self.pixels.min((run + 1) * RUN));
        image * self.image() + first * self.channels..image * self.image() + last * self.channels
    }

    /// Floats of the partial sums: two per channel and run.
    fn partial(&self) -> usize {
        self.batch * self.runs() * 2 * self.channels
    }

    /// The partial sums of an image.
    fn partial_image(&self, image: usize) -> core::ops::Range<usize> {
        let len = self.runs() * 2 * self.channels;
        image * len..(image + 1) * len
    }

    /// The partial sums of a run: both sums of every channel.
    fn partial_run(&self, image: usize, run: usize) -> core::ops::Range<usize> {
        let at = (image * self.runs() + run) * 2 * self.channels;
        at..at + 2 * self.channels
    }

    /// Both sums of a channel over the runs of an image.
    fn combine(&self, partial: &[f32], channel: usize) -> [f64; 2] {
        let mut sums = [0.0; 2];
        for run in partial.chunks_exact(2 * self.channels) {
            sums[0] += run[channel] as f64;
            sums[1] += run[self.channels + channel] as f64;
        }
        sums
    }
}

/// Group normalisation of `x` into `y`; writes the statistics `[batch][groups]` for the backward pass.
pub fn group_norm(shape: &NormShape, x: &[f32], norm: Norm, y: &mut [f32], mean: &mut [f32], rstd: &mut [f32]) {
    shape.assert(&norm, x);
    assert_eq!(y.len(), x.len(), "group norm output");
    assert_eq!(
        (mean.len(), rstd.len()),
        (shape.batch * shape.groups, shape.batch * shape.groups),
        "group norm statistics"
    );
    let mut partial = Recycled::for_overwrite(shape.partial());
    let (y, mean, rstd, partial) = (Shared::new(y), Shared::new(mean), Shared::new(rstd), Shared::new(&mut partial));
    let groups = |image: usize| image * shape.groups..(image + 1) * shape.groups;
    // SAFETY of the ranges below: jobs have their own run or image; a later step only reads what an earlier one wrote.
    shape.three_steps(
        |image, run| {
            let first = &x[image * shape.image()..][..shape.channels];
            let sums = unsafe { partial.range(shape.partial_run(image, run)) };
            // SAFETY: every slice has rows of `channels`.
            unsafe { sum_run(&SumJob { x: &x[shape.span(image, run)], first, sums: Shared::new(sums) }) };
        },
        |image| {
            let (mean, rstd) = unsafe { (mean.range(groups(image)), rstd.range(groups(image))) };
            let partial = unsafe { partial.read(shape.partial_image(image)) };
            let first = &x[image * shape.image()..][..shape.channels];
            for group in 0..shape.groups {
                (mean[group], rstd[group]) = group_statistics(shape, partial, first, group, norm.epsilon);
            }
        },
        |image, run| {
            let statistics = unsafe { Statistics { mean: mean.read(groups(image)), rstd: rstd.read(groups(image)) } };
            let y = unsafe { y.range(shape.span(image, run)) };
            let job = ApplyJob { x: &x[shape.span(image, run)], y: Shared::new(y), channels: shape.channels, norm };
            with_channel_statistics(shape, statistics, |channel_mean, channel_rstd| {
                // SAFETY: every slice has rows of `channels`.
                unsafe { apply_run((&job, channel_mean, channel_rstd)) };
            });
        },
    );
}

/// Mean and `1 / √(variance + ε)` of a group from sums of differences from `first`, joined channel by channel
/// (Chan, Golub and LeVeque 1979).
fn group_statistics(shape: &NormShape, partial: &[f32], first: &[f32], group: usize, epsilon: f32) -> (f32, f32) {
    let pixels = shape.pixels as f64;
    let (mut mean, mut squares, mut count) = (0.0, 0.0, 0.0);
    for channel in group * shape.per_group()..(group + 1) * shape.per_group() {
        let [sum, sum_of_squares] = shape.combine(partial, channel);
        let difference = first[channel] as f64 + sum / pixels - mean;
        squares += sum_of_squares - sum * sum / pixels + difference * difference * count * pixels / (count + pixels);
        count += pixels;
        mean += difference * pixels / count;
    }
    (mean as f32, (1.0 / (squares.max(0.0) / count + epsilon as f64).sqrt()) as f32)
}

/// Calls `body` with the statistics of one image repeated for each channel.
fn with_channel_statistics(shape: &NormShape, statistics: Statistics, body: impl FnOnce(&[f32], &[f32])) {
    let mut spread = Recycled::for_overwrite(2 * shape.channels);
    let (mean, rstd) = spread.split_at_mut(shape.channels);
    for (group, (mean, rstd)) in
        mean.chunks_exact_mut(shape.per_group()).zip(rstd.chunks_exact_mut(shape.per_group())).enumerate()
    {
        mean.fill(statistics.mean[group]);
        rstd.fill(statistics.rstd[group]);
    }
    body(mean, rstd);
}

/// Sums of `x - first` and of its squares, per channel.
struct SumJob<'a> {
    x: &'a [f32],
    first: &'a [f32],
    sums: Shared<'a>,
}

isa_entry! {
    unsafe fn sum_run(job: &SumJob<'_>) = sum_body;
}

#[inline(always)]
unsafe fn sum_body<S: Simd>(s: S, job: &SumJob<'_>) {
    let channels = job.first.len();
    let mut c = 0;
    // SAFETY: `c` and the lanes stay below `channels`, the length of every row.
    unsafe {
        while c + 4 * S::LANES <= channels {
            sum_columns::<S, 4>(s, job, c, S::LANES);
            c += 4 * S::LANES;
        }
        while c < channels {
            sum_columns::<S, 1>(s, job, c, S::LANES.min(channels - c));
            c += S::LANES;
        }
    }
}

/// `VECTORS` vectors of channels from `c` on.
/// # Safety
/// The channels must exist.
#[inline(always)]
unsafe fn sum_columns<S: Simd, const VECTORS: usize>(s: S, job: &SumJob<'_>, c: usize, lanes: usize) {
    let channels = job.first.len();
    let mut first = [s.splat(0.0); VECTORS];
    let (mut sums, mut squares) = (first, first);
    // SAFETY: the caller's promise.
    unsafe {
        for j in 0..VECTORS {
            first[j] = s.load_lanes(job.first.as_ptr().add(c + j * S::LANES), lanes);
        }
        for pixel in 0..job.x.len() / channels {
            for j in 0..VECTORS {
                let x = s.load_lanes(job.x.as_ptr().add(pixel * channels + c + j * S::LANES), lanes);
                let difference = s.sub(x, first[j]);
                sums[j] = s.add(sums[j], difference);
                squares[j] = s.fma(difference, difference, squares[j]);
            }
        }
        for j in 0..VECTORS {
            let to = job.sums.pointer().add(c + j * S::LANES);
            s.store_lanes(to, lanes, sums[j]);
            s.store_lanes(to.add(channels), lanes, squares[j]);
        }
    }
}

struct ApplyJob<'a> {
    x: &'a [f32],
    y: Shared<'a>,
    channels: usize,
    norm: Norm<'a>,
}

isa_entry! {
    unsafe fn apply_run(job: (&ApplyJob<'_>, &[f32], &[f32])) = apply_body;
}

#[inline(always)]
unsafe fn apply_body<S: Simd>(s: S, (job, mean, rstd): (&ApplyJob<'_>, &[f32], &[f32])) {
    for pixel in 0..job.x.len() / job.channels {
        let mut c = 0;
        while c < job.channels {
            let lanes = S::LANES.min(job.channels - c);
            let at = pixel * job.channels + c;
            // SAFETY: `lanes` channels from `c` on exist in every row.
            unsafe {
                let x = s.sub(s.load_lanes(job.x.as_ptr().add(at), lanes), s.load_lanes(mean.as_ptr().add(c), lanes));
                let x = s.mul(x, s.load_lanes(rstd.as_ptr().add(c), lanes));
                let (gamma, beta) = (job.norm.gamma.as_ptr().add(c), job.norm.beta.as_ptr().add(c));
                let mut z = s.fma(x, s.load_lanes(gamma, lanes), s.load_lanes(beta, lanes));
                if job.norm.silu {
                    z = s.mul(z, s.sigmoid(z));
                }
                s.store_lanes(job.y.pointer().add(at), lanes, z);
            }
            c += S::LANES;
        }
    }
}

/// Gradients a backward pass writes.
pub struct NormGradients<'a> {
    pub x: &'a mut [f32],
    pub gamma: &'a mut [f32],
    pub beta: &'a mut [f32],
}

/// Backward pass of [`group_norm`]. With `x̂ = (x - mean) rstd`, `z = γ x̂ + β`, `g = dy f'(z)`, and sums over a group of m elements:
/// `dx = rstd (γ g - (Σ γ g + x̂ Σ γ g x̂) / m)`, `dγ = Σ g x̂`, `dβ = Σ g`. Recomputes `x̂` and `z`.
pub fn group_norm_gradient(
    shape: &NormShape,
    x: &[f32],
    norm: Norm,
    statistics: Statistics,
    dy: &[f32],
    gradients: NormGradients,
) {
    shape.assert(&norm, x);
    assert_eq!((dy.len(), gradients.x.len()), (x.len(), x.len()), "group norm gradients");
    assert_eq!((gradients.gamma.len(), gradients.beta.len()), (shape.channels, shape.channels), "group norm gradients");
    let (channels, groups) = (shape.channels, shape.groups);
    assert_eq!(
        (statistics.mean.len(), statistics.rstd.len()),
        (shape.batch * groups, shape.batch * groups),
        "statistics"
    );
    let mut partial = Recycled::for_overwrite(shape.partial());
    // Per image: mean, then the factors of g and of x - mean, and the constant, each per channel.
    let mut factors = Recycled::for_overwrite(shape.batch * 4 * channels);
    // Per image: Σ g and Σ g x̂ per channel.
    let mut sums = Recycled::for_overwrite(shape.batch * 2 * channels);
    let dx = Shared::new(gradients.x);
    {
        let (partial, factors, sums) = (Shared::new(&mut partial), Shared::new(&mut factors), Shared::new(&mut sums));
        // SAFETY of the ranges below: jobs have their own run or image; a later step only reads what an earlier one wrote.
        shape.three_steps(
            |image, run| {
                let span = shape.span(image, run);
                let statistics = Statistics {
                    mean: &statistics.mean[image * groups..(image + 1) * groups],
                    rstd: &statistics.rstd[image * groups..(image + 1) * groups],
                };
                let sums = unsafe { partial.range(shape.partial_run(image, run)) };
                sums.fill(0.0);
                let job = GradientJob {
                    x: &x[span.clone()],
                    dy: &dy[span.clone()],
                    dx: Shared::new(unsafe { dx.range(span) }),
                    channels,
                    norm,
                    sums: Shared::new(sums),
                };
                with_channel_statistics(shape, statistics, |mean, rstd| {
                    // SAFETY: every slice has rows of `channels`.
                    unsafe { gradient_run((&job, mean, rstd)) };
                });
            },
            |image| {
                let partial = unsafe { partial.read(shape.partial_image(image)) };
                let factors = unsafe { factors.range(image * 4 * channels..(image + 1) * 4 * channels) };
                let sums = unsafe { sums.range(image * 2 * channels..(image + 1) * 2 * channels) };
                image_factors(shape, partial, norm.gamma, statistics, image, sums, factors);
            },
            |image, run| {
                let span = shape.span(image, run);
                let factors = unsafe { factors.read(image * 4 * channels..(image + 1) * 4 * channels) };
                let job =
                    FinishJob { x: &x[span.clone()], dx: Shared::new(unsafe { dx.range(span) }), channels, factors };
                // SAFETY: every slice has rows of `channels`.
                unsafe { finish_run(&job) };
            },
        );
    }
    for (c, (gamma, beta)) in gradients.gamma.iter_mut().zip(gradients.beta).enumerate() {
        let mut total = [0.0f64; 2];
        for image in sums.chunks_exact(2 * channels) {
            total[0] += image[c] as f64;
            total[1] += image[channels + c] as f64;
        }
        (*beta, *gamma) = (total[0] as f32, total[1] as f32);
    }
}

/// From the sums of an image's runs: `Σ g` and `Σ g x̂` per channel, and the factors of
/// `dx = factor g + slope (x - mean) + constant`.
fn image_factors(
    shape: &NormShape,
    partial: &[f32],
    gamma: &[f32],
    statistics: Statistics,
    image: usize,
    sums: &mut [f32],
    factors: &mut [f32],
) {
    let (channels, per_group) = (shape.channels, shape.per_group());
    let count = (shape.pixels * per_group) as f64;
    for group in 0..shape.groups {
        let rstd = statistics.rstd[image * shape.groups + group];
        let (mut sum, mut product) = (0.0, 0.0);
        for c in group * per_group..(group + 1) * per_group {
            let [g, g_x] = shape.combine(partial, c);
            (sums[c], sums[channels + c]) = (g as f32, g_x as f32);
            sum += gamma[c] as f64 * g;
            product += gamma[c] as f64 * g_x;
        }
        let rstd_64 = rstd as f64;
        for c in group * per_group..(group + 1) * per_group {
            factors[c] = statistics.mean[image * shape.groups + group];
            factors[channels + c] = gamma[c] * rstd;
            factors[2 * channels + c] = (-rstd_64 * rstd_64 * product / count) as f32;
            factors[3 * channels + c] = (-rstd_64 * sum / count) as f32;
        }
    }
}

struct GradientJob<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    /// Holds `g` until [`FinishJob`].
    dx: Shared<'a>,
    channels: usize,
    norm: Norm<'a>,
    sums: Shared<'a>,
}

isa_entry! {
    unsafe fn gradient_run(job: (&GradientJob<'_>, &[f32], &[f32])) = gradient_body;
}

/// `g = dy f'(z)` into `dx`, and its sums. Pixel by pixel, so that memory is read in order; the sums stay in the
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
                let mut g = s.load_lanes(job.dy.as_ptr().add(at), lanes);
                if job.norm.silu {
                    let (gamma, beta) = (job.norm.gamma.as_ptr().add(c), job.norm.beta.as_ptr().add(c));
                    let z = s.fma(x, s.load_lanes(gamma, lanes), s.load_lanes(beta, lanes));
                    g = s.mul(g, s.silu_derivative(z));
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

#[cfg(test)]
mod tests;
