//! Transformed convolution weights, kept while a model only predicts.
//!
//! Training changes the weights at every step, so nothing is kept there; sampling uses them for hundreds of steps.

use crate::kernels::cpu::winograd::{Direction, PackedWeights, Tile};
use burn::tensor::Bytes;
use burn_flex::FlexTensor;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};

struct Kept {
    /// While it can be upgraded, no other weights can lie at the same address, and nobody changes them in place.
    weights: Weak<Bytes>,
    packed: Rc<PackedWeights>,
}

thread_local! {
    static KEEPING: Cell<bool> = const { Cell::new(false) };
    static KEPT: RefCell<HashMap<(usize, u8), Kept>> = RefCell::new(HashMap::new());
}

/// Runs `predict` with transformed weights kept from one run to the next.
pub fn keep_packed_weights<R>(predict: impl FnOnce() -> R) -> R {
    KEEPING.set(true);
    let result = predict();
    KEEPING.set(false);
    result
}

/// Whether transformed weights are kept just now.
pub fn keeps_packed_weights() -> bool {
    KEEPING.get()
}

/// The weights of a forward convolution, transformed for tiles of this size, and kept.
pub fn packed(weight: &FlexTensor, values: &[f32], channels: [usize; 2], tile: Tile) -> Rc<PackedWeights> {
    let pack = || Rc::new(PackedWeights::new(values, channels[0], channels[1], tile, Direction::Forward));
    let storage = weight.data_arc();
    let key = (Arc::as_ptr(&storage) as usize, tile as u8);
    KEPT.with_borrow_mut(|kept| {
        kept.retain(|_, entry| entry.weights.strong_count() > 0);
        let entry = kept.entry(key).or_insert_with(|| Kept { weights: Arc::downgrade(&storage), packed: pack() });
        entry.packed.clone()
    })
}
