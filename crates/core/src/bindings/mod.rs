//! The list of what JavaScript sees, in four parts; `crates/node` and `crates/wasm` each expand it. `ts/src/core.ts` is its contract.
//!
//! Bulk data come as typed arrays, options as JSON text. Asynchronous methods put their work on the worker thread with
//! [`run`](crate::handle::run).

mod files;
mod host;
mod models;
mod runs;
#[cfg(all(feature = "gpu", target_family = "wasm"))]
pub mod self_test;
pub mod support;
pub mod training_run;

/// Expands to the exported classes and functions.
///
/// - `$bind`: the attribute that exports (`napi` or `wasm_bindgen`)
/// - `$Floats`, `$Doubles`, `$Ints`, `$Sizes`, `$Bytes`: typed arrays of f32, f64, i32, u32 and u8
/// - `$Result`, `$error`: the binding's result type, and the function that makes its error of ours
#[macro_export]
macro_rules! bindings {
    ($bind:ident, $Floats:ty, $Doubles:ty, $Ints:ty, $Sizes:ty, $Bytes:ty, $Result:ident, $error:ident) => {
        $crate::host_bindings!($bind, $Floats, $Doubles, $Ints, $Sizes, $Bytes, $Result, $error);
        $crate::file_bindings!($bind, $Floats, $Sizes, $Bytes, $Result, $error);
        $crate::model_bindings!($bind, $Floats, $Sizes, $Bytes, $Result, $error);
        $crate::run_bindings!($bind, $Floats, $Sizes, $Bytes, $Result, $error);
    };
}
