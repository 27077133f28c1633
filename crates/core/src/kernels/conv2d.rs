//! Convolution: its geometry, and how autodiff records it.

use super::autodiff::register;
use super::{Epilogue, KernelGradients, Kernels};
use burn::backend::{AutodiffBackend, Backend, TensorMetadata, tensor::FloatTensor};
use burn_autodiff::{
    Autodiff,
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
}

/// Extents of a convolution: the input as it is stored, the kernel (height, width, inputs, outputs), and the options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extents {
    pub input: [usize; 4],
    pub kernel: [usize; 4],
    pub options: Conv2dOptions,
}

impl Extents {
    /// `[n, h_out, w_out, c_out]`
    pub fn output(&self) -> [usize; 4] {
        let [batch, height, width, _] = self.input;
        let [kernel_height, kernel_width, _, c_out] = self.kernel;
        let [top, left, bottom, right] = self.options.padding;
        [
            batch,
            self.options.output_size(height, kernel_height, top, bottom),
            self.options.output_size(width, kernel_width, left, right),
            c_out,
        ]
    }

    /// The 3x3 convolution with stride 1 and padding 1 that this is, if it is one: Winograd's case.
    pub fn same_3x3(&self) -> Option<ConvShape> {
        let [batch, height, width, c_out] = self.output();
        let Conv2dOptions { stride, padding, upsample, .. } = self.options;
        let [kernel_height, kernel_width, c_in, _] = self.kernel;
        let is_one = (kernel_height, kernel_width, stride, padding) == (3, 3, 1, [1; 4]);
        is_one.then_some(ConvShape { batch, height, width, c_in, c_out, upsample })
    }

    /// Whether this is a linear map of the channels of each pixel.
    pub fn is_pointwise(&self) -> bool {
        let Conv2dOptions { stride, padding, upsample, .. } = self.options;
        let [kernel_height, kernel_width, ..] = self.kernel;
        (kernel_height, kernel_width, stride, padding, upsample) == (1, 1, 1, [0; 4], false)
    }
}

/// The extents of a 3x3 convolution with stride 1 and padding 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    pub batch: usize,
    /// Height and width of the output.
    pub height: usize,
    pub width: usize,
    pub c_in: usize,
    pub c_out: usize,
    /// The input has half the height and width; every pixel is read as a 2x2 square (nearest-neighbour up-sampling).
    pub upsample: bool,
}

pub fn scaled<B: Backend>(x: FloatTensor<B>, scale: f32) -> FloatTensor<B> {
    if scale == 1.0 { x } else { B::float_mul_scalar(x, scale.into()) }
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
pub enum Addend {
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
        let (dx, dw, sums, db) = match (x_node, weight_node) {
            (Some(_), Some(_)) => {
                let [dx, dw, sums, db] = B::conv2d_gradients(x, weight, gradient.clone(), options);
                (Some(dx), Some(dw), sums, Some(db))
            }
            (None, Some(_)) => {
                let [dw, sums] = B::conv2d_weight_gradient(x, gradient.clone(), kernel, options);
                (None, Some(dw), sums, None)
            }
            (x_node, None) => {
                let dx = x_node.map(|_| B::conv2d_input_gradient(gradient.clone(), weight, input, options));
                (dx, None, B::channel_sums(gradient.clone()), None)
            }
        };
        let db = bias_node.map(|_| db.unwrap_or_else(|| B::sum_of_samples(sums.clone())));
        register::<B, 3>(gradients, [x_node, weight_node, bias_node], [dx, dw, db]);
        register::<B, 1>(gradients, [addend_node], [addend.gradient::<B>(sums, gradient)]);
    }
}

impl Addend {
    /// The gradient of what was added: the channel sums of the output's gradient, or that gradient.
    pub fn gradient<B: Backend>(self, sums: FloatTensor<B>, gradient: FloatTensor<B>) -> Option<FloatTensor<B>> {
        match self {
            Addend::Nothing => None,
            Addend::SampleBias => Some(sums),
            Addend::Residual => Some(gradient),
        }
    }
}

type Tracked<B, C> = FloatTensor<Autodiff<B, C>>;

/// Takes the epilogue apart: its body for the inner backend, what it adds, and the tensor in the graph. Where it adds
/// nothing, the values of the bias, which take no part in the graph, stand in for the tensor.
pub fn untracked_epilogue<B: Backend, C: CheckpointStrategy>(
    epilogue: Epilogue<Autodiff<B, C>>,
    bias: &Tracked<B, C>,
) -> (Epilogue<B>, Addend, Tracked<B, C>) {
    match epilogue {
        Epilogue::None => {
            let constant = <Autodiff<B, C> as AutodiffBackend>::from_inner(bias.primitive().clone());
            (Epilogue::None, Addend::Nothing, constant)
        }
        Epilogue::SampleBias(x) => (Epilogue::SampleBias(x.primitive().clone()), Addend::SampleBias, x),
        Epilogue::Residual(x) => (Epilogue::Residual(x.primitive().clone()), Addend::Residual, x),
    }
}

/// The body of [`Kernels::conv2d`] on `Autodiff`.
pub fn tracked<B: KernelGradients, C: CheckpointStrategy>(
    x: Tracked<B, C>,
    weight: Tracked<B, C>,
    bias: Tracked<B, C>,
    epilogue: Epilogue<Autodiff<B, C>>,
    options: Conv2dOptions,
) -> Tracked<B, C> {
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
