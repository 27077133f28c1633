//! AdamW (Loshchilov & Hutter 2019, algorithm 2) as torch's `AdamW` computes it.

use crate::handle::Footprint;
use crate::kernels::{AdamWStep, Moments, adamw, sums_of_squares};
use crate::models::{Parameters, download};
use crate::pretrained::safetensors::write_safetensors;
use crate::pretrained::weights::Weights;
use crate::{Error, FloatType, Result};
use burn::tensor::DispatchTensor;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Options of `AdamW`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename_all = "camelCase"))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AdamWOptions {
    /// Default: 1e-3.
    pub learning_rate: f64,
    /// Decay rates of the two moments. Default: [0.9, 0.999].
    pub betas: [f64; 2],
    /// Added to the denominator. Default: 1e-8.
    pub eps: f64,
    /// Share of each weight that is taken away in a step, times the learning rate. Default: 0.01.
    pub weight_decay: f64,
}

impl Default for AdamWOptions {
    fn default() -> Self {
        Self { learning_rate: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01 }
    }
}

impl AdamWOptions {
    /// Refuses numbers that torch refuses too.
    pub fn validate(&self) -> Result<()> {
        let not_negative =
            [("learningRate", self.learning_rate), ("eps", self.eps), ("weightDecay", self.weight_decay)];
        for (name, value) in not_negative {
            if !value.is_finite() || value < 0.0 {
                return Err(Error::argument(name, "a number of at least 0", value));
            }
        }
        match self.betas.iter().find(|beta| !(0.0..1.0).contains(*beta)) {
            Some(beta) => Err(Error::argument("betas", "two numbers of at least 0 and below 1", beta)),
            None => Ok(()),
        }
    }
}

/// The optimizer with its state.
pub struct AdamW {
    options: AdamWOptions,
    steps: u32,
    /// By the parameter's place in the model.
    moments: HashMap<usize, Moments>,
    /// Of the moments.
    bytes: usize,
}

impl Footprint for AdamW {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl AdamW {
    pub fn new(options: AdamWOptions) -> Result<Self> {
        options.validate()?;
        Ok(Self { options, steps: 0, moments: HashMap::new(), bytes: 0 })
    }

    pub fn options(&self) -> &AdamWOptions {
        &self.options
    }

    /// The learning rate of the next steps.
    pub fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        let options = AdamWOptions { learning_rate, ..self.options };
        options.validate()?;
        self.options = options;
        Ok(())
    }

    /// One step with the gradients that the parameters hold, times `gradient_scale`.
    pub fn step(&mut self, parameters: &mut Parameters, gradient_scale: f64) {
        self.steps = self.steps.saturating_add(1);
        let step = AdamWStep {
            learning_rate: self.options.learning_rate,
            betas: self.options.betas,
            epsilon: self.options.eps,
            weight_decay: self.options.weight_decay,
            step: self.steps,
            gradient_scale: gradient_scale as f32,
        };
        let moments = &mut self.moments;
        parameters.update(|indices, values, gradients| {
            let of = |(index, value)| moments.remove(index).unwrap_or_else(|| Moments::zeros(value));
            let old = indices.iter().zip(&values).map(of).collect();
            let (values, new) = adamw(values, gradients, old, step);
            moments.extend(indices.iter().copied().zip(new));
            values
        });
        self.measure(parameters);
    }
}

/// Keys of the optimizer's file: torch's names for the moments after the parameter's name, and the number of steps.
const FIRST: &str = "exp_avg";
const SECOND: &str = "exp_avg_sq";
const STEP: &str = "step";
/// The file holds it as a float32, which is exact so far.
const MOST_STEPS: f32 = 16_777_216.0;

impl AdamW {
    /// The state as safetensors: `<parameter>.exp_avg` and `<parameter>.exp_avg_sq` in torch's layout for every parameter
    /// that was ever updated, and `step`.
    pub async fn safetensors(&self, parameters: &Parameters) -> Result<Vec<u8>> {
        let mut tensors = vec![(STEP.to_string(), vec![], vec![self.steps as f32])];
        for (index, parameter) in parameters.list().iter().enumerate() {
            let Some(moments) = self.moments.get(&index) else { continue };
            for (key, moment) in [(FIRST, &moments.first), (SECOND, &moments.second)] {
                let values = parameter.export(moment.clone()).await?;
                tensors.push((format!("{}.{key}", parameter.name), parameter.shape.clone(), values));
            }
        }
        let tensors = tensors.iter().map(|(name, shape, values)| (name.as_str(), &shape[..], &values[..]));
        write_safetensors(tensors, FloatType::Float32)
    }

    fn measure(&mut self, parameters: &Parameters) {
        let moments = self.moments.keys().filter_map(|&index| parameters.list().get(index));
        self.bytes = moments.map(|parameter| 2 * size_of::<f32>() * parameter.len()).sum();
    }

    /// Goes on from the state that [`Self::safetensors`] wrote. A file that is refused changes nothing.
    pub fn restore(&mut self, parameters: &Parameters, state: &mut Weights) -> Result<()> {
        let steps = state.take(STEP, &[])?.first().copied().unwrap_or(0.0);
        if !(0.0..=MOST_STEPS).contains(&steps) || steps.fract() != 0.0 {
            return Err(Error::argument(
                "`step` of the optimizer",
                format!("a whole number up to {MOST_STEPS}"),
                steps,
            ));
        }
        let mut moments = HashMap::new();
        for (index, parameter) in parameters.list().iter().enumerate() {
            let mut take = |key: &str| {
                let values = state.take(&format!("{}.{key}", parameter.name), &parameter.shape)?;
                Ok::<_, Error>(parameter.import(values, parameters.device()))
            };
            if parameter.trainable && steps > 0.0 {
                moments.insert(index, Moments { first: take(FIRST)?, second: take(SECOND)? });
            }
        }
        (self.steps, self.moments) = (steps as u32, moments);
        self.measure(parameters);
        Ok(())
    }
}

/// Length of all gradients together, √Σg² (torch's `clip_grad_norm_` measures with it).
pub async fn gradient_norm(parameters: &Parameters) -> Result<f64> {
    let gradients: Vec<DispatchTensor> = parameters.gradients().cloned().collect();
    let count = gradients.len();
    if count == 0 {
        return Ok(0.0);
    }
    // One transfer for all: on an accelerator each one waits for the work before it.
    let squares = download(sums_of_squares(gradients), count).await?;
    Ok(squares.into_iter().map(f64::from).sum::<f64>().sqrt())
}

/// The factor that brings gradients of length `norm` to at most `limit`, as torch's `clip_grad_norm_`.
pub fn clip_factor(norm: f64, limit: f64) -> f64 {
    (limit / (norm + 1e-6)).min(1.0)
}
