//! Golden values for the integration tests; `test/fixtures/make.py` wrote them.

#![allow(clippy::panic, clippy::unwrap_used)]

use std::collections::HashMap;
use std::path::PathBuf;

/// Name → (shape, values).
pub type Tensors = HashMap<String, (Vec<usize>, Vec<f32>)>;

fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures").join(path)
}

pub fn read(path: &str) -> Vec<u8> {
    std::fs::read(fixture(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Reads a safetensors file whose tensors are float32 or float64.
pub fn load_safetensors(path: &str) -> Tensors {
    let bytes = read(path);
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap_or_else(|error| panic!("{path}: {error}"));
    let values = |view: &safetensors::tensor::TensorView| match view.dtype() {
        safetensors::Dtype::F32 => view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        safetensors::Dtype::F64 => view.data().as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        other => panic!("{path}: unexpected dtype {other:?}"),
    };
    file.iter().map(|(name, view)| (name.to_owned(), (view.shape().to_vec(), values(&view)))).collect()
}

/// Fails where `got` is further from `want` than `tolerance`, relative to the larger of 1 and the wanted value.
pub fn assert_close(what: &str, got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len(), "{what}: number of values");
    for (index, (got, want)) in got.iter().zip(want).enumerate() {
        let error = (got - want).abs() / want.abs().max(1.0);
        assert!(error <= tolerance, "{what}[{index}]: got {got}, want {want}");
    }
}
