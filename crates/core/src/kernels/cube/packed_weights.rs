//! Transformed convolution weights, kept while a model only predicts: sampling uses them for hundreds of steps.

use super::winograd::Weights;
use burn_cubecl::tensor::CubeTensor;
use std::sync::{Mutex, PoisonError};

struct Kept {
    /// Held, so that nobody changes the weights in place: who has them to himself may do so.
    weights: CubeTensor,
    transformed: Weights,
}

impl Kept {
    /// Whether somebody else still has the weights.
    fn is_used(&self) -> bool {
        !self.weights.handle.can_mut()
    }

    fn is_of(&self, weight: &CubeTensor) -> bool {
        let (kept, asked) = (&self.weights.handle, &weight.handle);
        kept.memory.descriptor() == asked.memory.descriptor() && kept.offset_start == asked.offset_start
    }
}

static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// The weights of a forward convolution, transformed, and kept.
pub fn packed(weight: &CubeTensor, c_in: usize, c_out: usize) -> Weights {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = kept.iter().find(|entry| entry.is_of(weight)) {
        return found.transformed.clone();
    }
    kept.retain(Kept::is_used);
    let transformed = Weights::forward(weight, c_in, c_out);
    kept.push(Kept { weights: weight.clone(), transformed: transformed.clone() });
    transformed
}

/// Forgets the transforms of weights that are gone.
pub fn forget_packed_weights() {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).retain(Kept::is_used);
}
