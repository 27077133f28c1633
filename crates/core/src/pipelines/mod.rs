//! Sampling: from noise to pictures.

mod denoising;

pub use denoising::{Denoising, Start, begin_index};
