//! From a prediction to gradients: the mean squared error of the course, or any loss of the caller's.

use super::scaled_backward::scaled_backward;
use crate::error::check_finite;
use crate::handle::Footprint;
use crate::models::{Inputs, OwnedInputs, UNet2DModel, download, from_nchw, to_nchw};
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
    model.expect_room(inputs, !model.gradient_checkpointing())?;
    let device = model.parameters.device().clone();
    let values = from_nchw(target.values, &output_shape(model, inputs), &device);
    let weights = (!target.weights.is_empty()).then(|| {
        let weights = TensorData::new(target.weights.to_vec(), [target.weights.len(), 1, 1, 1]);
        Tensor::<4>::from_data(weights, &device)
    });
    let mean_error = |prediction: Tensor<4>| {
        let difference = prediction - values.clone();
        let error = difference.clone() * difference;
        weights.clone().map_or(error.clone(), |weights| error * weights).mean()
    };
    let pass = |model: &mut UNet2DModel, factor: f32| {
        let loss = |prediction| times(mean_error(prediction), factor);
        if model.gradient_checkpointing() {
            return model.backward_by_parts(inputs, loss);
        }
        let leaves = model.parameters.leaves();
        let loss = loss(model.predict_tracked(&leaves, model.upload(inputs), inputs));
        let value = loss.clone().inner();
        let mut gradients = loss.backward();
        model.parameters.accumulate(&leaves, &mut gradients);
        value
    };
    let (loss, factor) = scaled_backward(model, pass).await?;
    // Read when all work is handed over: a graphics card would stand still while it waits for us.
    let value = download(loss.into_dispatch(), 1).await?;
    value.first().map(|value| value / factor).ok_or_else(|| Error::Internal("the loss has no value".into()))
}

/// One operation less where there is no factor.
fn times<const D: usize>(x: Tensor<D>, factor: f32) -> Tensor<D> {
    if factor == 1.0 { x } else { x * factor }
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
    check_finite("target", target.values)?;
    check_finite("weights", target.weights)
}

/// A prediction that remembers how it was made, so that the gradient of any loss can be handed back.
pub struct Prediction {
    graph: Graph,
    values: Vec<f32>,
    shape: Vec<usize>,
    /// With [`Self::dropout`] what it takes to make the graph again, should a factor be too large for float16.
    inputs: OwnedInputs,
    /// Where the draws of dropout masks stood.
    dropout: Vec<u8>,
    /// What the graph keeps, at least.
    bytes: usize,
}

/// How the output came out of the sample and the weights.
struct Graph {
    sample: Tensor<4>,
    output: Tensor<4>,
    leaves: Vec<DispatchTensor>,
}

impl Graph {
    fn new(model: &UNet2DModel, inputs: Inputs) -> Self {
        let leaves = model.parameters.leaves();
        let sample = model.upload(inputs).autodiff().require_grad();
        let output = model.predict_tracked(&leaves, sample.clone(), inputs);
        Self { sample, output, leaves }
    }

    /// Adds to the model's gradients; the gradient with respect to the sample.
    fn backward(self, model: &mut UNet2DModel, gradient: Tensor<4>) -> Option<Tensor<4>> {
        let mut gradients = (self.output * gradient).sum().backward();
        model.parameters.accumulate(&self.leaves, &mut gradients);
        self.sample.grad_remove(&mut gradients)
    }
}

impl Footprint for Prediction {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Prediction {
    pub async fn new(model: &UNet2DModel, inputs: OwnedInputs) -> Result<Self> {
        model.check(inputs.inputs())?;
        model.expect_room(inputs.inputs(), true)?;
        let dropout = model.dropout_state();
        let graph = Graph::new(model, inputs.inputs());
        let values = to_nchw(graph.output.clone().inner()).await?;
        check_finite("prediction", &values)?;
        let shape = output_shape(model, inputs.inputs());
        let bytes = model.config().working_bytes(&shape, true) as usize;
        Ok(Self { graph, values, shape, inputs, dropout, bytes })
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
        check_finite("gradient", gradient)?;
        let gradient = from_nchw(gradient, &self.shape, model.parameters.device());
        let mut first = Some(self.graph);
        let pass = |model: &mut UNet2DModel, factor: f32| {
            let graph = match first.take() {
                Some(graph) => graph,
                None => graph_again(model, self.inputs.inputs(), &self.dropout)?,
            };
            Ok(graph.backward(model, times(gradient.clone(), factor)))
        };
        let (of_sample, factor) = scaled_backward(model, pass).await?;
        match of_sample? {
            Some(gradient) => to_nchw(times(gradient, 1.0 / factor)).await,
            None => Err(Error::Internal("the sample got no gradient".into())),
        }
    }
}

/// The graph of a prediction whose dropout masks began at `dropout`; the model's draws go on from where they stand.
fn graph_again(model: &mut UNet2DModel, inputs: Inputs, dropout: &[u8]) -> Result<Graph> {
    let now = model.dropout_state();
    model.set_dropout_state(dropout)?;
    let graph = Graph::new(model, inputs);
    model.set_dropout_state(&now)?;
    Ok(graph)
}
