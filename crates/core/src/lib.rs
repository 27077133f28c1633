//! The arithmetic of emberwing: schedulers, models, training and files of diffusion models.
//!
//! Bindings stand on pipelines and training, these on models and schedulers, these on kernels, random and error.
//! Nothing here knows JavaScript except `bindings`; nothing here reads or writes files: bytes come in and go out.

pub mod error;
pub mod json;

pub use error::{Error, Result};
