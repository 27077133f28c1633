//! Convolution: the plain body, its gradients, and how autodiff records it.

use super::{Epilogue, KernelGradients, Kernels};
use burn::backend::{AutodiffBackend, Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{Shape, Slice, ops::ConvOptions};
use burn_autodiff::{
    Autodiff, NodeId,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};

/// Geometry of a convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2dOptions {
    pub stride: usize,
    /// Zeros around the image: top, left, bottom, right.
    pub padding: [usize; 4],
    /// Whether each pixel of `x` is first repeated twice in both directions (nearest-neighbour up-sampling).
    pub upsample: bool,
    /// Factor on the result, after the epilogue.
    pub scale: f32,
}

impl Conv2dOptions {
    /// The usual 3x3 convolution: the output has the size of the input.
    pub const SAME_3X3: Self = Self { stride: 1, padding: [1; 4], upsample: false, scale: 1.0 };
    /// A linear map of the channels of each pixel.
    pub const POINTWISE: Self = Self { stride: 1, padding: [0; 4], upsample: false, scale: 1.0 };

    /// Height or width of the output: `size` of the input, `kernel`, and the padding before and after.
    pub fn output_size(&self, size: usize, kernel: usize, before: usize, after: usize) -> usize {
        let size = if self.upsample { 2 * size } else { size };
        (size + before + after).saturating_sub(kernel) / self.stride + 1
    }

    fn for_burn(&self) -> ConvOptions<2> {
        let [top, left, bottom, right] = self.padding;
        ConvOptions::new_with_padding([self.stride; 2], [(top, bottom), (left, right)], [1; 2], 1)
    }
}

const NHWC_TO_NCHW: [usize; 4] = [0, 3, 1, 2];
const NCHW_TO_NHWC: [usize; 4] = [0, 2, 3, 1];
const HWIO_TO_OIHW: [usize; 4] = [3, 2, 0, 1];
const OIHW_TO_HWIO: [usize; 4] = [2, 3, 1, 0];

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

/// The definition of [`super::conv2d`], out of burn operations.
pub fn plain<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    epilogue: Epilogue<B>,
    options: Conv2dOptions,
) -> FloatTensor<B> {
    let x = if options.upsample { repeat_pixels::<B>(x) } else { x };
    let x = B::float_permute(x, &NHWC_TO_NCHW);
    let weight = B::float_permute(weight, &HWIO_TO_OIHW);
    let y = B::float_permute(B::conv2d(x, weight, Some(bias), options.for_burn()), &NCHW_TO_NHWC);
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

pub fn scaled<B: Backend>(x: FloatTensor<B>, scale: f32) -> FloatTensor<B> {
    if scale == 1.0 { x } else { B::float_mul_scalar(x, scale.into()) }
}

/// The plain body of [`KernelGradients::conv2d_input_gradient`].
pub fn plain_input_gradient<B: Backend>(
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
    let dx = B::float_permute(B::conv2d_x_backward(x, weight, gradient, options.for_burn()), &NCHW_TO_NHWC);
    if options.upsample { sum_pixels::<B>(dx) } else { dx }
}

/// The plain body of [`KernelGradients::conv2d_weight_gradient`].
pub fn plain_weight_gradient<B: Backend>(
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
    B::float_permute(B::conv2d_weight_backward(x, weight, gradient, options.for_burn()), &OIHW_TO_HWIO)
}

/// The plain body of [`KernelGradients::channel_sums`].
pub fn plain_channel_sums<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let [n, h, w, c] = x.shape().dims();
    let sums = B::float_sum_dim(B::float_reshape(x, Shape::new([n, h * w, c])), 1);
    B::float_reshape(sums, Shape::new([n, c]))
}

#[derive(Debug)]
struct Conv2dBackward;

#[derive(Clone, Debug)]
struct State<B: Backend> {
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    addend: Addend,
    options: Conv2dOptions,
}

/// What the epilogue added.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Addend {
    Nothing,
    SampleBias,
    Residual,
}

impl<B: KernelGradients> Backward<B, 4> for Conv2dBackward {
    type State = State<B>;

    fn backward(self, ops: Ops<Self::State, 4>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let State { x, weight, addend, options } = ops.state;
        let [x_node, weight_node, bias_node, addend_node] = ops.parents.map(|parent| parent.map(|node| node.id));
        let gradient = scaled::<B>(gradients.consume::<B>(&ops.node), options.scale);
        let (input, kernel) = (x.shape().dims(), weight.shape().dims());
        let sample_bias_node = addend_node.filter(|_| addend == Addend::SampleBias);
        register_bias_gradients::<B>(gradients, &gradient, bias_node, sample_bias_node);
        if let Some(node) = weight_node {
            let weight_gradient = B::conv2d_weight_gradient(x, gradient.clone(), kernel, options);
            gradients.register::<B>(node, weight_gradient);
        }
        if let Some(node) = x_node {
            let input_gradient = B::conv2d_input_gradient(gradient.clone(), weight, input, options);
            gradients.register::<B>(node, input_gradient);
        }
        if let Some(node) = addend_node.filter(|_| addend == Addend::Residual) {
            gradients.register::<B>(node, gradient);
        }
    }
}

fn register_bias_gradients<B: KernelGradients>(
    gradients: &mut Gradients,
    gradient: &FloatTensor<B>,
    bias: Option<NodeId>,
    sample_bias: Option<NodeId>,
) {
    if bias.is_none() && sample_bias.is_none() {
        return;
    }
    let sums = B::channel_sums(gradient.clone());
    if let Some(node) = bias {
        let [_, channels] = sums.shape().dims();
        let total = B::float_reshape(B::float_sum_dim(sums.clone(), 0), Shape::new([channels]));
        gradients.register::<B>(node, total);
    }
    if let Some(node) = sample_bias {
        gradients.register::<B>(node, sums);
    }
}

type Tracked<B, C> = FloatTensor<Autodiff<B, C>>;

/// Takes the epilogue apart: its body for the inner backend, what it adds, and the tensor in the graph. Where it adds
/// nothing, a number that takes no part in the graph stands in for the tensor.
fn untracked_epilogue<B: Backend, C: CheckpointStrategy>(
    epilogue: Epilogue<Autodiff<B, C>>,
    bias: &Tracked<B, C>,
) -> (Epilogue<B>, Addend, Tracked<B, C>) {
    match epilogue {
        Epilogue::None => {
            let first = B::float_slice(bias.primitive().clone(), &[Slice::from(0..1)]);
            (Epilogue::None, Addend::Nothing, <Autodiff<B, C> as AutodiffBackend>::from_inner(first))
        }
        Epilogue::SampleBias(x) => (Epilogue::SampleBias(x.primitive().clone()), Addend::SampleBias, x),
        Epilogue::Residual(x) => (Epilogue::Residual(x.primitive().clone()), Addend::Residual, x),
    }
}

impl<B: KernelGradients, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
    fn conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epilogue: Epilogue<Self>,
        options: Conv2dOptions,
    ) -> FloatTensor<Self> {
        let (epilogue, addend, addend_tensor) = untracked_epilogue::<B, C>(epilogue, &bias);
        let nodes = [x.node(), weight.node(), bias.node(), addend_tensor.node()];
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let state = State::<B> { x: x.clone(), weight: weight.clone(), addend, options };
        let y = <B as Kernels>::conv2d(x, weight, bias.into_primitive(), epilogue, options);
        match Conv2dBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(state, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn group_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        groups: usize,
        epsilon: f32,
        silu: bool,
    ) -> FloatTensor<Self> {
        super::group_norm::tracked::<B, C>(x, gamma, beta, groups, epsilon, silu)
    }

    fn attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self> {
        super::attention::tracked::<B, C>(query, key, value, heads)
    }

    fn linear(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        super::linear::tracked::<B, C>(x, weight, bias)
    }
}
