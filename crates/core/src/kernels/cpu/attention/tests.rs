//! Forward and backward against double precision.

use super::*;
use crate::kernels::cpu::Isa;
use crate::kernels::cpu::reference::{Noise, assert_close, with_threads};

/// `o`, `dq`, `dk`, `dv` by the definition.
fn reference(shape: &AttentionShape, q: &[f32], k: &[f32], v: &[f32], dy: &[f32]) -> [Vec<f64>; 4] {
    let AttentionShape { batch, queries, keys, heads, dim } = *shape;
    let (channels, scale) = (heads * dim, 1.0 / (dim as f64).sqrt());
    let [mut o, mut dq, mut dk, mut dv] = [q.len(), q.len(), k.len(), k.len()].map(|len| vec![0.0; len]);
    for (n, head) in (0..batch).flat_map(|n| (0..heads).map(move |h| (n, h))) {
        for i in 0..queries {
            let qi = (n * queries + i) * channels + head * dim;
            let kj = |j: usize| (n * keys + j) * channels + head * dim;
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| a as f64 * b as f64).sum::<f64>();
            let mut p: Vec<f64> = (0..keys).map(|j| scale * dot(&q[qi..qi + dim], &k[kj(j)..kj(j) + dim])).collect();
            let maximum = p.iter().fold(f64::NEG_INFINITY, |m, &x| m.max(x));
            p.iter_mut().for_each(|x| *x = (*x - maximum).exp());
            let sum: f64 = p.iter().sum();
            p.iter_mut().for_each(|x| *x /= sum);
            let dp: Vec<f64> = (0..keys).map(|j| dot(&dy[qi..qi + dim], &v[kj(j)..kj(j) + dim])).collect();
            let delta: f64 = p.iter().zip(&dp).map(|(p, dp)| p * dp).sum();
            for j in 0..keys {
                let ds = p[j] * (dp[j] - delta) * scale;
                for e in 0..dim {
                    o[qi + e] += p[j] * v[kj(j) + e] as f64;
                    dq[qi + e] += ds * k[kj(j) + e] as f64;
                    dk[kj(j) + e] += ds * q[qi + e] as f64;
                    dv[kj(j) + e] += p[j] * dy[qi + e] as f64;
                }
            }
        }
    }
    [o, dq, dk, dv]
}

fn run(shape: &AttentionShape, q: &[f32], k: &[f32], v: &[f32], dy: &[f32]) -> [Vec<f32>; 4] {
    let (mut o, mut logsumexp) = (vec![f32::NAN; q.len()], vec![f32::NAN; shape.batch * shape.heads * shape.queries]);
    attention(shape, q, k, v, &mut o, &mut logsumexp);
    let [mut dq, mut dk, mut dv] = [q.len(), k.len(), k.len()].map(|len| vec![f32::NAN; len]);
    let gradients = AttentionGradients { q: &mut dq, k: &mut dk, v: &mut dv };
    attention_gradient(shape, [q, k, v], &o, &logsumexp, dy, gradients);
    [o, dq, dk, dv]
}

fn inputs(shape: &AttentionShape) -> [Vec<f32>; 4] {
    let mut noise = Noise::new(31);
    let channels = shape.heads * shape.dim;
    let (queries, keys) = (shape.batch * shape.queries * channels, shape.batch * shape.keys * channels);
    [noise.vec(queries), noise.vec(keys), noise.vec(keys), noise.vec(queries)]
}

#[test]
fn forward_and_backward() {
    let shapes = [
        (1, 1, 1, 1, 1),
        (2, 16, 16, 4, 8),
        (1, 64, 64, 3, 8),
        (3, 5, 7, 2, 3),
        (1, 300, 290, 1, 20),
        (1, 33, 17, 2, 64),
    ];
    Isa::for_each(|isa| {
        for (batch, queries, keys, heads, dim) in shapes {
            let shape = AttentionShape { batch, queries, keys, heads, dim };
            let [q, k, v, dy] = inputs(&shape);
            let (actual, expected) = (run(&shape, &q, &k, &v, &dy), reference(&shape, &q, &k, &v, &dy));
            for (name, (actual, expected)) in ["o", "dq", "dk", "dv"].iter().zip(actual.iter().zip(&expected)) {
                if keys > 1 || *name == "o" || *name == "dv" {
                    assert_close(actual, expected, 2e-6, &format!("{name} {shape:?} {isa:?}"));
                }
            }
        }
    });
}

/// Scores far beyond what the exponential can hold.
#[test]
fn large_scores() {
    let shape = AttentionShape { batch: 1, queries: 20, keys: 20, heads: 1, dim: 8 };
    let [q, k, v, dy] = inputs(&shape);
    let q: Vec<f32> = q.iter().map(|x| x * 1000.0).collect();
    let (actual, expected) = (run(&shape, &q, &k, &v, &dy), reference(&shape, &q, &k, &v, &dy));
    assert_close(&actual[0], &expected[0], 1e-3, "o");
    assert!(actual.iter().flatten().all(|x| x.is_finite()));
}

#[test]
fn threads_do_not_change_a_bit() {
    let shape = AttentionShape { batch: 1, queries: 600, keys: 600, heads: 2, dim: 8 };
    let [q, k, v, dy] = inputs(&shape);
    Isa::for_each(|_| {
        let [one, three] = [1, 3].map(|threads| with_threads(threads, || run(&shape, &q, &k, &v, &dy)));
        assert!(one == three);
    });
}
