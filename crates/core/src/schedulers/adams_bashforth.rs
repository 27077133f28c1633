//! The linear multistep method of Adams and Bashforth on even steps.

use super::elementwise::weighted_sum;
use super::history::History;

/// The steps that the method looks back on.
pub const ORDER: usize = 4;

/// The slope over the next step, from the slopes of as many steps as there are.
pub fn adams_bashforth(history: &History) -> Vec<f32> {
    let weights: [f32; ORDER] = match history.len() {
        1 => [1.0, 0.0, 0.0, 0.0],
        2 => [3.0 / 2.0, -1.0 / 2.0, 0.0, 0.0],
        3 => [23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0, 0.0],
        _ => [55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
    };
    weighted_sum(std::array::from_fn::<_, ORDER, _>(|age| (weights[age], history.get(age))))
}
