//! Both kernels compute the same sums in the same order: their results are the same bits. That the sums are right, the tests of
//! `kernels::tests` say.

use super::*;
use crate::random::Generator;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::TensorData;
use burn_cubecl::CubeBackend;

fn tensor(draws: &mut Generator, shape: [usize; 3]) -> CubeTensor {
    let values = draws.randn(shape.iter().product());
    CubeBackend::float_from_data(TensorData::new(values, shape), &Default::default())
}

fn values(x: CubeTensor) -> Vec<f32> {
    pollster::block_on(CubeBackend::float_into_data(x)).unwrap().try_into_vec().unwrap()
}

#[test]
fn both_kernels_give_the_same_bits() {
    // Batch, rows, depth and columns, and the parts of the depth.
    let shapes =
        [([36, 16, 32, 64], 1), ([36, 4, 64, 32], 1), ([3, 1, 20, 8], 1), ([1, 70, 9, 7], 1), ([2, 130, 640, 3], 2)];
    let mut draws = Generator::new(0);
    for ([batch, rows, depth, columns], parts) in shapes {
        for transposed in [Transposed::Neither, Transposed::First, Transposed::Second] {
            let problem = ProductShape { batch, rows, depth, columns, transposed };
            let (a, b) = (tensor(&mut draws, [batch, rows, depth]), tensor(&mut draws, [batch, depth, columns]));
            let (bias, addend) =
                (tensor(&mut draws, [1, 1, columns]), tensor(&mut draws, [batch * parts, rows, columns]));
            for kind in [Addend::Nothing, Addend::SampleBias, Addend::Residual] {
                let finish =
                    || Finish { bias: Some(&bias), addend: Some(&addend), kind, rows_per_sample: 2, scale: 0.5 };
                let strip = problem.strip().expect("a small product");
                let [direct, tiled] = [(); 2].map(|()| empty_float32(&a, [parts, batch, rows, columns]));
                direct::launch(problem, strip, &a, &b, finish(), &direct, parts);
                tiled::launch(problem, &a, &b, finish(), &tiled, parts);
                assert_eq!(values(direct), values(tiled), "{problem:?}, {kind:?}");
            }
        }
    }
}
