//! The three products against plain loops.

use super::*;
use crate::kernels::cpu::Isa;
use crate::kernels::cpu::reference::{Conv, Noise, assert_close};

#[test]
fn linear_and_gradients() {
    let shapes =
        [(1, 1, 1), (2, 3, 5), (7, 64, 64), (100, 20, 130), (97, 200, 17), (300, 130, 65), (3000, 8, 3), (16, 64, 256)];
    Isa::for_each(|isa| {
        for (rows, c_in, c_out) in shapes {
            let shape = LinearShape { rows, c_in, c_out };
            let what = format!("{shape:?} {isa:?}");
            let conv = Conv {
                batch: rows,
                input: (1, 1),
                output: (1, 1),
                c_in,
                c_out,
                kernel: (1, 1),
                stride: 1,
                padding: (0, 0),
            };
            let mut noise = Noise::new(1);
            let (x, w, bias) = (noise.vec(rows * c_in), noise.vec(c_in * c_out), noise.vec(c_out));
            let (dy, residual) = (noise.vec(rows * c_out), noise.vec(rows * c_out));
            let mut expected = conv.forward(&x, &w);
            let mut y = vec![f32::NAN; rows * c_out];
            linear(&shape, &x, &w, None, None, &mut y);
            assert_close(&y, &expected, 1e-5, &what);
            expected.iter_mut().enumerate().for_each(|(i, y)| *y += (bias[i % c_out] + residual[i]) as f64);
            linear(&shape, &x, &w, Some(&bias), Some(&residual), &mut y);
            assert_close(&y, &expected, 1e-5, &what);
            let mut dx = vec![f32::NAN; x.len()];
            linear_input_gradient(&shape, &dy, &w, &mut dx);
            assert_close(&dx, &conv.input_gradient(&dy, &w), 1e-5, &what);
            let mut dw = vec![f32::NAN; w.len()];
            linear_weight_gradient(&shape, &x, &dy, &mut dw);
            assert_close(&dw, &conv.weight_gradient(&x, &dy), 1e-5, &what);
        }
    });
}
