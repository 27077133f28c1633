//! The Node addon: the core's bindings as N-API classes.

use napi::bindgen_prelude::*;
use napi_derive::napi;

/// See its module: the memory of one training step serves the next.
#[global_allocator]
static ALLOCATOR: emberwing_core::recycling_allocator::RecyclingAllocator =
    emberwing_core::recycling_allocator::RecyclingAllocator;

fn error(error: emberwing_core::Error) -> Error {
    Error::from_reason(error.to_string())
}

emberwing_core::bindings!(napi, Float32Array, Float64Array, Int32Array, Uint32Array, Uint8Array, Result, error);

/// Tells V8 that objects of the core hold so many bytes more, or less.
#[napi(js_name = "announceMemory")]
pub fn announce_memory(env: Env, bytes: f64) -> Result<()> {
    env.adjust_external_memory(bytes as i64).map(|_| ())
}

#[napi_derive::module_init]
fn init() {
    emberwing_core::handle::silence_panics();
}
