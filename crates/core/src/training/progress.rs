//! How far a run is.

use serde::{Deserialize, Serialize};

/// Steps and epochs, and the losses of the epoch under way. Plain data, so that a checkpoint can hold it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Optimizer steps that were done.
    pub step: usize,
    /// The epoch under way, from 1.
    pub epoch: usize,
    /// Widened to double precision: as text, a float32 would have to be rounded twice on the way back.
    epoch_losses: Vec<f64>,
    /// Mean loss of the epoch before.
    pub last_epoch_loss: f64,
}

impl Default for Progress {
    fn default() -> Self {
        Self { step: 0, epoch: 1, epoch_losses: Vec::new(), last_epoch_loss: 0.0 }
    }
}

impl Progress {
    /// Counts a step, which was skipped where there is no loss; returns its number and its epoch.
    pub fn count_step(&mut self, loss: Option<f32>) -> (usize, usize) {
        self.step += 1;
        self.epoch_losses.extend(loss.map(f64::from));
        (self.step, self.epoch)
    }

    /// Goes on to the next epoch; returns the one that ended.
    pub fn close_epoch(&mut self) -> usize {
        self.take_mean();
        self.epoch += 1;
        self.epoch - 1
    }

    /// Takes the mean of the losses since the last epoch ended, if there are any.
    pub fn take_mean(&mut self) {
        if !self.epoch_losses.is_empty() {
            self.last_epoch_loss = self.epoch_losses.iter().sum::<f64>() / self.epoch_losses.len() as f64;
            self.epoch_losses.clear();
        }
    }

    /// A run of which only the number of steps is known, such as one of Python's.
    pub fn at_step(step: usize, steps_per_epoch: usize) -> Self {
        Self { step, epoch: step / steps_per_epoch.max(1) + 1, ..Self::default() }
    }
}
