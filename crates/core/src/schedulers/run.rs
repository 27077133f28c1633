//! A run of a sampler that counts in noise levels: σ before and after each step, and where the run stands.

use super::elementwise::zip_with;
use super::spacing::TimestepSpacing;
use crate::{Error, Result};

/// x_t = x_0 + σ·z: the σ of each step.
#[derive(Debug, Clone)]
pub struct Run {
    timesteps: Vec<f64>,
    /// One more than timesteps: the last is where the run ends.
    sigmas: Vec<f32>,
    /// How many of the timesteps one step of the run has.
    evaluations: usize,
    position: Option<usize>,
    /// `setTimesteps` laid it out.
    is_prepared: bool,
}

impl Run {
    /// diffusers keeps timesteps and σ in float32.
    pub fn new(timesteps: Vec<f64>, sigmas: impl IntoIterator<Item = f64>) -> Self {
        let timesteps = timesteps.into_iter().map(|t| f64::from(t as f32)).collect();
        Self {
            timesteps,
            sigmas: sigmas.into_iter().map(|sigma| sigma as f32).collect(),
            evaluations: 1,
            position: None,
            is_prepared: true,
        }
    }

    /// Now it is what there is before `setTimesteps`: it can be looked at, but not stepped through.
    pub fn await_preparation(&mut self) {
        self.is_prepared = false;
    }

    pub fn is_prepared(&self) -> bool {
        self.is_prepared
    }

    /// The next step is number `index`, whatever the timesteps repeat.
    pub fn begin_at(&mut self, index: usize) {
        self.position = Some(index);
    }

    /// A run that starts at its first step, whatever its timesteps repeat.
    pub fn starting_at_first(mut self) -> Self {
        self.begin_at(0);
        self
    }

    /// Every step but the first twice: a prediction and its correction.
    pub fn doubled(self) -> Self {
        let (Some((first_timestep, timesteps)), [first, inner @ .., last]) =
            (self.timesteps.split_first(), self.sigmas.as_slice())
        else {
            return self;
        };
        let timesteps = timesteps.iter().flat_map(|t| [*t, *t]);
        let sigmas = inner.iter().flat_map(|sigma| [*sigma, *sigma]);
        Self {
            timesteps: std::iter::once(*first_timestep).chain(timesteps).collect(),
            sigmas: std::iter::once(*first).chain(sigmas).chain([*last]).collect(),
            evaluations: 2,
            ..self
        }
    }

    /// Every step in two halves: between two timesteps stands that of the middle.
    pub fn interleaved(self, between: &[f64]) -> Self {
        let halves = between.iter().zip(self.timesteps.iter().skip(1)).flat_map(|(middle, t)| [*middle, *t]);
        Self {
            timesteps: self.timesteps.iter().take(1).copied().chain(halves).collect(),
            sigmas: doubled_after_first(&self.sigmas),
            evaluations: 2,
            ..self
        }
    }

    /// Of steps that stand twice, the timestep of the second half is that of the middle.
    pub fn with_middle_timesteps(mut self, middles: &[f64]) -> Self {
        self.timesteps.iter_mut().skip(1).step_by(2).zip(middles).for_each(|(t, middle)| *t = *middle);
        self
    }

    /// From the picture to noise.
    pub fn reversed(mut self) -> Self {
        let highest = self.sigmas.first().copied();
        self.timesteps.reverse();
        self.sigmas.pop();
        self.sigmas.reverse();
        self.sigmas.extend(highest);
        self
    }

    pub fn with_rounded_timesteps(mut self) -> Self {
        self.timesteps.iter_mut().for_each(|t| *t = t.round_ties_even());
        self
    }

    pub fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    /// "sigmas" is the one table of a run.
    pub fn table(&self, name: &str) -> Vec<f32> {
        if name == "sigmas" { self.sigmas.clone() } else { Vec::new() }
    }

    pub fn sigmas(&self) -> &[f32] {
        &self.sigmas
    }

    /// σ number `index`; past the end it is where the run ends.
    pub fn sigma(&self, index: usize) -> f32 {
        self.sigmas.get(index).or(self.sigmas.last()).copied().unwrap_or_default()
    }

    /// Where a timestep stands. Rounded timesteps repeat: such a one means that of the next step; before the first step
    /// that of the first, else the second, as in diffusers.
    pub fn index_of(&self, timestep: f64) -> Result<usize> {
        if let Some(position) = self.position.filter(|position| self.timesteps.get(*position) == Some(&timestep)) {
            return Ok(position);
        }
        match self.starts(timestep)?.as_slice() {
            [first, ..] if *first == 0 && self.position.is_none() => Ok(0),
            [_, second, ..] => Ok(*second),
            [only] => Ok(*only),
            [] => Err(Error::Internal(format!("timestep {timestep} stands nowhere"))),
        }
    }

    /// Where a run can start at this timestep: where whole steps start, if there is one of them.
    fn starts(&self, timestep: f64) -> Result<Vec<usize>> {
        let places = self.timesteps.iter().enumerate().filter(|(_, t)| **t == timestep).map(|(index, _)| index);
        let places: Vec<usize> = places.collect();
        if places.is_empty() {
            return Err(Error::argument("timestep", "one of the scheduler's timesteps", timestep));
        }
        let whole: Vec<usize> = places.iter().copied().filter(|index| index.is_multiple_of(self.evaluations)).collect();
        Ok(if whole.is_empty() { places } else { whole })
    }

    /// The index that a run starts at: its first, unless the timestep says another or `setBeginIndex` has said it.
    fn first_index(&self, timestep: f64) -> Result<usize> {
        match self.starts(timestep)?.as_slice() {
            places @ [first, _, ..] if *first > 0 && !self.sigmas.is_empty() => {
                let places: Vec<String> = places.iter().map(usize::to_string).collect();
                let expected = "a call of setBeginIndex before a run that starts at a repeated timestep";
                let got = format!("{timestep}, which stands at {} of the timesteps", places.join(", "));
                Err(Error::argument("timestep", expected, got))
            }
            _ => self.index_of(timestep),
        }
    }

    /// The index of the step to take at `timestep`. A run may start anywhere and then goes on in order.
    pub fn current(&self, timestep: f64) -> Result<usize> {
        let Some(position) = self.position else { return self.first_index(timestep) };
        match self.timesteps.get(position) {
            Some(next) if *next == timestep => Ok(position),
            Some(next) => Err(Error::argument("timestep", format!("{next}, the next step of the run"), timestep)),
            None => Err(Error::argument("timestep", "a call of setTimesteps: the run is over", timestep)),
        }
    }

    /// The same, and the run is there now.
    pub fn enter(&mut self, timestep: f64) -> Result<usize> {
        let index = self.current(timestep)?;
        self.position = Some(index);
        Ok(index)
    }

    /// The sample as the model is to see it at `timestep`.
    pub fn scale_input(&mut self, sample: &[f32], timestep: f64) -> Result<Vec<f32>> {
        let index = self.enter(timestep)?;
        Ok(scale_to_unit_variance(sample, self.sigma(index)))
    }

    /// The step is done.
    pub fn leave(&mut self) {
        self.position = self.position.map(|position| position + 1);
    }

    /// The deviation of the initial noise. With "leading" spacing the first sample is not the one of highest noise.
    pub fn init_noise_sigma(&self, spacing: TimestepSpacing) -> f32 {
        let max = self.sigmas.iter().copied().fold(0.0, f32::max);
        match spacing {
            TimestepSpacing::Linspace | TimestepSpacing::Trailing => max,
            TimestepSpacing::Leading => (max * max + 1.0).sqrt(),
        }
    }
}

/// a, b, b, c, c, …, and the last once more: the layout of σ where every step has two halves.
pub fn doubled_after_first(values: &[f32]) -> Vec<f32> {
    let doubled = values.iter().skip(1).flat_map(|value| [*value, *value]);
    values.iter().take(1).copied().chain(doubled).chain(values.last().copied()).collect()
}

/// A step from `sigma` to `next` with fresh noise: how far down it goes, and the deviation of the noise that brings it
/// back up (DDPM's variance, in terms of σ).
pub fn ancestral_sigmas(sigma: f32, next: f32) -> (f32, f32) {
    let up = (next * next * (sigma * sigma - next * next) / (sigma * sigma)).sqrt();
    let down = (next * next - up * up).sqrt();
    // Far below σ, rounding can leave less than nothing of the square of next²/σ, which it stands for.
    (if down.is_nan() { next * next / sigma } else { down }, up)
}

/// x/√(σ² + 1): what the model, trained on samples of unit variance, is to see.
pub fn scale_to_unit_variance(sample: &[f32], sigma: f32) -> Vec<f32> {
    let deviation = (sigma * sigma + 1.0).sqrt();
    sample.iter().map(|x| x / deviation).collect()
}

/// dx/dσ = (x − x_0)/σ (Karras et al. 2022, algorithm 1).
pub fn derivative(sample: &[f32], original: &[f32], sigma: f32) -> Vec<f32> {
    zip_with(sample, original, |x, original| (x - original) / sigma)
}
