//! Whether a model only predicts just now: weights then stay as they are, and what is made of them can be kept.

use std::cell::Cell;

thread_local! {
    static PREDICTING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `predict` with transformed weights kept from one run to the next.
pub fn keep_packed_weights<R>(predict: impl FnOnce() -> R) -> R {
    PREDICTING.set(true);
    let result = predict();
    PREDICTING.set(false);
    result
}

/// Whether transformed weights are kept just now.
pub fn keeps_packed_weights() -> bool {
    PREDICTING.get()
}
