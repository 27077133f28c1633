//! From a prediction to gradients: the mean squared error of the course, or any loss of the caller's.

use crate::models::{Inputs, UNet2DModel, download, finite, from_nchw, to_nchw};
use crate::{Error, Result};
use burn::tensor::{DispatchTensor, Tensor, TensorData};

/// What the prediction is held against.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// NCHW, of the prediction's shape.
    pub values: &'a [f32],
    /// A factor for each sample's error; empty for none.
    pub weights: &'a [f32],
}

/// Loss E[w·‖prediction − target‖²] (Ho et al. 2020, eq. 14, where the target is the noise) and its gradients, which are
/// added to the model's. Returns the loss.
pub async fn mse_backward(model: &mut UNet2DModel, inputs: Inputs<'_>, target: Target<'_>) -> Result<f32> {
    model.check(inputs)?;
    check_target(model, inputs, target)?;
    let device = model.parameters.device().clone();
    let values = from_nchw(target.values, &output_shape(model, inputs), &device);
    let weights = (!target.weights.is_empty()).then(|| {
        let weights = TensorData::new(target.weights.to_vec(), [target.weights.len(), 1, 1, 1]);
        Tensor::<4>::from_data(weights, &device)
    });
    let mean_error = |prediction: Tensor<4>| {
        let difference = prediction - values;
        let error = difference.clone() * difference;
        weights.map_or(error.clone(), |weights| error * weights).mean()
    };
    let loss = if model.gradient_checkpointing() {
        model.backward_by_parts(inputs, mean_error)
    } else {
        let leaves = model.parameters.leaves();
        let loss = mean_error(model.predict_tracked(&leaves, model.upload(inputs), inputs));
        let value = loss.clone().inner();
        let mut gradients = loss.backward();
        model.parameters.accumulate(&leaves, &mut gradients);
        value
    };
    // Read when all work is handed over: a graphics card would stand still while it waits for us.
    let value = download(loss.into_dispatch(), 1).await?;
    value.first().copied().ok_or_else(|| Error::Internal("the loss has no value".into()))
}

/// NCHW shape of the prediction for these inputs.
fn output_shape(model: &UNet2DModel, inputs: Inputs) -> Vec<usize> {
    let mut shape = inputs.shape.to_vec();
    shape[1] = model.config().out_channels;
    shape
}

fn check_target(model: &UNet2DModel, inputs: Inputs, target: Target) -> Result<()> {
    let shape = output_shape(model, inputs);
    let count = shape.iter().product::<usize>();
    if target.values.len() != count {
        return Err(Error::shape("target", format!("{count} values, the shape {shape:?}"), target.values.len()));
    }
    if !target.weights.is_empty() && target.weights.len() != shape[0] {
        return Err(Error::shape("weights", format!("one for each of the {} samples", shape[0]), target.weights.len()));
    }
    finite("target", target.values)?;
    finite("weights", target.weights)
}

/// A prediction that remembers how it was made, so that the gradient of any loss can be handed back.
pub struct Prediction {
    sample: Tensor<4>,
    output: Tensor<4>,
    leaves: Vec<DispatchTensor>,
    values: Vec<f32>,
    shape: Vec<usize>,
}

impl Prediction {
    pub async fn new(model: &UNet2DModel, inputs: Inputs<'_>) -> Result<Self> {
        model.check(inputs)?;
        let leaves = model.parameters.leaves();
        let sample = model.upload(inputs).autodiff().require_grad();
        let output = model.predict_tracked(&leaves, sample.clone(), inputs);
        let values = to_nchw(output.clone().inner()).await?;
        Ok(Self { sample, output, leaves, values, shape: output_shape(model, inputs) })
    }

    /// NCHW
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Takes the gradient of the loss with respect to the prediction (NCHW), adds to the model's gradients, and returns
    /// the gradient with respect to the sample (NCHW).
    pub async fn backward(self, model: &mut UNet2DModel, gradient: &[f32]) -> Result<Vec<f32>> {
        if gradient.len() != self.values.len() {
            let expected = format!("{} values, the shape {:?}", self.values.len(), self.shape);
            return Err(Error::shape("gradient", expected, gradient.len()));
        }
        finite("gradient", gradient)?;
        let gradient = from_nchw(gradient, &self.shape, model.parameters.device());
        let mut gradients = (self.output * gradient).sum().backward();
        model.parameters.accumulate(&self.leaves, &mut gradients);
        match self.sample.grad_remove(&mut gradients) {
            Some(gradient) => to_nchw(gradient).await,
            None => Err(Error::Internal("the sample got no gradient".into())),
        }
    }
}
