//! Forward and backward against double precision.

use super::*;
use crate::kernels::cpu::Isa;
use crate::kernels::cpu::reference::{Noise, assert_close, with_threads};

struct Expected {
    y: Vec<f64>,
    dx: Vec<f64>,
    dgamma: Vec<f64>,
    dbeta: Vec<f64>,
}

/// Group norm as its definition has it, in double precision.
fn reference(shape: &NormShape, x: &[f32], norm: Norm, dy: &[f32]) -> Expected {
    let (pixels, channels, per_group) = (shape.pixels, shape.channels, shape.channels / shape.groups);
    let (mut y, mut dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    let (mut dgamma, mut dbeta) = (vec![0.0; channels], vec![0.0; channels]);
    for (n, group) in (0..shape.batch).flat_map(|n| (0..shape.groups).map(move |g| (n, g))) {
        let members: Vec<(usize, usize)> = (0..pixels)
            .flat_map(|p| {
                (group * per_group..(group + 1) * per_group).map(move |c| ((n * pixels + p) * channels + c, c))
            })
            .collect();
        let count = members.len() as f64;
        let mean = members.iter().map(|&(i, _)| x[i] as f64).sum::<f64>() / count;
        let variance = members.iter().map(|&(i, _)| (x[i] as f64 - mean).powi(2)).sum::<f64>() / count;
        let rstd = 1.0 / (variance + norm.epsilon as f64).sqrt();
        let (mut sum, mut product) = (0.0, 0.0);
        for &(i, c) in &members {
            let hat = (x[i] as f64 - mean) * rstd;
            let z = hat * norm.gamma[c] as f64 + norm.beta[c] as f64;
            let sigmoid = 1.0 / (1.0 + (-z).exp());
            let (f, derivative) =
                if norm.silu { (z * sigmoid, sigmoid * (1.0 + z * (1.0 - sigmoid))) } else { (z, 1.0) };
            y[i] = f;
            let g = dy[i] as f64 * derivative;
            dgamma[c] += g * hat;
            dbeta[c] += g;
            dx[i] = g * norm.gamma[c] as f64;
            sum += dx[i];
            product += dx[i] * hat;
        }
        for &(i, _) in &members {
            dx[i] = rstd * (dx[i] - (sum + (x[i] as f64 - mean) * rstd * product) / count);
        }
    }
    Expected { y, dx, dgamma, dbeta }
}

struct Actual {
    y: Vec<f32>,
    dx: Vec<f32>,
    dgamma: Vec<f32>,
    dbeta: Vec<f32>,
}

fn run(shape: &NormShape, x: &[f32], norm: Norm, dy: &[f32]) -> Actual {
    let statistics = shape.batch * shape.groups;
    let (mut y, mut mean, mut rstd) = (vec![f32::NAN; x.len()], vec![f32::NAN; statistics], vec![f32::NAN; statistics]);
    group_norm(shape, x, norm, &mut y, &mut mean, &mut rstd);
    let (mut dx, mut dgamma, mut dbeta) = (dy.to_vec(), vec![0.0; shape.channels], vec![0.0; shape.channels]);
    let mut again = vec![f32::NAN; x.len()];
    let gradients = NormGradients { x: &mut dx, gamma: &mut dgamma, beta: &mut dbeta, output: Some(&mut again) };
    group_norm_gradient(shape, x, norm, Statistics { mean: &mean, rstd: &rstd }, gradients);
    assert!(y == again, "the output made again is another");
    Actual { y, dx, dgamma, dbeta }
}

#[test]
fn forward_and_backward() {
    let shapes = [
        (1, 5, 4, 2),
        (2, 9, 6, 3),
        (1, 64, 64, 32),
        (3, 100, 20, 5),
        (8, 130, 96, 32),
        (9, 16, 130, 1),
        (2, 144, 8, 8),
    ];
    Isa::for_each(|isa| {
        for ((batch, pixels, channels, groups), silu) in shapes.into_iter().flat_map(|s| [(s, false), (s, true)]) {
            let shape = NormShape { batch, pixels, channels, groups };
            let mut noise = Noise::new(11);
            let (gamma, beta) = (noise.vec(channels), noise.vec(channels));
            let (x, dy) = (noise.vec(batch * pixels * channels), noise.vec(batch * pixels * channels));
            let norm = Norm { gamma: &gamma, beta: &beta, epsilon: 1e-5, silu };
            let (actual, expected) = (run(&shape, &x, norm, &dy), reference(&shape, &x, norm, &dy));
            let what = format!("{shape:?} silu {silu} {isa:?}");
            assert_close(&actual.y, &expected.y, 1e-6, &format!("y {what}"));
            assert_close(&actual.dx, &expected.dx, 2e-6, &format!("dx {what}"));
            assert_close(&actual.dgamma, &expected.dgamma, 2e-6, &format!("dgamma {what}"));
            assert_close(&actual.dbeta, &expected.dbeta, 2e-6, &format!("dbeta {what}"));
        }
    });
}

/// A mean of a thousand standard deviations costs only the digits that `x` itself has lost.
#[test]
fn large_mean() {
    let shape = NormShape { batch: 1, pixels: 256, channels: 8, groups: 2 };
    let x: Vec<f32> = Noise::new(2).vec(2048).into_iter().map(|x| x + 1000.0).collect();
    let norm = Norm { gamma: &[1.0; 8], beta: &[0.0; 8], epsilon: 1e-5, silu: false };
    let dy = Noise::new(4).vec(x.len());
    let (actual, expected) = (run(&shape, &x, norm, &dy), reference(&shape, &x, norm, &dy));
    assert_close(&actual.y, &expected.y, 2e-5, "y");
    assert_close(&actual.dx, &expected.dx, 2e-5, "dx");
}

#[test]
fn threads_do_not_change_a_bit() {
    let mut noise = Noise::new(9);
    let (gamma, beta) = (noise.vec(64), noise.vec(64));
    let norm = Norm { gamma: &gamma, beta: &beta, epsilon: 1e-5, silu: true };
    for batch in [2, 9] {
        let shape = NormShape { batch, pixels: 200, channels: 64, groups: 32 };
        let (x, dy) = (noise.vec(batch * 200 * 64), noise.vec(batch * 200 * 64));
        Isa::for_each(|_| {
            let [one, three] = [1, 3].map(|threads| with_threads(threads, || run(&shape, &x, norm, &dy)));
            assert!(one.y == three.y && one.dx == three.dx && one.dgamma == three.dgamma && one.dbeta == three.dbeta);
        });
    }
}
