//! The WebAssembly module: the core's bindings as JavaScript classes, and what a page says of its graphics card.

use wasm_bindgen::prelude::*;

type Result<T> = std::result::Result<T, JsError>;

fn error(error: emberwing_core::Error) -> JsError {
    JsError::new(&error.to_string())
}

emberwing_core::bindings!(wasm_bindgen, Vec<f32>, Vec<f64>, Vec<i32>, Vec<u32>, Vec<u8>, Result, error);

#[wasm_bindgen(js_name = "explainAbsence")]
pub fn explain_absence(reason: String) {
    emberwing_core::device::explain_absence(reason);
}

#[cfg(feature = "gpu")]
#[wasm_bindgen(js_name = "openGraphicsCard")]
pub async fn open_graphics_card(name: String, software: bool) -> Result<()> {
    emberwing_core::bindings::self_test::open_graphics_card(name, software).await.map_err(error)
}
