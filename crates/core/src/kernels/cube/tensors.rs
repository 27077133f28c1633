//! burn's tensors on a graphics card as the buffers of our kernels.

use burn::backend::TensorMetadata;
use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::client::Client;
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::*;

/// Threads of a workgroup: what every adapter offers.
pub const THREADS: u32 = 256;

/// The same values in the order of the shape.
pub fn contiguous(x: CubeTensor) -> CubeTensor {
    into_contiguous(x)
}

/// A tensor beside `like` and of its number format, with whatever the memory holds.
pub fn empty<const D: usize>(like: &CubeTensor, shape: [usize; D]) -> CubeTensor {
    empty_of(like.dtype, like, shape)
}

/// A tensor of float32 beside `like`: what is summed up, and what parameters get.
pub fn empty_float32<const D: usize>(like: &CubeTensor, shape: [usize; D]) -> CubeTensor {
    empty_of(DType::F32, like, shape)
}

fn empty_of<const D: usize>(dtype: DType, like: &CubeTensor, shape: [usize; D]) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), Shape::new(shape), dtype)
}

/// How a kernel is told the number format of a buffer. Activations are float32 or float16; all arithmetic is float32.
pub fn element(x: &CubeTensor) -> ElemType {
    ElemType::Float(if x.dtype == DType::F16 { FloatKind::F16 } else { FloatKind::F32 })
}

/// Values of a buffer as what is calculated with.
#[cube]
pub fn widen<E: Float, N: Size>(x: Vector<E, N>) -> Vector<f32, N> {
    Vector::<f32, N>::cast_from(x)
}

/// Calculated values as a buffer holds them.
#[cube]
pub fn narrow<E: Float, N: Size>(x: Vector<f32, N>) -> Vector<E, N> {
    Vector::<E, N>::cast_from(x)
}

pub fn len(x: &CubeTensor) -> usize {
    x.shape().num_elements()
}

/// A contiguous tensor as an argument of a kernel.
pub fn buffer(x: &CubeTensor) -> BufferArg {
    // SAFETY: a contiguous tensor has as many elements as its shape says.
    unsafe { BufferArg::from_raw_parts(x.handle.clone(), len(x)) }
}

/// Values that a load moves at once where all rows are `row` values long.
pub fn vector_size(row: usize) -> usize {
    if row.is_multiple_of(4) { 4 } else { 1 }
}

/// Workgroups so that there is a thread for each of `count` elements; `ABSOLUTE_POS` counts them.
pub fn elementwise(client: &Client, count: usize) -> (CubeCount, CubeDim) {
    let threads = CubeDim::new_1d(THREADS);
    (cubecl::calculate_cube_count_elemwise(client, count, threads), threads)
}
