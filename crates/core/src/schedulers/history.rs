//! What multistep methods remember.

/// The outputs of the last steps, the newest first.
#[derive(Debug, Clone, Default)]
pub struct History {
    outputs: Vec<Vec<f32>>,
}

impl History {
    /// Keeps at most `order` outputs.
    pub fn push(&mut self, output: Vec<f32>, order: usize) {
        self.outputs.insert(0, output);
        self.outputs.truncate(order);
    }

    /// The output of `age` steps ago.
    pub fn get(&self, age: usize) -> &[f32] {
        self.outputs.get(age).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.outputs.len()
    }

    pub fn clear(&mut self) {
        self.outputs.clear();
    }
}
