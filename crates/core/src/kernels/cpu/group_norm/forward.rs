//! Forward pass.

use super::{Norm, NormShape, Pass, Statistics, with_channel_statistics};
use crate::kernels::cpu::buffers::Recycled;
use crate::kernels::cpu::parallel::Shared;
use crate::kernels::cpu::simd::{Simd, isa_entry};

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
    shape.run(&Forward {
        shape,
        x,
        norm,
        y: Shared::new(y),
        mean: Shared::new(mean),
        rstd: Shared::new(rstd),
        partial: Shared::new(&mut partial),
    });
}

struct Forward<'a> {
    shape: &'a NormShape,
    x: &'a [f32],
    norm: Norm<'a>,
    y: Shared<'a>,
    mean: Shared<'a>,
    rstd: Shared<'a>,
    partial: Shared<'a>,
}

impl Forward<'_> {
    fn first_pixel(&self, image: usize) -> &[f32] {
        &self.x[image * self.shape.image()..][..self.shape.channels]
    }
}

impl Pass for Forward<'_> {
    fn sum(&self, image: usize, run: usize) {
        let x = &self.x[self.shape.span(image, run)];
        // SAFETY: the run's own sums; every slice has rows of `channels`.
        unsafe {
            let sums = self.partial.range(self.shape.partial_run(image, run));
            sum_run(&SumJob { x, first: self.first_pixel(image), sums: Shared::new(sums) });
        }
    }

    fn finish(&self, image: usize) {
        let groups = self.shape.image_groups(image);
        // SAFETY: the image's own statistics and sums.
        let (mean, rstd) = unsafe { (self.mean.range(groups.clone()), self.rstd.range(groups)) };
        let partial = unsafe { self.partial.read(self.shape.partial_image(image)) };
        for group in 0..self.shape.groups {
            (mean[group], rstd[group]) =
                group_statistics(self.shape, partial, self.first_pixel(image), group, self.norm.epsilon);
        }
    }

    fn apply(&self, image: usize, run: usize) {
        let groups = self.shape.image_groups(image);
        let span = self.shape.span(image, run);
        // SAFETY: the run's own output; the statistics are written.
        let statistics = unsafe { Statistics { mean: self.mean.read(groups.clone()), rstd: self.rstd.read(groups) } };
        let y = Shared::new(unsafe { self.y.range(span.clone()) });
        let job = ApplyJob { x: &self.x[span], y, channels: self.shape.channels, norm: self.norm };
        with_channel_statistics(self.shape, statistics, |mean, rstd| {
            // SAFETY: every slice has rows of `channels`.
            unsafe { apply_run((&job, mean, rstd)) };
        });
    }
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
