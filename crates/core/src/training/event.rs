//! What a run reports.

use serde::Serialize;

/// What happens in a run, in the order in which it happens.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(
    test,
    derive(ts_rs::TS),
    ts(export, tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TrainingEvent {
    /// Before the first step; `step` is how many were done already, by the run that a checkpoint is from.
    Start { steps: usize, epochs: usize, steps_per_epoch: usize, parameters: usize, images: usize, step: usize },
    /// Something that the run goes on without, such as a damaged checkpoint or a picture that does not decode.
    Warning { message: String },
    /// After an optimizer step; steps and epochs count from 1, `images` is how many it saw. `grad_norm` is the length of
    /// the gradients before clipping.
    Step {
        step: usize,
        epoch: usize,
        loss: f32,
        learning_rate: f64,
        grad_norm: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        ema_decay: Option<f64>,
        images: usize,
    },
    /// In place of `step`, where `nan` is "skip" and the loss or the gradients were not finite: nothing was changed.
    Skipped { step: usize, epoch: usize, problem: String },
    /// After an epoch, with its mean loss.
    Epoch { epoch: usize, step: usize, loss: f64 },
    /// After the last step, with the mean loss of the last epoch.
    Done { steps: usize, epochs: usize, loss: f64 },
}
