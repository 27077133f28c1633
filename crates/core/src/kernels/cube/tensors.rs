//! burn's tensors on a graphics card as the buffers of our kernels.

use burn::backend::TensorMetadata;
use burn::tensor::Shape;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::client::Client;
use cubecl::prelude::*;

/// Threads of a workgroup: what every adapter offers.
pub const THREADS: u32 = 256;

/// The same values in the order of the shape.
pub fn contiguous(x: CubeTensor) -> CubeTensor {
    into_contiguous(x)
}

/// A tensor beside `like`, with whatever the memory holds.
pub fn empty<const D: usize>(like: &CubeTensor, shape: [usize; D]) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), Shape::new(shape), like.dtype)
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
