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

/// Makes the calling worker a thread of the module whose memory it shares. It does not return.
#[cfg(target_feature = "atomics")]
#[wasm_bindgen(js_name = "joinThreads")]
pub fn join_threads() {
    emberwing_core::kernels::threads::THREADS.join();
}

/// For a worker that [`join_threads`] has thrown out.
#[cfg(target_feature = "atomics")]
#[wasm_bindgen(js_name = "loseThread")]
pub fn lose_thread() {
    emberwing_core::kernels::threads::THREADS.lose();
}

/// The module and its memory, for the workers that are to share them.
#[cfg(target_feature = "atomics")]
#[wasm_bindgen(js_name = "sharedModule")]
pub fn shared_module() -> Vec<JsValue> {
    vec![wasm_bindgen::module(), wasm_bindgen::memory()]
}

/// Fills the registers of the kernels' compiler, once, when the module starts. The linker adds that to the start of *every* exported
/// function of a module that does not ask for it, and the browser's answers come in through such functions: nine tenths of a train
/// step were spent there.
#[cfg(feature = "gpu")]
#[wasm_bindgen(start)]
fn run_constructors() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: made by the linker; what it calls may be called at any time (`inventory`'s documentation).
    unsafe { __wasm_call_ctors() };
}

#[cfg(feature = "gpu")]
#[wasm_bindgen(js_name = "openGraphicsCard")]
pub async fn open_graphics_card(name: String, software: bool) -> Result<()> {
    emberwing_core::bindings::self_test::open_graphics_card(name, software).await.map_err(error)
}
