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

/// Far beyond any run, and exact in every number format that a count passes through.
const MOST_STEPS: usize = u32::MAX as usize;

impl Progress {
    /// Whether a run can have come this far.
    pub fn is_possible(&self) -> bool {
        let counts = self.step <= MOST_STEPS && (1..=MOST_STEPS).contains(&self.epoch);
        counts && self.epoch_losses.len() <= self.step
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_run_can_have_reached_is_told() {
        let reached =
            |step, epoch, losses| Progress { step, epoch, epoch_losses: vec![0.5; losses], last_epoch_loss: 0.0 };
        assert!(reached(0, 1, 0).is_possible() && reached(7, 3, 2).is_possible());
        for impossible in [reached(usize::MAX, 1, 0), reached(3, 0, 0), reached(3, usize::MAX, 0), reached(1, 1, 2)] {
            assert!(!impossible.is_possible(), "{impossible:?}");
        }
    }
}
