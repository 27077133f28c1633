//! The definitions of the operations, out of burn operations alone. The tests hold every backend's fast bodies, and the
//! backward passes written by hand, against them. Graphics cards take attention with large heads from here.

#[cfg(test)]
mod adamw;
#[cfg(any(test, feature = "gpu"))]
mod attention;
#[cfg(test)]
mod conv2d;
#[cfg(test)]
mod group_norm;
#[cfg(test)]
mod linear;
#[cfg(test)]
mod moving_average;

#[cfg(test)]
pub use adamw::{adamw, sum_of_squares};
#[cfg(any(test, feature = "gpu"))]
pub use attention::{attention, attention_backward};
#[cfg(test)]
pub use conv2d::{channel_sums, conv2d, conv2d_input_gradient, conv2d_weight_gradient};
#[cfg(test)]
pub use group_norm::{group_norm, group_norm_backward};
#[cfg(test)]
pub use linear::{linear, linear_backward};
#[cfg(test)]
pub use moving_average::moving_average;
