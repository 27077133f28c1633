//! The definitions of the operations, out of burn operations alone. The tests hold every backend's fast bodies, and the
//! backward passes written by hand, against them.

mod adamw;
mod attention;
mod conv2d;
mod group_norm;
mod linear;

pub use adamw::{adamw, sum_of_squares};
pub use attention::{attention, attention_backward};
pub use conv2d::{channel_sums, conv2d, conv2d_input_gradient, conv2d_weight_gradient};
pub use group_norm::{group_norm, group_norm_backward};
pub use linear::{linear, linear_backward};
