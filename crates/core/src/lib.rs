//! The arithmetic of emberwing: schedulers, models, training and files of diffusion models.
//!
//! Bindings stand on pipelines and training, these on models and schedulers, these on kernels, random and error.
//! Nothing here knows JavaScript except `bindings`; nothing here reads or writes files: bytes come in and go out.

pub mod bindings;
pub mod data;
pub mod device;
pub mod error;
mod float_type;
pub mod handle;
pub mod json;
pub mod kernels;
pub mod memory;
pub mod models;
pub mod pipelines;
pub mod pretrained;
pub mod random;
#[cfg(not(target_family = "wasm"))]
pub mod recycling_allocator;
pub mod schedulers;
pub mod training;

pub use error::{Error, Result};
pub use float_type::FloatType;
