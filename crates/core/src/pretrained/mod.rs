//! The files of diffusers, read and written in memory: configurations, weights and indices of sharded weights.
//!
//! Text and bytes come in and go out; opening files is the caller's work. The only place that knows the snake_case
//! keys of Python and the weight names of older versions.

pub mod config;
mod content;
mod element;
mod names;
mod pickle;
pub mod python_json;
pub mod safetensors;
pub mod shards;
mod source;
mod torch_bin;
mod torch_legacy;
mod torch_storage;
pub mod unused;
pub mod weights;
mod zip;

/// The result of reading one file, or what is wrong with it; the caller, who knows the file's name, makes it an error.
type Read<T> = std::result::Result<T, String>;
