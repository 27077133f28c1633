//! Group normalisation, with SiLU in the same pass: `y = f((x - mean) rstd γ + β)` per sample and group of channels
//! (Wu and He 2018, arXiv:1803.08494), population variance, `f` the identity or `silu(z) = z σ(z)`.
//!
//! Sums run over runs of pixels in single precision and are combined in double. Squares are taken of the difference from the
//! first pixel, so that a large mean costs no digits.

mod backward;
mod forward;

pub use backward::{NormGradients, group_norm_gradient};
pub use forward::group_norm;

use super::buffers::Recycled;
use super::parallel::parallel_for;

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

/// The steps of a pass over a batch. Jobs have a run or an image of their own; a later step only reads what an earlier one wrote.
trait Pass: Sync {
    /// Sums over a run of pixels.
    fn sum(&self, image: usize, run: usize);
    /// What follows from the sums over an image.
    fn finish(&self, image: usize);
    /// The results of a run.
    fn apply(&self, image: usize, run: usize);
}

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

    /// Runs the steps of a pass in order: [`Pass::sum`] for every run, [`Pass::finish`] for every image, [`Pass::apply`] for every run.
    fn run<P: Pass>(&self, pass: &P) {
        let runs = self.runs();
        if self.batch >= IMAGES {
            parallel_for(self.batch, |image| {
                (0..runs).for_each(|run| pass.sum(image, run));
                pass.finish(image);
                (0..runs).for_each(|run| pass.apply(image, run));
            });
        } else {
            parallel_for(self.batch * runs, |i| pass.sum(i / runs, i % runs));
            parallel_for(self.batch, |image| pass.finish(image));
            parallel_for(self.batch * runs, |i| pass.apply(i / runs, i % runs));
        }
    }

    /// The groups of an image.
    fn image_groups(&self, image: usize) -> core::ops::Range<usize> {
        image * self.groups..(image + 1) * self.groups
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

#[cfg(test)]
mod tests;
