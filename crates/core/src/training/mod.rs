//! Training: the loss and its gradients, the optimizer, and the loop.

mod adamw;
mod checkpoint;
mod ema;
mod event;
mod loss;
mod lr_schedule;
mod noise;
mod options;
mod progress;
mod scaled_backward;
mod snr_weights;
mod trainer;

pub use adamw::{AdamW, AdamWOptions, clip_factor, gradient_norm};
pub use checkpoint::{Checkpoint, ema_config, without_ema_options};
pub use ema::{Ema, EmaOptions};
pub use event::TrainingEvent;
pub use loss::{Prediction, Target, mse_backward};
pub use lr_schedule::{LrSchedule, LrScheduleOptions, LrScheduler};
pub use options::{NanPolicy, TrainerOptions};
pub use snr_weights::snr_weights;
pub use trainer::Trainer;
