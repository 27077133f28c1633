//! Arithmetic on whole tensors, where the order of the values does not matter.

/// Σ wᵢ·xᵢ, summed in the order of the terms.
pub fn weighted_sum<const N: usize>(terms: [(f32, &[f32]); N]) -> Vec<f32> {
    let mut sum = vec![0.0; terms.first().map_or(0, |(_, values)| values.len())];
    for (weight, values) in terms {
        add_scaled(&mut sum, weight, values);
    }
    sum
}

/// x ← x + w·y.
pub fn add_scaled(sum: &mut [f32], weight: f32, values: &[f32]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += weight * value;
    }
}

/// f(x, y) value by value.
pub fn zip_with(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    x.iter().zip(y).map(|(x, y)| f(*x, *y)).collect()
}
