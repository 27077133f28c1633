//! Between tensors of the CPU backend and slices; the memory of results is recycled from step to step.

use crate::kernels::cpu::buffers::Recycled;
use burn::backend::{Flex, tensor::FloatTensor};
use burn::tensor::{Bytes, DType, Shape};
use burn_flex::{FlexTensor, Layout};
use cubecl_environment::bytes::{AccessError, AccessPolicy, AllocationController, AllocationProperty};
use std::mem::MaybeUninit;

/// The tensor with its values in order of its shape, as [`values`] needs it.
pub fn contiguous(x: FloatTensor<Flex>) -> FlexTensor {
    if x.is_contiguous() { x } else { x.to_contiguous() }
}

/// The values of a contiguous f32 tensor. Models hold no others.
pub fn values(x: &FlexTensor) -> &[f32] {
    x.as_slice::<f32>().unwrap_or_default()
}

/// The values, to be changed in place: copied first where somebody else holds the tensor.
pub fn values_mut(x: &mut FlexTensor) -> &mut [f32] {
    x.storage_mut::<f32>()
}

/// A new tensor whose values `fill` writes, all of them.
pub fn filled<const D: usize>(shape: [usize; D], fill: impl FnOnce(&mut [f32])) -> FlexTensor {
    let mut buffer = Recycled::for_overwrite(shape.iter().product());
    fill(&mut buffer);
    tensor(buffer, shape)
}

/// A tensor over a buffer, which goes back to the pool with the tensor.
pub fn tensor<const D: usize>(buffer: Recycled, shape: [usize; D]) -> FlexTensor {
    let length = size_of_val::<[f32]>(&buffer);
    // SAFETY: the buffer's floats are initialised, and `length` is their size in bytes.
    let bytes = unsafe { Bytes::from_controller(Box::new(RecycledMemory(buffer)), length) };
    FlexTensor::new(bytes, Layout::contiguous(Shape::new(shape)), DType::F32)
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
