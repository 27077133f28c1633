//! Matrix product with bias out of burn operations.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::Shape;

/// The definition of [`crate::kernels::linear`].
pub fn linear<B: Backend>(x: FloatTensor<B>, weight: FloatTensor<B>, bias: FloatTensor<B>) -> FloatTensor<B> {
    let [outputs] = bias.shape().dims();
    B::float_add(B::float_matmul(x, weight), B::float_reshape(bias, Shape::new([1, outputs])))
}

/// The plain body of [`crate::kernels::KernelGradients::linear_backward`]: dx = dy·Wᵀ, dW = xᵀ·dy, db = Σ dy.
pub fn linear_backward<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    gradient: FloatTensor<B>,
    needs_input_gradient: bool,
) -> (Option<FloatTensor<B>>, FloatTensor<B>, FloatTensor<B>) {
    let [_, outputs] = gradient.shape().dims();
    let dx = needs_input_gradient.then(|| B::float_matmul(gradient.clone(), B::float_transpose(weight)));
    let dw = B::float_matmul(B::float_transpose(x), gradient.clone());
    (dx, dw, B::float_reshape(B::float_sum_dim(gradient, 0), Shape::new([outputs])))
}
