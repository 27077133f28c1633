//! Transformed convolution weights, kept while a model only predicts.
//!
//! Training changes the weights at every step, so nothing is kept there; sampling uses them for hundreds of steps.

use crate::kernels::cpu::winograd::{Direction, PackedWeights, Tile};
use burn::tensor::Bytes;
use burn_flex::FlexTensor;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

struct Kept {
    /// While it can be upgraded, no other weights can lie at the same address, and nobody changes them in place.
    weights: Weak<Bytes>,
    packed: Arc<PackedWeights>,
}

/// By the address of the weights and the size of the tiles. One for the process: the runs of a model may come on
/// different threads.
static KEPT: LazyLock<Mutex<HashMap<(usize, u8), Kept>>> = LazyLock::new(Mutex::default);

/// The weights of a forward convolution, transformed for tiles of this size, and kept.
pub fn packed(weight: &FlexTensor, values: &[f32], channels: [usize; 2], tile: Tile) -> Arc<PackedWeights> {
    let pack = || Arc::new(PackedWeights::new(values, channels[0], channels[1], tile, Direction::Forward));
    let storage = weight.data_arc();
    let key = (Arc::as_ptr(&storage) as usize, tile as u8);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.retain(|_, entry| entry.weights.strong_count() > 0);
    let entry = kept.entry(key).or_insert_with(|| Kept { weights: Arc::downgrade(&storage), packed: pack() });
    entry.packed.clone()
}

/// Forgets the transforms of weights that are gone.
pub fn forget_packed_weights() {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.retain(|_, entry| entry.weights.strong_count() > 0);
}
