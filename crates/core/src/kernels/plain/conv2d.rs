//! Convolution out of burn operations.

use crate::kernels::conv2d::scaled;
use crate::kernels::{Conv2dOptions, Epilogue};
use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{Shape, ops::ConvOptions};

const NHWC_TO_NCHW: [usize; 4] = [0, 3, 1, 2];
const NCHW_TO_NHWC: [usize; 4] = [0, 2, 3, 1];
const HWIO_TO_OIHW: [usize; 4] = [3, 2, 0, 1];
const OIHW_TO_HWIO: [usize; 4] = [2, 3, 1, 0];

fn burn_options(options: Conv2dOptions) -> ConvOptions<2> {
    let [top, left, bottom, right] = options.padding;
    ConvOptions::new_with_padding([options.stride; 2], [(top, bottom), (left, right)], [1; 2], 1)
}

/// `[n, h, w, c]` to `[n, 2h, 2w, c]`, each pixel four times.
fn repeat_pixels<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let [n, h, w, c] = x.shape().dims();
    let x = B::float_reshape(x, Shape::new([n, h, 1, w, 1, c]));
    let x = B::float_expand(x, Shape::new([n, h, 2, w, 2, c]));
    B::float_reshape(x, Shape::new([n, 2 * h, 2 * w, c]))
}

/// The transpose of [`repeat_pixels`]: sums of 2x2 pixels.
fn sum_pixels<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let [n, h, w, c] = x.shape().dims();
    let x = B::float_reshape(x, Shape::new([n, h / 2, 2, w / 2, 2, c]));
    let x = B::float_sum_dim(B::float_sum_dim(x, 2), 4);
    B::float_reshape(x, Shape::new([n, h / 2, w / 2, c]))
}

/// The definition of [`crate::kernels::conv2d`], out of burn operations.
pub fn conv2d<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    epilogue: Epilogue<B>,
    options: Conv2dOptions,
) -> FloatTensor<B> {
    let x = if options.upsample { repeat_pixels::<B>(x) } else { x };
    let x = B::float_permute(x, &NHWC_TO_NCHW);
    let weight = B::float_permute(weight, &HWIO_TO_OIHW);
    let y = B::float_permute(B::conv2d(x, weight, Some(bias), burn_options(options)), &NCHW_TO_NHWC);
    let y = match epilogue {
        Epilogue::None => y,
        Epilogue::SampleBias(sample_bias) => {
            let [n, c] = sample_bias.shape().dims();
            B::float_add(y, B::float_reshape(sample_bias, Shape::new([n, 1, 1, c])))
        }
        Epilogue::Residual(residual) => B::float_add(y, residual),
    };
    scaled::<B>(y, options.scale)
}

/// The plain body of [`crate::kernels::KernelGradients::conv2d_input_gradient`].
pub fn conv2d_input_gradient<B: Backend>(
    gradient: FloatTensor<B>,
    weight: FloatTensor<B>,
    input: [usize; 4],
    options: Conv2dOptions,
) -> FloatTensor<B> {
    let [n, h, w, c] = input;
    let factor = if options.upsample { 2 } else { 1 };
    let x = B::float_empty(Shape::new([n, c, factor * h, factor * w]), &gradient.device(), gradient.dtype().into());
    let gradient = B::float_permute(gradient, &NHWC_TO_NCHW);
    let weight = B::float_permute(weight, &HWIO_TO_OIHW);
    let dx = B::float_permute(B::conv2d_x_backward(x, weight, gradient, burn_options(options)), &NCHW_TO_NHWC);
    if options.upsample { sum_pixels::<B>(dx) } else { dx }
}

/// The plain body of [`crate::kernels::KernelGradients::conv2d_weight_gradient`].
pub fn conv2d_weight_gradient<B: Backend>(
    x: FloatTensor<B>,
    gradient: FloatTensor<B>,
    kernel: [usize; 4],
    options: Conv2dOptions,
) -> FloatTensor<B> {
    let [kernel_h, kernel_w, c_in, c_out] = kernel;
    let x = if options.upsample { repeat_pixels::<B>(x) } else { x };
    let shape = Shape::new([c_out, c_in, kernel_h, kernel_w]);
    let weight = B::float_empty(shape, &gradient.device(), gradient.dtype().into());
    let x = B::float_permute(x, &NHWC_TO_NCHW);
    let gradient = B::float_permute(gradient, &NHWC_TO_NCHW);
    B::float_permute(B::conv2d_weight_backward(x, weight, gradient, burn_options(options)), &OIHW_TO_HWIO)
}

/// The plain body of [`crate::kernels::KernelGradients::channel_sums`].
pub fn channel_sums<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let [n, h, w, c] = x.shape().dims();
    let sums = B::float_sum_dim(B::float_reshape(x, Shape::new([n, h * w, c])), 1);
    B::float_reshape(sums, Shape::new([n, c]))
}
