//! The fast bodies and the backward passes against the definitions in `plain`, over odd shapes.

use super::plain;
use super::{
    AdamWStep, Conv2dOptions, Epilogue, KernelGradients, Kernels, adamw::ParameterKernels, attention, group_norm,
};
use crate::random::Generator;
use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{Tensor, TensorData};
use burn_flex::FlexTensor;

type T = FloatTensor<Flex>;

struct Draws(Generator);

impl Draws {
    fn new(seed: u64) -> Self {
        Self(Generator::new(seed))
    }

    fn tensor<const D: usize>(&mut self, shape: [usize; D]) -> T {
        let values = self.0.randn(shape.iter().product());
        FlexTensor::from_data(TensorData::new(values, shape))
    }
}

fn values(x: &T) -> Vec<f32> {
    x.to_contiguous().into_data().try_into_vec().unwrap()
}

/// Relative to the largest value: an element near zero is the difference of large ones.
fn assert_close(what: &str, fast: &T, plain: &T) {
    assert_eq!(fast.shape(), plain.shape(), "{what}");
    let (fast, plain) = (values(fast), values(plain));
    let largest = plain.iter().fold(1e-3f32, |largest, x| largest.max(x.abs()));
    let error = fast.iter().zip(&plain).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(error <= 2e-5 * largest, "{what}: off by {error}, where the largest value is {largest}");
}

/// Input, output channels and kernel size, and options that use every kernel.
fn convolutions() -> Vec<([usize; 4], usize, usize, Conv2dOptions)> {
    let same = Conv2dOptions::SAME_3X3;
    let up = Conv2dOptions { upsample: true, ..same };
    let down = Conv2dOptions { stride: 2, ..same };
    let corner = Conv2dOptions { padding: [0, 0, 1, 1], ..down };
    let scaled = Conv2dOptions { scale: 0.7, ..same };
    let filter = Conv2dOptions { padding: [2, 2, 1, 1], ..same };
    vec![
        ([2, 8, 8, 16], 24, 3, same),
        ([1, 5, 7, 9], 3, 3, same),
        ([3, 4, 4, 32], 70, 3, scaled),
        ([2, 6, 5, 3], 8, 3, same),
        ([2, 4, 3, 12], 20, 3, up),
        ([2, 4, 4, 3], 5, 3, up),
        ([2, 8, 6, 10], 12, 3, down),
        ([2, 8, 6, 10], 12, 3, corner),
        ([2, 5, 3, 20], 7, 1, Conv2dOptions::POINTWISE),
        ([2, 5, 3, 20], 7, 1, Conv2dOptions { scale: 0.5, ..Conv2dOptions::POINTWISE }),
        ([4, 6, 6, 1], 1, 4, filter),
    ]
}

#[test]
fn convolutions_are_the_plain_ones() {
    for (seed, (input, outputs, kernel, options)) in convolutions().into_iter().enumerate() {
        let what = format!("{input:?} to {outputs}, {kernel}x{kernel}, {options:?}");
        let mut draws = Draws::new(seed as u64);
        let x = draws.tensor(input);
        let weight = draws.tensor([kernel, kernel, input[3], outputs]);
        let bias = draws.tensor([outputs]);
        let plain_y = plain::conv2d::<Flex>(x.clone(), weight.clone(), bias.clone(), Epilogue::None, options);
        let shape: [usize; 4] = plain_y.shape().dims();
        let gradient = draws.tensor(shape);
        let (residual, sample_bias) = (draws.tensor(shape), draws.tensor([input[0], outputs]));
        let epilogues =
            || [Epilogue::None, Epilogue::Residual(residual.clone()), Epilogue::SampleBias(sample_bias.clone())];
        for (fast, slow) in epilogues().into_iter().zip(epilogues()) {
            let y = <Flex as Kernels>::conv2d(x.clone(), weight.clone(), bias.clone(), fast, options);
            let plain_y = plain::conv2d::<Flex>(x.clone(), weight.clone(), bias.clone(), slow, options);
            assert_close(&what, &y, &plain_y);
        }
        let dx = Flex::conv2d_input_gradient(gradient.clone(), weight.clone(), input, options);
        let plain_dx = plain::conv2d_input_gradient::<Flex>(gradient.clone(), weight, input, options);
        assert_close(&format!("{what}: input gradient"), &dx, &plain_dx);
        let kernel_shape = [kernel, kernel, input[3], outputs];
        let [dw, sums_on_the_way] = Flex::conv2d_weight_gradient(x.clone(), gradient.clone(), kernel_shape, options);
        let plain_dw = plain::conv2d_weight_gradient::<Flex>(x, gradient.clone(), kernel_shape, options);
        assert_close(&format!("{what}: weight gradient"), &dw, &plain_dw);
        let sums = Flex::channel_sums(gradient.clone());
        let plain_sums = plain::channel_sums::<Flex>(gradient);
        assert_close(&format!("{what}: sums"), &sums, &plain_sums);
        assert_close(&format!("{what}: sums on the way"), &sums_on_the_way, &plain_sums);
    }
}

#[test]
fn group_norms_are_the_plain_ones() {
    for (shape, groups, silu) in [([2, 4, 4, 32], 8, true), ([1, 3, 5, 12], 4, false), ([3, 1, 1, 6], 3, true)] {
        let mut draws = Draws::new(shape[3] as u64);
        let (x, gradient) = (draws.tensor(shape), draws.tensor(shape));
        let (gamma, beta) = (draws.tensor([shape[3]]), draws.tensor([shape[3]]));
        let inputs = || (x.clone(), gamma.clone(), beta.clone());
        let forward = |(x, gamma, beta): (T, T, T)| Flex::group_norm_forward(x, gamma, beta, groups, 1e-5, silu);
        let plain_forward = |(x, gamma, beta): (T, T, T)| plain::group_norm::<Flex>(x, gamma, beta, groups, 1e-5, silu);
        let (fast, slow) = (forward(inputs()), plain_forward(inputs()));
        for (what, (fast, slow)) in ["output", "mean", "rstd"].iter().zip(fast.iter().zip(&slow)) {
            assert_close(what, fast, slow);
        }
        let [_, mean, rstd] = slow;
        let saved = || group_norm::Saved::<Flex> {
            x: x.clone(),
            gamma: gamma.clone(),
            beta: beta.clone(),
            mean: mean.clone(),
            rstd: rstd.clone(),
            silu,
        };
        let fast = Flex::group_norm_backward(saved(), gradient.clone());
        let slow = plain::group_norm_backward::<Flex>(saved(), gradient);
        for (what, (fast, slow)) in ["dx", "dgamma", "dbeta"].iter().zip(fast.iter().zip(&slow)) {
            assert_close(what, fast, slow);
        }
    }
}

#[test]
fn attentions_are_the_plain_ones() {
    for (n, tokens, heads, d) in [(2, 16, 2, 8), (1, 5, 3, 3), (2, 64, 1, 20)] {
        let mut draws = Draws::new(tokens as u64);
        let [query, key, value, gradient] = std::array::from_fn(|_| draws.tensor([n, tokens, heads * d]));
        let [output, scores] = Flex::attention_forward(query.clone(), key.clone(), value.clone(), heads);
        let [plain_output, probabilities] = plain::attention::<Flex>(query.clone(), key.clone(), value.clone(), heads);
        assert_close("output", &output, &plain_output);
        let saved = |scores: T| attention::Saved::<Flex> {
            query: query.clone(),
            key: key.clone(),
            value: value.clone(),
            output: output.clone(),
            scores,
            heads,
        };
        let fast = Flex::attention_backward(saved(scores), gradient.clone());
        let slow = plain::attention_backward::<Flex>(saved(probabilities), gradient);
        for (what, (fast, slow)) in ["dq", "dk", "dv"].iter().zip(fast.iter().zip(&slow)) {
            assert_close(what, fast, slow);
        }
    }
}

#[test]
fn linears_are_the_plain_ones() {
    let mut draws = Draws::new(5);
    let (x, weight, bias) = (draws.tensor([37, 20]), draws.tensor([20, 11]), draws.tensor([11]));
    let gradient = draws.tensor([37, 11]);
    let y = <Flex as Kernels>::linear(x.clone(), weight.clone(), bias.clone());
    assert_close("output", &y, &plain::linear::<Flex>(x.clone(), weight.clone(), bias));
    let (dx, dw, db) = Flex::linear_backward(x.clone(), weight.clone(), gradient.clone(), true);
    let (plain_dx, plain_dw, plain_db) = plain::linear_backward::<Flex>(x, weight, gradient, true);
    assert_close("dx", &dx.unwrap(), &plain_dx.unwrap());
    assert_close("dw", &dw, &plain_dw);
    assert_close("db", &db, &plain_db);
}

/// The plain backward passes are the derivatives that burn finds of the plain forward passes.
#[test]
fn backward_passes_are_the_derivatives() {
    let device = burn::tensor::Device::flex();
    let mut generator = Generator::new(9);
    let mut leaf = |shape: [usize; 4]| {
        let values = generator.randn(shape.iter().product());
        Tensor::<4>::from_data(TensorData::new(values, shape), &device).autodiff().require_grad()
    };
    let (x, weight) = (leaf([2, 4, 4, 8]), leaf([3, 3, 8, 8]));
    let bias = leaf([1, 1, 1, 8]).reshape([8]).inner().autodiff().require_grad();
    let residual = leaf([2, 4, 4, 8]);
    let options = Conv2dOptions { scale: 0.5, ..Conv2dOptions::SAME_3X3 };
    let plus = super::Plus::Residual(residual.clone());
    let y = super::conv2d(x.clone(), weight.clone(), bias.clone(), plus, options);
    let gradients = (y.clone() * y).sum().backward();
    let layouts = |x: Tensor<4>| x.permute([0, 3, 1, 2]);
    let burn_options = burn::tensor::ops::ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    let plain = burn::tensor::module::conv2d(
        layouts(x.clone()),
        weight.clone().permute([3, 2, 0, 1]),
        Some(bias.clone()),
        burn_options,
    );
    let plain = (plain.permute([0, 2, 3, 1]) + residual.clone()) * 0.5;
    let plain_gradients = (plain.clone() * plain).sum().backward();
    let pairs = [("x", &x), ("weight", &weight), ("residual", &residual)];
    for (what, leaf) in pairs {
        let dispatch = |gradients| leaf.grad(gradients).unwrap().try_into_primitive::<Flex>().unwrap();
        assert_close(what, &dispatch(&gradients), &dispatch(&plain_gradients));
    }
    let dispatch = |gradients| bias.grad(gradients).unwrap().try_into_primitive::<Flex>().unwrap();
    assert_close("bias", &dispatch(&gradients), &dispatch(&plain_gradients));
}

#[test]
fn channels_are_joined_and_split() {
    let mut draws = Draws::new(4);
    let (first, second) = (draws.tensor([2, 3, 5, 7]), draws.tensor([2, 3, 5, 12]));
    let joined = Flex::concat_channels(first.clone(), second.clone());
    let plain = <Flex as burn::backend::ops::FloatTensorOps<Flex>>::float_cat(vec![first.clone(), second.clone()], 3);
    assert_eq!(values(&joined), values(&plain));
    let [again, rest] = Flex::split_channels(joined, 7);
    assert_eq!(values(&again), values(&first));
    assert_eq!(values(&rest), values(&second));
}

#[test]
fn adamw_is_the_plain_one() {
    let mut draws = Draws::new(3);
    let [value, gradient, first] = std::array::from_fn(|_| draws.tensor([1000]));
    let second = plain::adamw::<Flex>(value.clone(), gradient.clone(), first.clone(), draws.tensor([1000]), STEP).2;
    let second =
        FlexTensor::from_data(TensorData::new(values(&second).iter().map(|x| x.abs()).collect::<Vec<f32>>(), [1000]));
    let fast = Flex::adamw(value.clone(), gradient.clone(), first.clone(), second.clone(), STEP);
    let slow = plain::adamw::<Flex>(value.clone(), gradient, first, second, STEP);
    assert_close("value", &fast.0, &slow.0);
    assert_close("first moment", &fast.1, &slow.1);
    assert_close("second moment", &fast.2, &slow.2);
    assert_close("sum", &Flex::sum_of_squares(value.clone()), &plain::sum_of_squares::<Flex>(value));
}

const STEP: AdamWStep = AdamWStep {
    learning_rate: 4e-4,
    betas: [0.9, 0.999],
    epsilon: 1e-8,
    weight_decay: 0.01,
    step: 3,
    gradient_scale: 0.5,
};
