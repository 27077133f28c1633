//! Between tensors of the CPU backend and slices; the memory of results is recycled from step to step.

use crate::kernels::cpu::bfloat16;
use crate::kernels::cpu::buffers::Recycled;
use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{Bytes, DType, Shape};
use burn_flex::{FlexTensor, Layout};
use cubecl_environment::bytes::{AccessError, AccessPolicy, AllocationController, AllocationProperty};
use half::bf16;
use std::mem::MaybeUninit;

/// The tensor in float32, with its values in order of its shape, as [`values`] needs it.
pub fn contiguous(x: FloatTensor<Flex>) -> FlexTensor {
    let x = if x.is_contiguous() { x } else { x.to_contiguous() };
    match x.as_slice::<bf16>() {
        Some(narrow) => filled_as(x.shape(), |wide| bfloat16::widen(narrow, wide)),
        None => x,
    }
}

/// A result, calculated in float32, in the number format of the activations around it.
pub fn stored(y: FlexTensor, float_type: DType) -> FlexTensor {
    if float_type != DType::BF16 {
        return y;
    }
    let mut buffer = Recycled::for_overwrite(y.shape().num_elements().div_ceil(2));
    bfloat16::narrow(values(&y), halves(&mut buffer, y.shape().num_elements()));
    tensor(buffer, y.shape(), DType::BF16)
}

/// A buffer as numbers of half the size.
fn halves(buffer: &mut [f32], length: usize) -> &mut [bf16] {
    assert!(length.div_ceil(2) <= buffer.len(), "numbers of half the size");
    // SAFETY: `length` numbers of half a float's size and alignment lie in the buffer, whose floats are initialised; each
    // pattern of 16 bits is a bfloat16.
    unsafe { std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast(), length) }
}

/// The values of a tensor that is [`contiguous`].
pub fn values(x: &FlexTensor) -> &[f32] {
    x.as_slice::<f32>().unwrap_or_default()
}

/// The values of a tensor that is [`contiguous`], to be changed in place: copied first where somebody else holds the tensor.
pub fn values_mut(x: &mut FlexTensor) -> &mut [f32] {
    let (start, end) = x.layout().contiguous_offsets().unwrap_or_default();
    &mut x.storage_mut::<f32>()[start..end]
}

/// A new tensor whose values `fill` writes, all of them.
pub fn filled<const D: usize>(shape: [usize; D], fill: impl FnOnce(&mut [f32])) -> FlexTensor {
    filled_as(Shape::new(shape), fill)
}

fn filled_as(shape: Shape, fill: impl FnOnce(&mut [f32])) -> FlexTensor {
    let mut buffer = Recycled::for_overwrite(shape.num_elements());
    fill(&mut buffer);
    tensor(buffer, shape, DType::F32)
}

/// A tensor over a buffer, which goes back to the pool with the tensor.
fn tensor(buffer: Recycled, shape: Shape, float_type: DType) -> FlexTensor {
    let length = shape.num_elements() * float_type.size();
    assert!(length <= size_of_val::<[f32]>(&buffer), "the values of a tensor");
    // SAFETY: the buffer's floats are initialised, and `length` bytes lie in them.
    let bytes = unsafe { Bytes::from_controller(Box::new(RecycledMemory(buffer)), length) };
    FlexTensor::new(bytes, Layout::contiguous(shape), float_type)
}

/// The memory of a tensor that returns to the pool of buffers.
struct RecycledMemory(Recycled);

impl AllocationController for RecycledMemory {
    fn alloc_align(&self) -> usize {
        align_of::<f32>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(&mut self, _: AccessPolicy) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let floats: &mut [f32] = &mut self.0;
        // SAFETY: floats are initialised bytes of four times their number; the caller writes initialised bytes only.
        Ok(unsafe { std::slice::from_raw_parts_mut(floats.as_mut_ptr().cast(), size_of_val(floats)) })
    }

    fn memory(&self, _: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let floats: &[f32] = &self.0;
        // SAFETY: floats are initialised bytes of four times their number.
        Ok(unsafe { std::slice::from_raw_parts(floats.as_ptr().cast(), size_of_val(floats)) })
    }
}
