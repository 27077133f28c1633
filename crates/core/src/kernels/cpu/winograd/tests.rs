//! Forward and both gradients against double precision, over odd shapes and every instruction set.

use super::*;
use crate::kernels::cpu::reference::{Conv, Noise, assert_close, sum_squares, upsample, with_threads};
use crate::kernels::cpu::{Epilogue, Isa};

/// F(4x4) loses a few bits more than a direct sum; see docs/performance.md.
const TOLERANCE: f64 = 1e-5;

fn shape(batch: usize, height: usize, width: usize, c_in: usize, c_out: usize) -> ConvShape {
    ConvShape { batch, height, width, c_in, c_out, upsample: false }
}

/// Compares all three passes of `shape` with the plain loops.
fn check(shape: ConvShape, tile: Tile, isa: Isa) {
    let what = format!("{shape:?} {tile:?} {isa:?}");
    let (mut noise, conv) = (Noise::new(7), Conv::from(shape));
    let size = (shape.height, shape.width);
    let (x, w) = (noise.vec(shape.input_len()), noise.vec(shape.weight_len()));
    let (dy, residual) = (noise.vec(shape.output_len()), noise.vec(shape.output_len()));
    let (bias, sample_bias) = (noise.vec(shape.c_out), noise.vec(shape.batch * shape.c_out));
    let full = if shape.upsample { upsample(&x, shape.batch, size, shape.c_in) } else { x.clone() };

    let mut expected = conv.forward(&full, &w);
    for (i, y) in expected.iter_mut().enumerate() {
        let (image, k) = (i / (shape.height * shape.width * shape.c_out), i % shape.c_out);
        *y = (*y + (bias[k] + sample_bias[image * shape.c_out + k] + residual[i]) as f64) * 0.5;
    }
    let packed = PackedWeights::new(&w, shape.c_in, shape.c_out, tile, Direction::Forward);
    let epilogue =
        Epilogue { bias: Some(&bias), sample_bias: Some(&sample_bias), residual: Some(&residual), scale: 0.5 };
    let mut y = vec![f32::NAN; shape.output_len()];
    forward(&shape, &x, &packed, epilogue, &mut y);
    assert_close(&y, &expected, TOLERANCE, &format!("forward {what}"));
    y.fill(f32::NAN);
    forward_unpacked(&shape, &x, &w, tile, epilogue, &mut y);
    assert_close(&y, &expected, TOLERANCE, &format!("forward, weights as they are, {what}"));

    let mut expected = conv.input_gradient(&dy, &w);
    if shape.upsample {
        expected = sum_squares(&expected, shape.batch, size, shape.c_in);
    }
    let packed = PackedWeights::new(&w, shape.c_in, shape.c_out, tile, Direction::InputGradient);
    let mut dx = vec![f32::NAN; x.len()];
    input_gradient(&shape, &dy, &packed, &mut dx);
    assert_close(&dx, &expected, TOLERANCE, &format!("input gradient {what}"));
    dx.fill(f32::NAN);
    input_gradient_unpacked(&shape, &dy, &w, tile, &mut dx);
    assert_close(&dx, &expected, TOLERANCE, &format!("input gradient, weights as they are, {what}"));

    let (mut dw, mut sums) = (vec![f32::NAN; w.len()], vec![f32::NAN; shape.batch * shape.c_out]);
    weight_and_bias_gradient(&shape, &x, &dy, tile, &mut dw, &mut sums);
    let mut expected = vec![0.0; sums.len()];
    for (i, &dy) in dy.iter().enumerate() {
        let image = i / (shape.height * shape.width * shape.c_out);
        expected[image * shape.c_out + i % shape.c_out] += dy as f64;
    }
    assert_close(&sums, &expected, TOLERANCE, &format!("bias gradient {what}"));
    assert_close(&dw, &conv.weight_gradient(&full, &dy), TOLERANCE, &format!("weight gradient {what}"));
}

#[test]
fn the_tile_follows_the_work() {
    assert_eq!(shape(16, 32, 32, 64, 64).tile(false), Some(Tile::Four));
    assert_eq!(shape(1, 8, 8, 64, 64).tile(false), Some(Tile::Four));
    assert_eq!(shape(2, 6, 6, 64, 64).tile(false), Some(Tile::Two));
    assert_eq!(shape(1, 8, 8, 64, 64).tile(true), Some(Tile::Four));
    assert_eq!(shape(1, 4, 4, 64, 64).tile(false), None);
    assert_eq!(shape(1, 4, 4, 64, 64).tile(true), Some(Tile::Two));
    assert_eq!(shape(16, 1, 1, 64, 64).tile(false), None);
}

#[test]
fn every_small_size() {
    Isa::for_each(|isa| {
        for (height, width) in (1..=9).map(|h| (h, 10 - h)).chain([(1, 1), (4, 4), (9, 9), (12, 5)]) {
            check(shape(1 + height % 3, height, width, 5, 19), Tile::Four, isa);
            check(shape(1 + width % 3, height, width, 20, 4), Tile::Two, isa);
        }
    });
}

#[test]
fn every_channel_count() {
    Isa::for_each(|isa| {
        for (c_in, c_out) in [(1, 64), (3, 130), (4, 8), (8, 96), (20, 3), (64, 1), (96, 64), (130, 20), (200, 16)] {
            check(shape(1, 8, 6, c_in, c_out), Tile::Four, isa);
            check(shape(2, 3, 4, c_in, c_out), Tile::Two, isa);
        }
    });
}

#[test]
fn many_tiles() {
    Isa::for_each(|isa| {
        check(shape(3, 32, 32, 16, 17), Tile::Four, isa);
        check(shape(2, 16, 16, 64, 64), Tile::Four, isa);
        check(shape(1, 16, 20, 64, 64), Tile::Two, isa);
    });
}

#[test]
fn up_sampling() {
    Isa::for_each(|isa| {
        for (height, width) in [(2, 2), (4, 6), (10, 8), (16, 16)] {
            let shape = ConvShape { upsample: true, ..shape(2, height, width, 20, 33) };
            check(shape, Tile::Four, isa);
            check(shape, Tile::Two, isa);
        }
    });
}

#[test]
fn more_channels_than_the_row_of_zeros() {
    Isa::for_each(|isa| check(shape(1, 2, 3, 1030, 2), Tile::Four, isa));
}

#[test]
fn threads_do_not_change_a_bit() {
    let shape = shape(2, 20, 20, 70, 70);
    let mut noise = Noise::new(3);
    let (x, w, dy) = (noise.vec(shape.input_len()), noise.vec(shape.weight_len()), noise.vec(shape.output_len()));
    let run = |threads: usize| {
        with_threads(threads, || {
            let (mut y, mut dw) = (vec![0.0; shape.output_len()], vec![0.0; w.len()]);
            let packed = PackedWeights::new(&w, shape.c_in, shape.c_out, Tile::Four, Direction::Forward);
            forward(&shape, &x, &packed, Epilogue::default(), &mut y);
            let mut sums = vec![f32::NAN; shape.batch * shape.c_out];
            weight_and_bias_gradient(&shape, &x, &dy, Tile::Four, &mut dw, &mut sums);
            (y, dw)
        })
    };
    Isa::for_each(|_| {
        let one = run(1);
        assert!(one == run(2) && one == run(5));
    });
}
