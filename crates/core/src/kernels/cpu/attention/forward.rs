//! Forward pass, a block of queries at a time.

use core::ops::Range;

use super::AttentionShape;
use super::lanes::{self, Head};
use crate::kernels::cpu::parallel::{Shared, parallel_for, part, with_scratch};
use crate::kernels::cpu::simd::{ALIGN, Simd, isa_entry};

/// `o = softmax(q kᵀ / √dim) v` per head. Saves `logsumexp` `[batch][heads][queries]` for the backward pass.
pub fn attention(shape: &AttentionShape, q: &[f32], k: &[f32], v: &[f32], o: &mut [f32], logsumexp: &mut [f32]) {
    shape.assert(q, k, v, o, logsumexp);
    let (o, logsumexp) = (Shared::new(o), Shared::new(logsumexp));
    let parts = shape.parts(shape.queries);
    parallel_for(shape.batch * shape.heads * parts, |index| {
        let (image, head) = (index / parts / shape.heads, index / parts % shape.heads);
        let queries = part(index % parts, parts, shape.queries);
        let at = (image * shape.heads + head) * shape.queries;
        let job = Job {
            inputs: [q, k, v],
            query: shape.head(image, head, shape.queries),
            key: shape.head(image, head, shape.keys),
            scale: shape.scale(),
            o,
            // SAFETY: each job has its own queries of its own head.
            logsumexp: Shared::new(unsafe { logsumexp.range(at + queries.start..at + queries.end) }),
            queries,
        };
        // SAFETY: as above; the scratch has the length the job asks for.
        with_scratch(job.scratch_len(), |scratch| unsafe { run((&job, scratch)) });
    });
}

/// Some queries of one head.
struct Job<'a> {
    inputs: [&'a [f32]; 3],
    query: Head,
    key: Head,
    scale: f32,
    o: Shared<'a>,
    /// Those of the job's queries.
    logsumexp: Shared<'a>,
    queries: Range<usize>,
}

impl Job<'_> {
    fn scratch_len(&self) -> usize {
        let (queries, keys, dim) = (self.query.tokens, self.key.tokens, self.key.dim);
        (queries + 2 * keys) * dim + 2 * ALIGN * dim + ALIGN * keys
    }
}

isa_entry! {
    unsafe fn run(job: (&Job<'_>, *mut f32)) = body;
}

#[inline(always)]
unsafe fn body<S: Simd>(s: S, (job, scratch): (&Job<'_>, *mut f32)) {
    let (queries, keys, dim) = (job.query.tokens, job.key.tokens, job.key.dim);
    // SAFETY: the caller lends `scratch_len` floats.
    let scratch = unsafe { core::slice::from_raw_parts_mut(scratch, job.scratch_len()) };
    let (q, rest) = scratch.split_at_mut(queries * dim);
    let (k, rest) = rest.split_at_mut(keys * dim);
    let (v, rest) = rest.split_at_mut(keys * dim);
    let (columns, rest) = rest.split_at_mut(ALIGN * dim);
    let (output, scores) = rest.split_at_mut(ALIGN * dim);
    job.query.copy(job.inputs[0], job.scale, q);
    job.key.copy(job.inputs[1], 1.0, k);
    job.key.copy(job.inputs[2], 1.0, v);
    let mut first = job.queries.start;
    while first < job.queries.end {
        let last = job.queries.end.min(first + S::LANES);
        lanes::turn(q, dim, first..last, S::LANES, &mut columns[..dim * S::LANES]);
        // SAFETY: the blocks hold `dim` and `keys` vectors; the job's queries are its own.
        unsafe {
            lanes::scores(s, columns.as_ptr(), k.as_ptr(), (keys, dim), scores.as_mut_ptr());
            let (maximum, sum) = softmax_numerators(s, scores.as_mut_ptr(), keys);
            lanes::weighted(s, scores.as_ptr(), v.as_ptr(), (keys, dim), output.as_mut_ptr());
            for e in 0..dim {
                let at = output.as_mut_ptr().add(e * S::LANES);
                s.store(at, s.div(s.load(at), sum));
            }
            job.query.store(output, S::LANES, first..last, 1.0, job.o);
            let (mut maxima, mut sums) = ([0.0f32; ALIGN], [0.0f32; ALIGN]);
            s.store(maxima.as_mut_ptr(), maximum);
            s.store(sums.as_mut_ptr(), sum);
            let logsumexp = job.logsumexp.range(first - job.queries.start..last - job.queries.start);
            for lane in 0..logsumexp.len() {
                logsumexp[lane] = maxima[lane] + sums[lane].ln();
            }
        }
        first += S::LANES;
    }
}

/// Replaces each lane's scores by `e^(score - maximum)`; returns the maximum and the sum.
/// # Safety
/// `scores` must hold `count` vectors.
#[inline(always)]
unsafe fn softmax_numerators<S: Simd>(s: S, scores: *mut f32, count: usize) -> (S::V, S::V) {
    let mut maximum = s.splat(f32::NEG_INFINITY);
    // Four sums: shorter, so more exact, and independent of each other.
    let mut sums = [s.splat(0.0); 4];
    // SAFETY: the caller's promise.
    unsafe {
        for j in 0..count {
            maximum = s.max(s.load(scores.add(j * S::LANES)), maximum);
        }
        for j in 0..count {
            let at = scores.add(j * S::LANES);
            let numerator = s.exp(s.sub(s.load(at), maximum));
            s.store(at, numerator);
            sums[j % 4] = s.add(sums[j % 4], numerator);
        }
    }
    (maximum, s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])))
}
