//! What a run and a step are asked to do, and the checks that hold for every scheduler.

use crate::error::check_finite;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// How `setTimesteps` is called. A scheduler refuses the fields that it does not know.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SetTimesteps {
    /// The number of steps; the scheduler's spacing says where they lie.
    pub num_inference_steps: Option<usize>,
    /// The steps themselves, descending, in place of their number.
    pub timesteps: Option<Vec<f64>>,
    /// The noise levels, descending, in place of timesteps; the last is where the run ends.
    pub sigmas: Option<Vec<f64>>,
    /// The shift of the noise levels that suits the resolution, where `useDynamicShifting` is set.
    pub mu: Option<f64>,
    /// The number of steps that the model was distilled on, in place of the configured one.
    pub original_inference_steps: Option<usize>,
    /// How much of the run is taken, from its end: above 0, at most 1, the default.
    pub strength: Option<f64>,
    /// RePaint: the steps between the places where the run jumps back. Default 10.
    pub jump_length: Option<usize>,
    /// RePaint: how often each stretch is run. Default 10.
    pub jump_n_sample: Option<usize>,
}

/// How the steps of a run are said.
pub(super) enum Steps<'a> {
    Count(usize),
    Timesteps(&'a [f64]),
    Sigmas(&'a [f64]),
}

/// What one step may be told. A scheduler refuses the fields that it does not know.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct StepOptions {
    /// How much fresh noise a step adds: 0 is deterministic (DDIM's default; TCD's is 0.3), 1 is all of it.
    pub eta: Option<f64>,
    /// Derive the noise again from the clipped estimate of x_0, as GLIDE does. Default false.
    pub use_clipped_model_output: Option<bool>,
    /// How much noise a step adds before it is taken (Karras et al. 2022, algorithm 2). Default 0.
    pub s_churn: Option<f64>,
    /// The lowest σ at which noise is added. Default 0.
    pub s_tmin: Option<f64>,
    /// The highest σ at which noise is added. Default: no limit.
    pub s_tmax: Option<f64>,
    /// The deviation of the noise that is added. Default 1.
    pub s_noise: Option<f64>,
    /// How many of the last steps a linear multistep method looks at: 1 to 4, the default.
    pub order: Option<usize>,
}

/// All that one step is given.
#[derive(Debug, Clone, Copy)]
pub struct StepInput<'a> {
    pub model_output: &'a [f32],
    pub timestep: f64,
    pub sample: &'a [f32],
    /// The sample's: batch, channels, height, width.
    pub shape: &'a [usize],
    pub options: &'a StepOptions,
    /// As many tensors of the sample's shape as `noise_draws` says, one after the other.
    pub noise: &'a [f32],
}

/// What one step gives.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOutput {
    pub prev_sample: Vec<f32>,
    /// The estimate of x_0, where the algorithm makes one.
    pub pred_original_sample: Option<Vec<f32>>,
}

impl StepInput<'_> {
    /// The lengths must agree with `shape`, and every number must be finite.
    pub(super) fn check(&self, outputs_per_value: usize, noise_draws: usize) -> Result<()> {
        let size = self.shape.iter().product::<usize>();
        if self.shape.len() < 2 || size == 0 {
            return Err(Error::shape("shape", "batch, channels and sizes, none zero", format!("{:?}", self.shape)));
        }
        self.check_values("sample", self.sample, size)?;
        self.check_values("modelOutput", self.model_output, outputs_per_value * size)?;
        self.check_values("noise", self.noise, noise_draws * size)
    }

    fn check_values(&self, argument: &str, values: &[f32], expected: usize) -> Result<()> {
        if values.len() != expected {
            let expected = format!("{expected} values for a sample of shape {:?}", self.shape);
            return Err(Error::shape(argument, expected, values.len()));
        }
        check_finite(argument, values)
    }

    /// The prediction and, where the model gives two values for each, the variance: the second half of the channels.
    pub(super) fn split_output(&self, outputs_per_value: usize) -> (Vec<f32>, Vec<f32>) {
        if outputs_per_value == 1 {
            return (self.model_output.to_vec(), Vec::new());
        }
        let size = self.sample.len() / self.batch();
        let mut halves = (Vec::with_capacity(self.sample.len()), Vec::with_capacity(self.sample.len()));
        for sample in self.model_output.chunks(2 * size) {
            let (prediction, variance) = sample.split_at(size);
            halves.0.extend_from_slice(prediction);
            halves.1.extend_from_slice(variance);
        }
        halves
    }

    /// Noise tensor number `index`.
    pub(super) fn noise_tensor(&self, index: usize) -> &[f32] {
        self.noise.chunks(self.sample.len()).nth(index).unwrap_or_default()
    }

    pub(super) fn batch(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }
}

impl StepOptions {
    /// What must hold for every scheduler that has the option.
    pub(super) fn check(&self) -> Result<()> {
        for (name, value) in [("sChurn", self.s_churn), ("sNoise", self.s_noise)] {
            if let Some(value) = value.filter(|value| *value < 0.0) {
                return Err(Error::argument(name, "a number of at least 0", value));
            }
        }
        Ok(())
    }

    pub(super) fn eta_or(&self, default: f64) -> Result<f32> {
        let eta = self.eta.unwrap_or(default);
        if !(0.0..=1.0).contains(&eta) {
            return Err(Error::argument("eta", "a number from 0 to 1", eta));
        }
        Ok(eta as f32)
    }
}

impl SetTimesteps {
    /// Exactly one of a number of steps (at most `limit`), timesteps and noise levels.
    pub(super) fn steps(&self, limit: usize) -> Result<Steps<'_>> {
        match (&self.timesteps, &self.sigmas) {
            (None, None) => self.step_count(limit).map(Steps::Count),
            (Some(_), Some(sigmas)) => Err(exclusive("sigmas", "timesteps", format!("{sigmas:?}"))),
            (Some(timesteps), None) => self.without_count("timesteps").map(|()| Steps::Timesteps(timesteps)),
            (None, Some(sigmas)) => self.without_count("sigmas").map(|()| Steps::Sigmas(sigmas)),
        }
    }

    fn without_count(&self, other: &str) -> Result<()> {
        self.num_inference_steps.map_or(Ok(()), |count| Err(exclusive("numInferenceSteps", other, count)))
    }

    /// The number of steps: at least one, at most `limit`.
    pub(super) fn step_count(&self, limit: usize) -> Result<usize> {
        match self.num_inference_steps {
            None => Err(Error::argument("numInferenceSteps", "a number of steps", "nothing")),
            Some(count) if (1..=limit).contains(&count) => Ok(count),
            Some(count) => {
                Err(Error::argument("numInferenceSteps", format!("1 to {limit} (numTrainTimesteps)"), count))
            }
        }
    }
}

fn exclusive(argument: &str, other: &str, got: impl ToString) -> Error {
    Error::argument(argument, format!("no value beside {other}: the two exclude each other"), got)
}

/// Refuses options that other schedulers have and this one does not.
pub(super) fn check_options<T: Serialize + Default + PartialEq>(
    options: &T,
    known: &[&str],
    class_name: &str,
) -> Result<()> {
    if *options == T::default() {
        return Ok(());
    }
    let options = serde_json::to_value(options).map_err(|error| Error::Internal(error.to_string()))?;
    let given = options.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    for (name, value) in given {
        if !known.contains(&name.as_str()) {
            let expected = format!("none: {class_name} takes {}", known.join(", "));
            return Err(Error::argument(name, expected, value));
        }
    }
    Ok(())
}

/// The number of values of one sample when `timesteps` is one for all or one for each.
pub(super) fn batch_of(name: &str, values: usize, timesteps: usize) -> Result<usize> {
    if values == 0 {
        return Err(Error::shape(name, "at least one value", values));
    }
    if timesteps == 0 || !values.is_multiple_of(timesteps) {
        return Err(Error::shape("timesteps", "one timestep, or one for each sample of the batch", timesteps));
    }
    Ok(values / timesteps)
}

/// A step's timestep must be one of the run's.
pub(super) fn check_timestep(timesteps: &[f64], timestep: f64) -> Result<()> {
    if timesteps.contains(&timestep) {
        return Ok(());
    }
    Err(Error::argument("timestep", "one of the scheduler's timesteps", timestep))
}

/// A step that needs what `setTimesteps` prepares.
pub(super) fn not_prepared() -> Error {
    Error::argument("timestep", "a call of setTimesteps before the first step", "none")
}
