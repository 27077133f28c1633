//! What multistep methods remember.

/// The outputs of the last steps, the newest first.
#[derive(Debug, Clone, Default)]
pub struct History {
    outputs: Vec<Vec<f32>>,
    /// Where each output was taken, in the quantity that the method interpolates over: λ, ln ρ or σ.
    nodes: Vec<f64>,
}

impl History {
    /// Keeps at most `order` outputs of even steps.
    pub fn push(&mut self, output: Vec<f32>, order: usize) {
        self.outputs.insert(0, output);
        self.outputs.truncate(order);
    }

    /// Keeps at most `order` outputs, this one taken at `node`. Where a run stands twice at one noise level (its
    /// timesteps are rounded), there is no slope between the two outputs: the newer replaces the older.
    pub fn push_at(&mut self, node: f64, output: Vec<f32>, order: usize) {
        if self.nodes.first() == Some(&node) {
            self.outputs.remove(0);
        } else {
            self.nodes.insert(0, node);
            self.nodes.truncate(order);
        }
        self.push(output, order);
    }

    /// The output of `age` steps ago.
    pub fn get(&self, age: usize) -> &[f32] {
        self.outputs.get(age).map(Vec::as_slice).unwrap_or_default()
    }

    /// Where the output of `age` steps ago was taken.
    pub fn node(&self, age: usize) -> f64 {
        self.nodes.get(age).copied().unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.outputs.len()
    }

    pub fn clear(&mut self) {
        self.outputs.clear();
        self.nodes.clear();
    }
}
