//! The files of diffusers, read and written in memory: configurations, weights and indices of sharded weights.
//!
//! Text and bytes come in and go out; opening files is the caller's work. The only place that knows the snake_case
//! keys of Python and the weight names of older versions.

pub mod config;
mod element;
mod names;
mod pickle;
pub mod python_json;
pub mod safetensors;
pub mod shards;
mod torch_bin;
pub mod weights;

/// The result of reading one file, or what is wrong with it; the caller, who knows the file's name, makes it an error.
type Read<T> = std::result::Result<T, String>;
