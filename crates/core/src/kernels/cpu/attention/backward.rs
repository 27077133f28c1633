//! Backward pass: with `p = softmax(q kᵀ / √d)` computed again from the saved logarithms and `δ_i = do_i · o_i`,
//! `ds = p ⊙ (do vᵀ - δ)`, `dq = ds k / √d`, `dk = dsᵀ q / √d`, `dv = pᵀ do` (Dao et al. 2022, arXiv:2205.14135, appendix B).
//!
//! Twice over the scores: one lane per query for `dq`, one lane per key for `dk` and `dv`. Each sum then runs down a lane.

use core::ops::Range;

use super::AttentionShape;
use super::lanes::{self, Head};
use crate::kernels::cpu::parallel::{Shared, parallel_for, part, with_scratch};
use crate::kernels::cpu::simd::{ALIGN, Simd, isa_entry};

/// What the backward pass writes.
pub struct AttentionGradients<'a> {
    pub q: &'a mut [f32],
    pub k: &'a mut [f32],
    pub v: &'a mut [f32],
}

/// Gradients of [`attention`](super::attention) from its inputs, its results `o` and `logsumexp`, and `dy`, the gradient of `o`.
pub fn attention_gradient(
    shape: &AttentionShape,
    [q, k, v]: [&[f32]; 3],
    o: &[f32],
    logsumexp: &[f32],
    dy: &[f32],
    gradients: AttentionGradients,
) {
    shape.assert(q, k, v, o, logsumexp);
    assert_eq!((dy.len(), gradients.q.len()), (q.len(), q.len()), "attention gradients");
    assert_eq!((gradients.k.len(), gradients.v.len()), (k.len(), k.len()), "attention gradients");
    let gradients = [Shared::new(gradients.q), Shared::new(gradients.k), Shared::new(gradients.v)];
    let parts = shape.parts(shape.queries.max(shape.keys));
    parallel_for(shape.batch * shape.heads * parts, |index| {
        let (image, head) = (index / parts / shape.heads, index / parts % shape.heads);
        let at = (image * shape.heads + head) * shape.queries;
        let job = Job {
            inputs: [q, k, v, o, dy],
            logsumexp: &logsumexp[at..at + shape.queries],
            query: shape.head(image, head, shape.queries),
            key: shape.head(image, head, shape.keys),
            scale: shape.scale(),
            gradients,
            queries: part(index % parts, parts, shape.queries),
            keys: part(index % parts, parts, shape.keys),
        };
        // SAFETY: each job has its own queries and keys of its own head; the scratch has the length the job asks for.
        with_scratch(job.scratch_len(), |scratch| unsafe { run((&job, scratch)) });
    });
}

/// Some queries and some keys of one head.
struct Job<'a> {
    inputs: [&'a [f32]; 5],
    logsumexp: &'a [f32],
    query: Head,
    key: Head,
    scale: f32,
    gradients: [Shared<'a>; 3],
    queries: Range<usize>,
    keys: Range<usize>,
}

impl Job<'_> {
    fn scratch_len(&self) -> usize {
        let (queries, keys, dim) = (self.query.tokens, self.key.tokens, self.key.dim);
        (2 * queries + 2 * keys) * dim + queries + 4 * ALIGN * dim + 2 * ALIGN * queries.max(keys)
    }
}

/// The job's head copied together, and room to work.
struct Workspace<'a> {
    /// `[tokens][dim]`; the queries times the scale.
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    dy: &'a [f32],
    /// `δ` per query.
    delta: &'a [f32],
    /// Two inputs and two outputs of [`lanes`], `[dim][lane]`.
    columns: [&'a mut [f32]; 4],
    /// `p` and `ds`, `[token][lane]`.
    p: &'a mut [f32],
    ds: &'a mut [f32],
}

impl<'a> Workspace<'a> {
    /// # Safety
    /// `scratch` must hold `job.scratch_len()` floats.
    unsafe fn new(job: &Job, scratch: *mut f32) -> Self {
        let (queries, keys, dim) = (job.query.tokens, job.key.tokens, job.key.dim);
        // SAFETY: the caller's promise.
        let mut rest = unsafe { core::slice::from_raw_parts_mut(scratch, job.scratch_len()) };
        let [q, dy, k, v, delta, a, b, c, d, p] = [
            queries * dim,
            queries * dim,
            keys * dim,
            keys * dim,
            queries,
            ALIGN * dim,
            ALIGN * dim,
            ALIGN * dim,
            ALIGN * dim,
            ALIGN * queries.max(keys),
        ]
        .map(|len| {
            let (taken, left) = core::mem::take(&mut rest).split_at_mut(len);
            rest = left;
            taken
        });
        job.query.copy(job.inputs[3], 1.0, q);
        job.query.copy(job.inputs[4], 1.0, dy);
        for (i, delta) in delta.iter_mut().enumerate() {
            let products = dy[i * dim..(i + 1) * dim].iter().zip(&q[i * dim..(i + 1) * dim]).map(|(dy, o)| dy * o);
            *delta = products.sum();
        }
        job.query.copy(job.inputs[0], job.scale, q);
        job.key.copy(job.inputs[1], 1.0, k);
        job.key.copy(job.inputs[2], 1.0, v);
        Workspace { q, k, v, dy, delta, columns: [a, b, c, d], p, ds: rest }
    }
}

isa_entry! {
    unsafe fn run(job: (&Job<'_>, *mut f32)) = body;
}

#[inline(always)]
unsafe fn body<S: Simd>(s: S, (job, scratch): (&Job<'_>, *mut f32)) {
    // SAFETY: the caller lends the scratch and leaves the job's queries and keys to it.
    unsafe {
        let mut work = Workspace::new(job, scratch);
        let mut first = job.queries.start;
        while first < job.queries.end {
            query_gradient(s, job, &mut work, first..job.queries.end.min(first + S::LANES));
            first += S::LANES;
        }
        let mut first = job.keys.start;
        while first < job.keys.end {
            key_gradients(s, job, &mut work, first..job.keys.end.min(first + S::LANES));
            first += S::LANES;
        }
    }
}

/// `dq` of one block of queries.
/// # Safety
/// The block must be the job's own.
#[inline(always)]
unsafe fn query_gradient<S: Simd>(s: S, job: &Job, work: &mut Workspace, block: Range<usize>) {
    let (keys, dim) = (job.key.tokens, job.key.dim);
    let [q, dy, dq, _] = &mut work.columns;
    lanes::turn(work.q, dim, block.start..block.end, S::LANES, &mut q[..dim * S::LANES]);
    lanes::turn(work.dy, dim, block.start..block.end, S::LANES, &mut dy[..dim * S::LANES]);
    // SAFETY: the blocks hold `dim` and `keys` vectors, the slices read the block's lanes.
    unsafe {
        let logsumexp = s.load_lanes(job.logsumexp.as_ptr().add(block.start), block.end - block.start);
        let delta = s.load_lanes(work.delta.as_ptr().add(block.start), block.end - block.start);
        lanes::scores(s, q.as_ptr(), work.k.as_ptr(), (keys, dim), work.p.as_mut_ptr());
        lanes::scores(s, dy.as_ptr(), work.v.as_ptr(), (keys, dim), work.ds.as_mut_ptr());
        for j in 0..keys {
            let at = j * S::LANES;
            let p = s.exp(s.sub(s.load(work.p.as_ptr().add(at)), logsumexp));
            let ds = s.mul(p, s.sub(s.load(work.ds.as_ptr().add(at)), delta));
            s.store(work.ds.as_mut_ptr().add(at), ds);
        }
        lanes::weighted(s, work.ds.as_ptr(), work.k.as_ptr(), (keys, dim), dq.as_mut_ptr());
        job.query.store(dq, S::LANES, block, job.scale, job.gradients[0]);
    }
}

/// `dk` and `dv` of one block of keys.
/// # Safety
/// The block must be the job's own.
#[inline(always)]
unsafe fn key_gradients<S: Simd>(s: S, job: &Job, work: &mut Workspace, block: Range<usize>) {
    let (queries, dim) = (job.query.tokens, job.key.dim);
    let [k, v, dk, dv] = &mut work.columns;
    lanes::turn(work.k, dim, block.start..block.end, S::LANES, &mut k[..dim * S::LANES]);
    lanes::turn(work.v, dim, block.start..block.end, S::LANES, &mut v[..dim * S::LANES]);
    // SAFETY: the blocks hold `dim` and `queries` vectors.
    unsafe {
        lanes::scores(s, k.as_ptr(), work.q.as_ptr(), (queries, dim), work.p.as_mut_ptr());
        lanes::scores(s, v.as_ptr(), work.dy.as_ptr(), (queries, dim), work.ds.as_mut_ptr());
        for i in 0..queries {
            let at = i * S::LANES;
            let p = s.exp(s.sub(s.load(work.p.as_ptr().add(at)), s.splat(job.logsumexp[i])));
            let ds = s.mul(p, s.sub(s.load(work.ds.as_ptr().add(at)), s.splat(work.delta[i])));
            s.store(work.p.as_mut_ptr().add(at), p);
            s.store(work.ds.as_mut_ptr().add(at), ds);
        }
        // The copy of the queries already holds the scale.
        lanes::weighted(s, work.ds.as_ptr(), work.q.as_ptr(), (queries, dim), dk.as_mut_ptr());
        lanes::weighted(s, work.p.as_ptr(), work.dy.as_ptr(), (queries, dim), dv.as_mut_ptr());
        job.key.store(dk, S::LANES, block.start..block.end, 1.0, job.gradients[1]);
        job.key.store(dv, S::LANES, block, 1.0, job.gradients[2]);
    }
}
