//! Training: the loss and its gradients, the optimizer, and the loop.

mod adamw;
mod loss;
mod trainer;

pub use adamw::{AdamW, AdamWOptions};
pub use loss::{Prediction, Target, mse_backward};
pub use trainer::{Trainer, TrainerOptions, TrainingEvent};
