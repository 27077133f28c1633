//! What a reader brings from a weights file: its tensors, in the number format of the file.

use super::element::{ByteOrder, ElementType};
use super::names::{current_shape, renamed};
use super::unused::quantised;
use std::collections::BTreeMap;

/// A tensor of a file, by the file's name for it.
pub(super) struct FileTensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Values(Values),
    /// Passed over: nobody asked for it.
    Unwanted,
    /// In a number format of this name, which nothing here reads.
    Foreign(String),
}

/// Elements row by row, as they stand in the file.
#[derive(Debug)]
pub(super) struct Values {
    pub element: ElementType,
    pub order: ByteOrder,
    pub bytes: Vec<u8>,
}

impl Values {
    pub fn decode(&self) -> Vec<f32> {
        self.element.decode(&self.bytes, self.order)
    }
}

/// The tensors that are looked for, with their shapes; the others of a file are not read.
#[derive(Debug, Default)]
pub(super) struct Wanted(Option<BTreeMap<String, Vec<usize>>>);

impl Wanted {
    pub fn only(tensors: BTreeMap<String, Vec<usize>>) -> Self {
        Self(Some(tensors))
    }

    /// One of another shape than the model's is refused later, and need not be read for that.
    pub fn has(&self, name: &str, shape: &[usize]) -> bool {
        let Some(tensors) = &self.0 else { return true };
        match renamed(name) {
            Some(current) => tensors.get(&current).is_some_and(|wanted| *wanted == current_shape(shape)),
            // The values of a scale say whether it changes anything.
            None => quantised(name).is_some() || tensors.get(name).is_some_and(|wanted| wanted == shape),
        }
    }
}
