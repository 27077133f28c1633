//! The WebAssembly module: the core's bindings as JavaScript classes.

use wasm_bindgen::prelude::*;

type Result<T> = std::result::Result<T, JsError>;

fn error(error: emberwing_core::Error) -> JsError {
    JsError::new(&error.to_string())
}

emberwing_core::bindings!(wasm_bindgen, Vec<f32>, Vec<f64>, Vec<i32>, Vec<u32>, Vec<u8>, Result, error);
