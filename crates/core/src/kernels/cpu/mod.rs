//! The kernels of the CPU: plain functions over slices, no tensors.
//!
//! Activations are NHWC, convolution weights HWIO (`[kernel height][kernel width][in][out]`), linear weights `[in][out]`.
//! Callers have validated shapes; a slice of the wrong length is a bug of this crate and stops at an assertion.

// Kernels index arrays of registers by numbers known when compiling; iterators hide that behind closures (see `simd`).
#![allow(clippy::needless_range_loop)]

mod epilogue;
mod microkernel;
mod parallel;
mod simd;

pub mod adamw;
pub mod attention;
pub mod average;
pub mod bfloat16;
pub mod buffers;
pub mod conv_direct;
pub mod elementwise;
pub mod gemm;
pub mod group_norm;
pub mod reduce;
#[cfg(any(test, target_family = "wasm"))]
pub mod threads;
pub mod winograd;

pub use epilogue::Epilogue;
#[cfg(test)]
pub use simd::Isa;

#[cfg(test)]
mod reference;
