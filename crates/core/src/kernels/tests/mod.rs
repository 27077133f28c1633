//! The fast bodies and the backward passes against the definitions in `plain`, over odd shapes, on every backend that is
//! compiled in. The definitions run on the CPU.

mod norm_conv2d;

use super::plain;
use super::{
    AdamWStep, Conv2dOptions, Epilogue, KernelGradients, Kernels, attention, group_norm, parameters::ParameterKernels,
    tensors::Tensors,
};
use crate::random::Generator;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Backend, Flex, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{FloatDType, Tensor, TensorData};
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

    /// Values that the format of activations holds.
    fn image<const D: usize>(&mut self, shape: [usize; D], format: Format) -> T {
        let rounded = <Flex as FloatTensorOps<Flex>>::float_cast(self.tensor(shape), format.activations);
        <Flex as FloatTensorOps<Flex>>::float_cast(rounded, FloatDType::F32)
    }
}

/// The number format of images and tokens, and how far off results may be, relative to the largest.
#[derive(Clone, Copy)]
struct Format {
    activations: FloatDType,
    tolerance: f32,
}

const FLOAT32: Format = Format { activations: FloatDType::F32, tolerance: 2e-5 };
const BFLOAT16: Format = Format { activations: FloatDType::BF16, tolerance: 1e-2 };
#[cfg(feature = "gpu")]
const FLOAT16: Format = Format { activations: FloatDType::F16, tolerance: 4e-3 };

/// The same values on the backend under test.
fn on<B: Backend>(x: &T, device: &B::Device) -> FloatTensor<B> {
    B::float_from_data(x.clone().to_contiguous().into_data(), device)
}

/// The same, in the format of activations.
fn image_on<B: Backend>(x: &T, device: &B::Device, format: Format) -> FloatTensor<B> {
    B::float_cast(on::<B>(x, device), format.activations)
}

fn values<B: Backend>(x: &FloatTensor<B>) -> Vec<f32> {
    let x = B::float_cast(x.clone(), FloatDType::F32);
    pollster::block_on(B::float_into_data(x)).unwrap().try_into_vec().unwrap()
}

/// Relative to the largest value: an element near zero is the difference of large ones.
fn assert_close<B: Backend>(what: &str, fast: &FloatTensor<B>, plain: &T, format: Format) {
    assert_eq!(fast.shape(), plain.shape(), "{what}");
    let (fast, plain) = (values::<B>(fast), values::<Flex>(plain));
    let largest = plain.iter().fold(1e-3f32, |largest, x| largest.max(x.abs()));
    // A NaN has to fail, which max would drop.
    let error = fast
        .iter()
        .zip(&plain)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |a: f32, b| if b > a || b.is_nan() { b } else { a });
    assert!(error <= format.tolerance * largest, "{what}: off by {error}, where the largest value is {largest}");
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

fn check_convolutions<B: KernelGradients>(device: &B::Device, format: Format) {
    for (seed, (input, outputs, kernel, options)) in convolutions().into_iter().enumerate() {
        let what = format!("{input:?} to {outputs}, {kernel}x{kernel}, {options:?}");
        let mut draws = Draws::new(seed as u64);
        let x = draws.image(input, format);
        let weight = draws.tensor([kernel, kernel, input[3], outputs]);
        let bias = draws.tensor([outputs]);
        let plain_y = plain::conv2d::<Flex>(x.clone(), weight.clone(), bias.clone(), Epilogue::None, options);
        let shape: [usize; 4] = plain_y.shape().dims();
        let gradient = draws.image(shape, format);
        let (residual, sample_bias) = (draws.image(shape, format), draws.tensor([input[0], outputs]));
        let on = |x: &T| on::<B>(x, device);
        let image = |x: &T| image_on::<B>(x, device, format);
        let pairs = [
            (Epilogue::None, Epilogue::None),
            (Epilogue::Residual(image(&residual)), Epilogue::Residual(residual)),
            (Epilogue::SampleBias(on(&sample_bias)), Epilogue::SampleBias(sample_bias)),
        ];
        for (fast, slow) in pairs {
            let y = <B as Kernels>::conv2d(image(&x), on(&weight), on(&bias), fast, options);
            let plain_y = plain::conv2d::<Flex>(x.clone(), weight.clone(), bias.clone(), slow, options);
            assert_close::<B>(&what, &y, &plain_y, format);
        }
        let dx = B::conv2d_input_gradient(image(&gradient), on(&weight), input, options);
        let plain_dx = plain::conv2d_input_gradient::<Flex>(gradient.clone(), weight.clone(), input, options);
        assert_close::<B>(&format!("{what}: input gradient"), &dx, &plain_dx, format);
        let kernel_shape = [kernel, kernel, input[3], outputs];
        let [dw, sums_on_the_way] = B::conv2d_weight_gradient(image(&x), image(&gradient), kernel_shape, options);
        let plain_dw = plain::conv2d_weight_gradient::<Flex>(x.clone(), gradient.clone(), kernel_shape, options);
        assert_close::<B>(&format!("{what}: weight gradient"), &dw, &plain_dw, format);
        let [dx, dw, sums_of_all, db] = B::conv2d_gradients(image(&x), on(&weight), image(&gradient), options);
        assert_close::<B>(&format!("{what}: input gradient of all"), &dx, &plain_dx, format);
        assert_close::<B>(&format!("{what}: weight gradient of all"), &dw, &plain_dw, format);
        let sums = B::channel_sums(image(&gradient));
        let plain_sums = plain::channel_sums::<Flex>(gradient);
        assert_close::<B>(&format!("{what}: sums"), &sums, &plain_sums, format);
        assert_close::<B>(&format!("{what}: sums on the way"), &sums_on_the_way, &plain_sums, format);
        assert_close::<B>(&format!("{what}: sums of all"), &sums_of_all, &plain_sums, format);
        let plain_db =
            plain::linear_backward::<Flex>(plain_sums.clone(), draws.tensor([outputs, outputs]), plain_sums, false).2;
        assert_close::<B>(&format!("{what}: bias gradient"), &db, &plain_db, format);
    }
}

fn check_group_norms<B: KernelGradients>(device: &B::Device, format: Format) {
    let cases = [
        ([2, 4, 4, 32], 8, true),
        ([1, 3, 5, 12], 4, false),
        ([3, 1, 1, 6], 3, true),
        ([2, 3, 3, 36], 3, true),
        ([1, 2, 3, 320], 1, false),
        ([2, 5, 4, 128], 32, true),
    ];
    for (shape, groups, silu) in cases {
        let what = |part: &str| format!("{shape:?} in {groups} groups: {part}");
        let mut draws = Draws::new(shape[3] as u64);
        let (x, gradient) = (draws.image(shape, format), draws.image(shape, format));
        let (gamma, beta) = (draws.tensor([shape[3]]), draws.tensor([shape[3]]));
        let on = |x: &T| on::<B>(x, device);
        let image = |x: &T| image_on::<B>(x, device, format);
        let fast = B::group_norm_forward(image(&x), on(&gamma), on(&beta), groups, 1e-5, silu);
        let slow = plain::group_norm::<Flex>(x.clone(), gamma.clone(), beta.clone(), groups, 1e-5, silu);
        for (part, (fast, slow)) in ["output", "mean", "rstd"].iter().zip(fast.iter().zip(&slow)) {
            assert_close::<B>(&what(part), fast, slow, format);
        }
        let [_, mean, rstd] = slow;
        let saved = group_norm::Saved::<B> {
            x: image(&x),
            gamma: on(&gamma),
            beta: on(&beta),
            mean: on(&mean),
            rstd: on(&rstd),
            silu,
        };
        let fast = B::group_norm_backward(saved, image(&gradient));
        let saved = group_norm::Saved::<Flex> { x, gamma, beta, mean, rstd, silu };
        let slow = plain::group_norm_backward::<Flex>(saved, gradient);
        for (part, (fast, slow)) in ["dx", "dgamma", "dbeta"].iter().zip(fast.iter().zip(&slow)) {
            assert_close::<B>(&what(part), fast, slow, format);
        }
    }
}

fn check_attentions<B: KernelGradients>(device: &B::Device, format: Format) {
    for (n, tokens, heads, d) in [(2, 16, 2, 8), (1, 5, 3, 3), (2, 64, 1, 20), (1, 70, 2, 8), (1, 9, 1, 96)] {
        let what = |part: &str| format!("{tokens} tokens, {heads} heads of {d}: {part}");
        let mut draws = Draws::new(tokens as u64);
        let [query, key, value, gradient] = std::array::from_fn(|_| draws.image([n, tokens, heads * d], format));
        let image = |x: &T| image_on::<B>(x, device, format);
        let [output, scores] = B::attention_forward(image(&query), image(&key), image(&value), heads);
        let [plain_output, probabilities] = plain::attention::<Flex>(query.clone(), key.clone(), value.clone(), heads);
        assert_close::<B>(&what("output"), &output, &plain_output, format);
        let saved = attention::Saved::<B> {
            query: image(&query),
            key: image(&key),
            value: image(&value),
            output,
            scores,
            heads,
        };
        let fast = B::attention_backward(saved, image(&gradient));
        let saved = attention::Saved::<Flex> { query, key, value, output: plain_output, scores: probabilities, heads };
        let slow = plain::attention_backward::<Flex>(saved, gradient);
        for (part, (fast, slow)) in ["dq", "dk", "dv"].iter().zip(fast.iter().zip(&slow)) {
            assert_close::<B>(&what(part), fast, slow, format);
        }
    }
}

fn check_linears<B: KernelGradients>(device: &B::Device, format: Format) {
    for [rows, inputs, outputs] in [[37, 20, 11], [1, 64, 256], [600, 96, 80], [3, 700, 4]] {
        let what = |part: &str| format!("{rows} rows, {inputs} to {outputs}: {part}");
        let mut draws = Draws::new(5);
        let (x, weight, bias) =
            (draws.image([rows, inputs], format), draws.tensor([inputs, outputs]), draws.tensor([outputs]));
        let gradient = draws.image([rows, outputs], format);
        let on = |x: &T| on::<B>(x, device);
        let image = |x: &T| image_on::<B>(x, device, format);
        let y = <B as Kernels>::linear(image(&x), on(&weight), on(&bias));
        assert_close::<B>(&what("output"), &y, &plain::linear::<Flex>(x.clone(), weight.clone(), bias), format);
        let (dx, dw, db) = B::linear_backward(image(&x), on(&weight), image(&gradient), true);
        let (plain_dx, plain_dw, plain_db) = plain::linear_backward::<Flex>(x, weight, gradient, true);
        assert_close::<B>(&what("dx"), &dx.unwrap(), &plain_dx.unwrap(), format);
        assert_close::<B>(&what("dw"), &dw, &plain_dw, format);
        assert_close::<B>(&what("db"), &db, &plain_db, format);
    }
}

fn check_channels<B: KernelGradients>(device: &B::Device, format: Format) {
    let mut draws = Draws::new(4);
    let (first, second) = (draws.tensor([2, 3, 5, 7]), draws.tensor([2, 3, 5, 12]));
    let image = |x: &T| image_on::<B>(x, device, format);
    let rounded = |x: &T| values::<B>(&image(x));
    let joined = B::concat_channels(image(&first), image(&second));
    let plain = <Flex as FloatTensorOps<Flex>>::float_cat(vec![first.clone(), second.clone()], 3);
    assert_eq!(values::<B>(&joined), rounded(&plain));
    let [again, rest] = B::split_channels(joined, 7);
    assert_eq!(values::<B>(&again), rounded(&first));
    assert_eq!(values::<B>(&rest), rounded(&second));
}

/// More parameters than a launch takes, of lengths around its workgroups' size.
fn parameter_lengths() -> Vec<usize> {
    (0..40).map(|place| [1000, 1, 256, 70_001][place % 4] + place / 4).collect()
}

fn check_parameters<B: ParameterKernels>(device: &B::Device) {
    let mut draws = Draws::new(3);
    let mut list = |change: fn(f32) -> f32| -> Vec<T> {
        let draw = |length| {
            let drawn = values::<Flex>(&draws.tensor([length])).into_iter().map(change).collect::<Vec<f32>>();
            FlexTensor::from_data(TensorData::new(drawn, [length]))
        };
        parameter_lengths().into_iter().map(draw).collect()
    };
    let [value, gradient, first] = [list(|x| x), list(|x| x), list(|x| x)];
    let second = list(f32::abs);
    let on = |list: &[T]| Tensors::<B>(list.iter().map(|x| on::<B>(x, device)).collect());
    let (values, firsts, seconds) = B::adamw(on(&value), on(&gradient), on(&first), on(&second), STEP);
    for place in 0..value.len() {
        let [value, gradient, first, second] = [&value, &gradient, &first, &second].map(|list| list[place].clone());
        let slow = plain::adamw::<Flex>(value, gradient, first, second, STEP);
        assert_close::<B>(&format!("value {place}"), &values.0[place], &slow.0, FLOAT32);
        assert_close::<B>(&format!("first moment {place}"), &firsts.0[place], &slow.1, FLOAT32);
        assert_close::<B>(&format!("second moment {place}"), &seconds.0[place], &slow.2, FLOAT32);
    }
    let scaled = B::scaled(on(&value), 0.25);
    let averages = B::moving_averages(on(&value), on(&gradient), 0.9);
    let sums = self::values::<B>(&B::sums_of_squares(on(&value)));
    for (place, (x, towards)) in value.into_iter().zip(gradient).enumerate() {
        let quarter: Vec<f32> = self::values::<Flex>(&x).into_iter().map(|x| 0.25 * x).collect();
        assert_eq!(self::values::<B>(&scaled.0[place]), quarter, "scaled {place}");
        let slow = plain::moving_average::<Flex>(x.clone(), towards, 0.9);
        assert_close::<B>(&format!("average {place}"), &averages.0[place], &slow, FLOAT32);
        let slow = self::values::<Flex>(&plain::sum_of_squares::<Flex>(x))[0];
        assert!((sums[place] - slow).abs() <= 2e-5 * slow, "sum {place}: {} for {slow}", sums[place]);
    }
}

/// The tests of one backend.
macro_rules! on_backend {
    ($name:ident, $backend:ty, $device:expr, $format:ident) => {
        mod $name {
            #[test]
            fn convolutions_are_the_plain_ones() {
                super::check_convolutions::<$backend>(&$device, super::$format);
            }

            #[test]
            fn group_norms_are_the_plain_ones() {
                super::check_group_norms::<$backend>(&$device, super::$format);
            }

            #[test]
            fn convolutions_of_normalised_images_are_the_plain_ones() {
                super::norm_conv2d::check::<$backend>(&$device, super::$format);
            }

            #[test]
            fn attentions_are_the_plain_ones() {
                super::check_attentions::<$backend>(&$device, super::$format);
            }

            #[test]
            fn linears_are_the_plain_ones() {
                super::check_linears::<$backend>(&$device, super::$format);
            }

            #[test]
            fn channels_are_joined_and_split() {
                super::check_channels::<$backend>(&$device, super::$format);
            }

            #[test]
            fn steps_of_parameters_are_the_plain_ones() {
                super::check_parameters::<$backend>(&$device);
            }
        }
    };
}

on_backend!(flex, burn::backend::Flex, Default::default(), FLOAT32);
on_backend!(flex_bfloat16, burn::backend::Flex, Default::default(), BFLOAT16);
#[cfg(feature = "gpu")]
on_backend!(cube, burn_cubecl::CubeBackend, Default::default(), FLOAT32);
#[cfg(feature = "gpu")]
on_backend!(cube_float16, burn_cubecl::CubeBackend, Default::default(), FLOAT16);

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
        assert_close::<Flex>(what, &dispatch(&gradients), &dispatch(&plain_gradients), FLOAT32);
    }
    let dispatch = |gradients| bias.grad(gradients).unwrap().try_into_primitive::<Flex>().unwrap();
    assert_close::<Flex>("bias", &dispatch(&gradients), &dispatch(&plain_gradients), FLOAT32);
}

const STEP: AdamWStep = AdamWStep {
    learning_rate: 4e-4,
    betas: [0.9, 0.999],
    epsilon: 1e-8,
    weight_decay: 0.01,
    step: 3,
    gradient_scale: 0.5,
};
