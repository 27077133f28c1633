//! Neural networks in the shape that diffusers gave them: fields and keys have its names.

mod attention;
mod embeddings;
mod gradient_checkpointing;
mod inputs;
mod layers;
mod loss_scale;
mod parameter_order;
mod parameters;
mod resampling;
mod resnet;
mod unet_2d;
mod unet_2d_blocks;
mod unet_2d_config;
mod unet_2d_mid_block;
mod unet_2d_skip_blocks;

pub use inputs::{Inputs, OwnedInputs};
pub use loss_scale::LossScale;
pub use parameters::{Parameter, Parameters, Source, download, to_nchw};
pub use unet_2d::{UNet2DModel, from_nchw};
pub use unet_2d_config::{ActivationFunction, UNet2DModelConfig};
