//! Training in less memory: the activations of one block at a time (Chen et al. 2016, "Training Deep Nets with Sublinear
//! Memory Cost"). The forward pass keeps what goes into each block; the backward pass runs each block again to learn
//! what happened inside.

use super::inputs::Inputs;
use super::parameters::Pass;
use super::unet_2d::{Flow, UNet2DModel};
use crate::random::Generator;
use burn::tensor::{FloatDType, Gradients, Tensor};
use std::cell::RefCell;

/// What went into a block, and where the draws of dropout masks stood then.
struct Kept {
    flow: Flow,
    dropout: Generator,
}

/// Gradients of the parts of a [`Flow`]; none where nothing depends on one.
struct FlowGradient {
    x: Option<Tensor<4>>,
    skips: Vec<Option<Tensor<4>>>,
    picture: Option<Tensor<4>>,
    painted: Option<Tensor<4>>,
}

impl UNet2DModel {
    /// Predicts, and adds the gradients of the loss of the prediction (NHWC) to the model's. Returns the loss.
    pub fn backward_by_parts(&mut self, inputs: Inputs, loss: impl FnOnce(Tensor<4>) -> Tensor<1>) -> Tensor<1> {
        let (kept, last, time) = self.forward_keeping(inputs);
        let (value, mut gradient) = self.backward_from_loss(last, inputs, loss);
        let mut time_gradient: Option<Tensor<2>> = None;
        for (part, kept) in kept.into_iter().enumerate().rev() {
            let of_time;
            (gradient, of_time) = self.backward_part(part, kept, &time, gradient);
            time_gradient = match (time_gradient, of_time) {
                (Some(sum), Some(more)) => Some(sum + more),
                (sum, more) => sum.or(more),
            };
        }
        self.backward_entrance(inputs, gradient, time_gradient);
        value
    }

    /// What goes into each block, what comes out of the last one, and the time embedding.
    fn forward_keeping(&self, inputs: Inputs) -> (Vec<Kept>, Flow, Tensor<2>) {
        let weights = self.parameters.constants();
        let pass = Pass::new(&weights, Some(&self.dropout));
        let time = self.network.time_embedding(&self.config, &pass, inputs, self.parameters.device());
        let mut flow = self.network.enter(&self.config, &pass, self.upload(inputs));
        let mut kept = Vec::with_capacity(self.network.parts());
        for part in 0..self.network.parts() {
            kept.push(Kept { flow: flow.clone(), dropout: self.dropout.borrow().clone() });
            flow = self.network.run_part(part, &pass, flow, &time);
        }
        (kept, flow, time)
    }

    fn backward_from_loss(
        &mut self,
        last: Flow,
        inputs: Inputs,
        loss: impl FnOnce(Tensor<4>) -> Tensor<1>,
    ) -> (Tensor<1>, FlowGradient) {
        let leaves = self.parameters.leaves();
        let last = last.tracked();
        let prediction = self.network.leave(&self.config, &Pass::new(&leaves, None), last.clone(), inputs);
        let loss = loss(prediction);
        let value = loss.clone().inner();
        let mut gradients = loss.backward();
        self.parameters.accumulate(&leaves, &mut gradients);
        (value, last.gradient(&mut gradients))
    }

    /// From the gradient of what a block gave to that of what it took, and that of the time embedding.
    fn backward_part(
        &mut self,
        part: usize,
        kept: Kept,
        time: &Tensor<2>,
        gradient: FlowGradient,
    ) -> (FlowGradient, Option<Tensor<2>>) {
        let leaves = self.parameters.leaves();
        let flow = kept.flow.tracked();
        let time = time.clone().autodiff().require_grad();
        let dropout = RefCell::new(kept.dropout);
        let output = self.network.run_part(part, &Pass::new(&leaves, Some(&dropout)), flow.clone(), &time);
        let mut gradients = output.dot(gradient).backward();
        self.parameters.accumulate(&leaves, &mut gradients);
        (flow.gradient(&mut gradients), time.grad_remove(&mut gradients))
    }

    /// The first convolution and the time embedding.
    fn backward_entrance(&mut self, inputs: Inputs, gradient: FlowGradient, time_gradient: Option<Tensor<2>>) {
        let leaves = self.parameters.leaves();
        let pass = Pass::new(&leaves, None);
        let entered = self.network.enter(&self.config, &pass, self.upload(inputs).autodiff());
        let mut product = entered.dot(gradient);
        if let Some(gradient) = time_gradient {
            let time = self.network.time_embedding(&self.config, &pass, inputs, self.parameters.device());
            product = product + (time * gradient).sum();
        }
        let mut gradients = product.backward();
        self.parameters.accumulate(&leaves, &mut gradients);
    }
}

impl Flow {
    /// The same values as leaves of a new graph.
    fn tracked(self) -> Self {
        let leaf = |x: Tensor<4>| x.autodiff().require_grad();
        Self {
            x: leaf(self.x),
            skips: self.skips.into_iter().map(leaf).collect(),
            picture: leaf(self.picture),
            painted: self.painted.map(leaf),
        }
    }

    /// What a backward pass left on these leaves.
    fn gradient(&self, gradients: &mut Gradients) -> FlowGradient {
        let mut take = |x: &Tensor<4>| x.grad_remove(gradients);
        FlowGradient {
            x: take(&self.x),
            skips: self.skips.iter().map(&mut take).collect(),
            picture: take(&self.picture),
            painted: self.painted.as_ref().and_then(take),
        }
    }

    /// Σ value · gradient, whose gradients are the given ones.
    fn dot(self, gradient: FlowGradient) -> Tensor<1> {
        let device = self.x.device();
        let values =
            [Some(self.x), Some(self.picture), self.painted].into_iter().chain(self.skips.into_iter().map(Some));
        let slopes = [gradient.x, gradient.picture, gradient.painted].into_iter().chain(gradient.skips);
        let products =
            values.zip(slopes).filter_map(|(value, slope)| Some((value? * slope?).cast(FloatDType::F32).sum()));
        products.reduce(|sum, product| sum + product).unwrap_or_else(|| Tensor::zeros([1], &device))
    }
}
