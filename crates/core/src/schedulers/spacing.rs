//! Which of the training timesteps a run visits (Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are
//! Flawed", table 2).

use super::options::SetTimesteps;
use super::sigmas::ramp;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// How the steps of a run are spread over the training timesteps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum TimestepSpacing {
    /// Both ends are visited.
    Linspace,
    /// Multiples of T // n from 0: the last training step is not visited.
    Leading,
    /// Multiples of T / n down from T: step 0 is not visited.
    Trailing,
}

/// The options of the spacing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Spacing {
    /// How the steps of a run are spread over the training timesteps. Default "leading" (σ-schedulers: "linspace").
    pub timestep_spacing: TimestepSpacing,
    /// Added to every timestep of "leading" spacing; some models were trained for 1. Default 0.
    pub steps_offset: usize,
}

impl Spacing {
    pub const LEADING: Self = Self { timestep_spacing: TimestepSpacing::Leading, steps_offset: 0 };
    pub const LINSPACE: Self = Self { timestep_spacing: TimestepSpacing::Linspace, steps_offset: 0 };

    /// `count` timesteps, descending. Those of "linspace" are not rounded.
    pub fn descending(&self, train: usize, count: usize) -> Vec<f64> {
        let leading = |i: usize| ((count - 1 - i) * (train / count) + self.steps_offset) as f64;
        match self.timestep_spacing {
            TimestepSpacing::Linspace => linspace_descending(train, count),
            TimestepSpacing::Leading => (0..count).map(leading).collect(),
            TimestepSpacing::Trailing => trailing(train, train, count),
        }
    }

    /// The timesteps of a run in σ, which may lie between those of training; diffusers keeps them in float32.
    pub fn float_timesteps(&self, train: usize, count: usize) -> Vec<f64> {
        self.descending(train, count).into_iter().map(|t| f64::from(t as f32)).collect()
    }

    /// The timesteps of a run as integers, none outside the training timesteps.
    pub fn integer_timesteps(&self, train: usize, options: &SetTimesteps) -> Result<Vec<f64>> {
        let count = options.step_count(train)?;
        let timesteps: Vec<f64> = self.descending(train, count).into_iter().map(f64::round_ties_even).collect();
        match timesteps.first() {
            Some(first) if *first >= train as f64 => {
                let expected =
                    format!("fewer steps: with stepsOffset {} the first timestep is {first}", self.steps_offset);
                Err(Error::argument("numInferenceSteps", expected, count))
            }
            _ => Ok(timesteps),
        }
    }
}

/// At most `count` timesteps at distances of T / n down from `end`: `round(numpy.arange(end, 0, -T / n)) - 1`, in numpy's
/// arithmetic, where the second element says the distance of all. For some counts its length has one too many, −1.
pub fn trailing(train: usize, end: usize, count: usize) -> Vec<f64> {
    let (start, step) = (end as f64, train as f64 / count as f64);
    let distance = (start - step) - start;
    let timesteps = (0..count).map(|i| (start + i as f64 * distance).round_ties_even() - 1.0);
    timesteps.take_while(|t| *t >= 0.0).collect()
}

/// `numpy.linspace(0, T − 1, n)` from the last to the first.
pub fn linspace_descending(train: usize, count: usize) -> Vec<f64> {
    let mut timesteps: Vec<f64> = ramp(0.0, (train - 1) as f64, count).collect();
    timesteps.reverse();
    timesteps
}

/// Timesteps that a user chose: integers of the training timesteps, strictly descending.
pub fn custom_timesteps(timesteps: &[f64], train: usize) -> Result<Vec<f64>> {
    match timesteps.iter().find(|t| t.fract() != 0.0) {
        Some(bad) => Err(Error::argument("timesteps", "integers", bad)),
        None => custom_descending("timesteps", timesteps, 0.0..=(train - 1) as f64),
    }
}

/// Timesteps or noise levels that a user chose: in the range, strictly descending.
pub fn custom_descending(argument: &str, values: &[f64], range: RangeInclusive<f64>) -> Result<Vec<f64>> {
    let refuse = |got: String| {
        let expected = format!("numbers from {} to {}, strictly descending", range.end(), range.start());
        Err(Error::argument(argument, expected, got))
    };
    if values.is_empty() {
        return refuse("none".to_owned());
    }
    if let Some(bad) = values.iter().find(|value| !range.contains(value)) {
        return refuse(bad.to_string());
    }
    if let Some(pair) = values.windows(2).find(|pair| pair[1] >= pair[0]) {
        return refuse(format!("{} after {}", pair[1], pair[0]));
    }
    Ok(values.to_vec())
}
