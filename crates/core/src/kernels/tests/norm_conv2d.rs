//! The convolution of a normalised image.

use super::*;
use crate::kernels::{self, GroupNormOptions, Plus};

/// A convolution of a normalised image, and the output that its backward pass makes again.
pub fn check<B: KernelGradients>(device: &B::Device, format: Format) {
    let up = Conv2dOptions { upsample: true, scale: 0.7, ..Conv2dOptions::SAME_3X3 };
    for (shape, silu, options) in [([2, 4, 4, 32], true, Conv2dOptions::SAME_3X3), ([3, 3, 5, 12], false, up)] {
        let what = |part: &str| format!("{shape:?}, {options:?}: {part}");
        let mut draws = Draws::new(shape[3] as u64);
        let (x, weight, bias) = (draws.image(shape, format), draws.tensor([3, 3, shape[3], 8]), draws.tensor([8]));
        let (gamma, beta) = (draws.tensor([shape[3]]), draws.tensor([shape[3]]));
        let norm = GroupNormOptions { groups: 4, epsilon: 1e-5, silu };
        let on = |x: &T| on::<B>(x, device);
        let image = |x: &T| image_on::<B>(x, device, format);
        let none = Epilogue::None;
        let (scale, shift) = (on(&gamma), on(&beta));
        let y = <B as Kernels>::norm_conv2d(image(&x), scale, shift, norm, on(&weight), on(&bias), none, options);
        let [normalised, mean, rstd] =
            plain::group_norm::<Flex>(x.clone(), gamma.clone(), beta.clone(), 4, norm.epsilon, silu);
        let plain_y = plain::conv2d::<Flex>(normalised.clone(), weight, bias, Epilogue::None, options);
        assert_close::<B>(&what("output"), &y, &plain_y, format);
        let gradient = draws.image(shape, format);
        let [mean, rstd] = [&mean, &rstd].map(on);
        let saved = group_norm::Saved::<B> { x: image(&x), gamma: on(&gamma), beta: on(&beta), mean, rstd, silu };
        let alone = B::group_norm_backward(saved.clone(), image(&gradient));
        let (beside, again) = B::group_norm_backward_with_output(saved, norm, image(&gradient));
        assert_close::<B>(&what("normalised again"), &again, &normalised, format);
        assert_eq!(beside.map(|x| values::<B>(&x)), alone.map(|x| values::<B>(&x)), "{}", what("gradients"));
    }
}

/// Not keeping what a convolution reads changes no bit of any gradient.
#[test]
fn a_convolution_of_a_normalised_image_has_the_gradients_of_the_two() {
    let device = burn::tensor::Device::flex();
    let norm = GroupNormOptions { groups: 4, epsilon: 1e-5, silu: true };
    let options = Conv2dOptions { scale: 0.5, ..Conv2dOptions::SAME_3X3 };
    let run = |together: bool| {
        let mut generator = Generator::new(10);
        let mut leaf = |shape: [usize; 4]| {
            let values = generator.randn(shape.iter().product());
            Tensor::<4>::from_data(TensorData::new(values, shape), &device).autodiff().require_grad()
        };
        let images = [leaf([2, 4, 4, 8]), leaf([2, 4, 4, 6])];
        let [gamma, beta] = [leaf([1, 1, 1, 8]), leaf([1, 1, 1, 8])];
        let (weight, bias, embedding) = (leaf([3, 3, 8, 6]), leaf([1, 1, 1, 6]), leaf([1, 1, 2, 6]));
        let flat = |x: &Tensor<4>| x.clone().reshape([x.dims()[3]]);
        let parameters = [flat(&gamma), flat(&beta)];
        let [x, residual] = images.clone();
        let convolve = |x: Tensor<4>, plus: Plus| {
            let [gamma, beta] = parameters.clone();
            if together {
                return kernels::norm_conv2d(x, [gamma, beta], norm, weight.clone(), flat(&bias), plus, options);
            }
            kernels::conv2d(kernels::group_norm(x, gamma, beta, norm), weight.clone(), flat(&bias), plus, options)
        };
        let y = convolve(x.clone(), Plus::Residual(residual))
            + convolve(x.clone(), Plus::SampleBias(embedding.clone().reshape([2, 6])))
            + convolve(x, Plus::Nothing);
        let gradients = (y.clone() * y.clone()).sum().backward();
        let [x, residual] = images;
        let mut found: Vec<Vec<f32>> = [x, residual, gamma, beta, weight, bias, embedding]
            .map(|leaf| leaf.grad(&gradients).unwrap().into_data().try_into_vec().unwrap())
            .into();
        found.push(y.inner().into_data().try_into_vec().unwrap());
        found
    };
    assert_eq!(run(true), run(false));
}

/// The gradient of a normalisation is written over the one that it reads, unless somebody else holds that or what lies around it.
#[test]
fn a_gradient_that_is_part_of_another_tensor_is_left_alone() {
    let mut draws = Draws::new(3);
    let whole = draws.tensor([4, 2, 3, 8]);
    let before = values::<Flex>(&whole);
    let (n, groups) = (2, 4);
    let saved = group_norm::Saved::<Flex> {
        x: draws.tensor([n, 2, 3, 8]),
        gamma: draws.tensor([8]),
        beta: draws.tensor([8]),
        mean: draws.tensor([n, groups]),
        rstd: draws.tensor([n, groups]),
        silu: true,
    };
    let middle = <Flex as FloatTensorOps<Flex>>::float_slice(whole.clone(), &[(1..3).into()]);
    let copy = FlexTensor::from_data(TensorData::new(before[48..144].to_vec(), [n, 2, 3, 8]));
    let found = Flex::group_norm_backward(saved.clone(), middle);
    let expected = Flex::group_norm_backward(saved, copy);
    assert_eq!(found.map(|x| values::<Flex>(&x)), expected.map(|x| values::<Flex>(&x)));
    assert_eq!(values::<Flex>(&whole), before);
}
