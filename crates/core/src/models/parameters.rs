//! The weights of a model: named and shaped as in torch, stored in the layout of the kernels.

use super::parameter_order;
use crate::kernels::scaled;
use crate::memory::expect_bytes;
use crate::pretrained::safetensors::write_safetensors;
use crate::pretrained::weights::Weights;
use crate::random::Generator;
use crate::{Error, FloatType, Result};
use burn::tensor::{Device, DispatchTensor, Tensor, TensorData};
use std::cell::RefCell;

/// How torch's layout of a parameter becomes the kernels' layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As it is: vectors and embedding tables.
    Same,
    /// `[out, in]` in torch, `[in, out]` here.
    Linear,
    /// `[out, in, h, w]` in torch, `[h, w, in, out]` here.
    Convolution,
}

/// How torch fills a new parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    Constant(f32),
    /// U(−bound, bound)
    Uniform(f32),
    /// N(0, standard deviation²)
    Normal(f32),
}

/// One weight tensor.
pub struct Parameter {
    /// The key in diffusers' files, as `down_blocks.0.resnets.0.conv1.weight`.
    pub name: String,
    /// Shape in torch's layout.
    pub shape: Vec<usize>,
    pub layout: Layout,
    /// Whether training changes it.
    pub trainable: bool,
    value: DispatchTensor,
    gradient: Option<DispatchTensor>,
}

/// Index of a parameter in its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterId(usize);

/// All parameters of a model.
pub struct Parameters {
    /// In torch's order of construction, which `ParameterId` counts in.
    list: Vec<Parameter>,
    /// Indices of `list` in torch's order of registration.
    order: Vec<usize>,
    device: Device,
}

impl Layout {
    /// Values from torch's layout to the kernels'.
    fn import(self, values: Vec<f32>, shape: &[usize]) -> Vec<f32> {
        match (self, shape) {
            (Self::Linear, &[outputs, inputs]) => transpose(&values, outputs, inputs),
            (Self::Convolution, &[outputs, inputs, height, width]) => {
                transpose_parts(&values, outputs, inputs, height * width)
            }
            _ => values,
        }
    }

    /// Values from the kernels' layout to torch's.
    fn export(self, values: Vec<f32>, shape: &[usize]) -> Vec<f32> {
        match (self, shape) {
            (Self::Linear, &[outputs, inputs]) => transpose(&values, inputs, outputs),
            (Self::Convolution, &[outputs, inputs, height, width]) => {
                transpose_parts(&values, height * width, inputs, outputs)
            }
            _ => values,
        }
    }

    fn stored_shape(self, shape: &[usize]) -> Vec<usize> {
        match (self, shape) {
            (Self::Linear, &[outputs, inputs]) => vec![inputs, outputs],
            (Self::Convolution, &[outputs, inputs, height, width]) => vec![height, width, inputs, outputs],
            _ => shape.to_vec(),
        }
    }
}

fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    transpose_parts(values, rows, 1, columns)
}

/// `[first, middle, last]` to `[last, middle, first]`.
fn transpose_parts(values: &[f32], first: usize, middle: usize, last: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(values.len());
    for l in 0..last {
        for m in 0..middle {
            turned.extend((0..first).map(|f| values[(f * middle + m) * last + l]));
        }
    }
    turned
}

/// Parameters get memory apart from that of tensors that come and go: a card's driver looks for a free place among all of
/// the latter at every operation.
fn upload(values: Vec<f32>, shape: Vec<usize>, device: &Device) -> DispatchTensor {
    let rank = shape.len();
    device.memory_persistent_allocations(TensorData::new(values, shape), |data| match rank {
        1 => Tensor::<1>::from_data(data, device).into_dispatch(),
        2 => Tensor::<2>::from_data(data, device).into_dispatch(),
        _ => Tensor::<4>::from_data(data, device).into_dispatch(),
    })
}

/// Values of an NHWC tensor in NCHW order.
pub async fn to_nchw(x: Tensor<4>) -> Result<Vec<f32>> {
    let count = x.shape().num_elements();
    download(x.permute([0, 3, 1, 2]).into_dispatch(), count).await
}

/// A tensor's values on the host.
pub async fn download(tensor: DispatchTensor, count: usize) -> Result<Vec<f32>> {
    // The rank of the view does not matter: the data are contiguous, and counted.
    let data = Tensor::<1>::from_dispatch(tensor).reshape([count]).into_data_async().await;
    let data = data.map_err(crate::device::read_error)?;
    data.try_into_vec::<f32>().map_err(|error| Error::Internal(format!("a tensor has another type: {error:?}")))
}

impl Parameters {
    /// In torch's order of `model.parameters()`.
    pub fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.order.iter().map(|&index| &self.list[index])
    }

    /// In torch's order of construction, which is that of [`Self::constants`].
    pub fn list(&self) -> &[Parameter] {
        &self.list
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Number of weights, all parameters together.
    pub fn count(&self) -> usize {
        self.list.iter().map(Parameter::len).sum()
    }

    /// Bytes of the weights, and of the gradients that there are.
    pub fn bytes(&self) -> usize {
        let tensors = |parameter: &Parameter| if parameter.gradient.is_some() { 2 } else { 1 };
        self.list.iter().map(|parameter| size_of::<f32>() * parameter.len() * tensors(parameter)).sum()
    }

    fn find(&self, name: &str) -> Result<&Parameter> {
        let found = self.list.iter().find(|parameter| parameter.name == name);
        found.ok_or_else(|| Error::argument("name", "the name of a parameter", format!("\"{name}\"")))
    }

    /// Values of a parameter in torch's layout.
    pub async fn value(&self, name: &str) -> Result<Vec<f32>> {
        let parameter = self.find(name)?;
        parameter.export(parameter.value.clone()).await
    }

    /// Accumulated gradient of a parameter in torch's layout; zeros where there is none.
    pub async fn gradient(&self, name: &str) -> Result<Vec<f32>> {
        let parameter = self.find(name)?;
        match &parameter.gradient {
            Some(gradient) => parameter.export(gradient.clone()).await,
            None => Ok(vec![0.0; parameter.len()]),
        }
    }

    /// The content of diffusers' `diffusion_pytorch_model.safetensors`.
    pub async fn safetensors(&self, float_type: FloatType) -> Result<Vec<u8>> {
        let mut values = Vec::with_capacity(self.list.len());
        for (parameter, tensor) in self.list.iter().zip(self.constants()) {
            values.push(parameter.export(tensor).await?);
        }
        let tensor = |(parameter, values)| -> (&str, &[usize], &[f32]) {
            let (parameter, values): (&Parameter, &Vec<f32>) = (parameter, values);
            (&parameter.name, &parameter.shape, values)
        };
        write_safetensors(self.list.iter().zip(&values).map(tensor), float_type)
    }

    /// Values for all parameters from files, in the order of [`Self::constants`].
    pub fn import(&self, weights: &mut Weights) -> Result<Vec<DispatchTensor>> {
        weights.check_names(self.list.iter().map(|parameter| parameter.name.as_str()))?;
        let take = |parameter: &Parameter| {
            Ok(parameter.import(weights.take(&parameter.name, &parameter.shape)?, &self.device))
        };
        self.list.iter().map(take).collect()
    }

    pub fn zero_gradients(&mut self) {
        self.list.iter_mut().for_each(|parameter| parameter.gradient = None);
    }

    /// The weights for a pass that records nothing.
    pub fn constants(&self) -> Vec<DispatchTensor> {
        self.list.iter().map(|parameter| parameter.value.clone()).collect()
    }

    /// The weights as leaves of a graph; those that are trained collect gradients.
    pub fn leaves(&self) -> Vec<DispatchTensor> {
        self.list.iter().map(Parameter::leaf).collect()
    }

    /// Other values for all parameters, as [`Self::constants`] gave them.
    pub fn set_values(&mut self, values: &[DispatchTensor]) {
        self.list.iter_mut().zip(values).for_each(|(parameter, value)| parameter.value = value.clone());
    }

    /// Adds the gradients that a backward pass left on `leaves`.
    pub fn accumulate(&mut self, leaves: &[DispatchTensor], gradients: &mut burn::tensor::Gradients) {
        for (parameter, leaf) in self.list.iter_mut().zip(leaves) {
            let new = Tensor::<1>::from_dispatch(leaf.clone()).grad_remove(gradients);
            parameter.add_gradient(new.map(Tensor::into_dispatch));
        }
    }

    /// Hands the parameters that have gradients to `update(indices, values, gradients)` and stores the values that it
    /// returns, in the same order.
    pub fn update(
        &mut self,
        update: impl FnOnce(&[usize], Vec<DispatchTensor>, Vec<DispatchTensor>) -> Vec<DispatchTensor>,
    ) {
        let (mut indices, mut values, mut gradients) = (Vec::new(), Vec::new(), Vec::new());
        for (index, parameter) in self.list.iter_mut().enumerate() {
            let Some(gradient) = &parameter.gradient else { continue };
            indices.push(index);
            gradients.push(gradient.clone());
            // The value is moved out, so that nobody shares it and it can be changed in place.
            values.push(std::mem::replace(&mut parameter.value, gradient.clone()));
        }
        for (&index, value) in indices.iter().zip(update(&indices, values, gradients)) {
            self.list[index].value = value;
        }
    }

    /// Multiplies all gradients.
    pub fn scale_gradients(&mut self, factor: f64) {
        let gradients =
            self.list.iter_mut().filter_map(|parameter| Some((parameter.gradient.take()?, &mut parameter.gradient)));
        let (gradients, places): (Vec<_>, Vec<_>) = gradients.unzip();
        let scaled = scaled(gradients, factor as f32);
        places.into_iter().zip(scaled).for_each(|(place, gradient)| *place = Some(gradient));
    }

    /// Takes all gradients away, in the order of [`Self::list`].
    pub fn take_gradients(&mut self) -> Vec<Option<DispatchTensor>> {
        self.list.iter_mut().map(|parameter| parameter.gradient.take()).collect()
    }

    /// Adds what [`Self::take_gradients`] took.
    pub fn add_gradients(&mut self, gradients: Vec<Option<DispatchTensor>>) {
        self.list.iter_mut().zip(gradients).for_each(|(parameter, gradient)| parameter.add_gradient(gradient));
    }

    /// The gradients that there are.
    pub fn gradients(&self) -> impl Iterator<Item = &DispatchTensor> {
        self.list.iter().filter_map(|parameter| parameter.gradient.as_ref())
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl Parameter {
    /// Number of weights.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values of a tensor that is shaped as the parameter, in torch's layout.
    pub async fn export(&self, tensor: DispatchTensor) -> Result<Vec<f32>> {
        Ok(self.layout.export(download(tensor, self.len()).await?, &self.shape))
    }

    /// A tensor shaped as the parameter from values in torch's layout.
    pub fn import(&self, values: Vec<f32>, device: &Device) -> DispatchTensor {
        upload(self.layout.import(values, &self.shape), self.layout.stored_shape(&self.shape), device)
    }

    fn add_gradient(&mut self, gradient: Option<DispatchTensor>) {
        self.gradient = match (self.gradient.take(), gradient.map(Tensor::<1>::from_dispatch)) {
            (Some(old), Some(new)) => Some((Tensor::<1>::from_dispatch(old) + new).into_dispatch()),
            (old, new) => old.or(new.map(Tensor::into_dispatch)),
        };
    }

    fn leaf(&self) -> DispatchTensor {
        let tensor = Tensor::<1>::from_dispatch(self.value.clone()).autodiff();
        if self.trainable { tensor.require_grad().into_dispatch() } else { tensor.into_dispatch() }
    }
}

/// Where a model's weights come from.
pub enum Source<'a> {
    /// torch's default initialisation.
    Generator(&'a mut Generator),
    /// Files; see `pretrained`.
    Weights(&'a mut Weights),
    /// None: only names and shapes of what files would have to hold are collected. The model cannot be used.
    Names(&'a mut Vec<(String, Vec<usize>)>),
    /// None: it is only seen whether they would fit the memory, all together. The model cannot be used.
    Room,
}

/// Collects the parameters of a model while its modules are constructed, in torch's order of construction.
pub struct Builder<'a> {
    source: Source<'a>,
    device: Device,
    prefix: Vec<String>,
    list: Vec<Parameter>,
    /// Weights so far.
    count: usize,
}

impl<'a> Builder<'a> {
    pub fn new(source: Source<'a>, device: Device) -> Self {
        Self { source, device, prefix: Vec::new(), list: Vec::new(), count: 0 }
    }

    /// Runs `build` for the part called `name`.
    pub fn part<T>(&mut self, name: impl ToString, build: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.prefix.push(name.to_string());
        let built = build(self);
        self.prefix.pop();
        built
    }

    /// The name of `field` in the part that is being built.
    pub fn path(&self, field: &str) -> String {
        let mut path = self.prefix.join(".");
        if !path.is_empty() {
            path.push('.');
        }
        path + field
    }

    pub fn parameter(&mut self, field: &str, shape: &[usize], layout: Layout, initial: Initial) -> Result<ParameterId> {
        self.add(field, shape, layout, initial, true)
    }

    /// A parameter that training leaves alone.
    pub fn constant(&mut self, field: &str, shape: &[usize], initial: Initial) -> Result<ParameterId> {
        self.add(field, shape, Layout::Same, initial, false)
    }

    fn add(
        &mut self,
        field: &str,
        shape: &[usize],
        layout: Layout,
        initial: Initial,
        trainable: bool,
    ) -> Result<ParameterId> {
        let name = self.path(field);
        let upload = |values| upload(layout.import(values, shape), layout.stored_shape(shape), &self.device);
        self.count = self.count.saturating_add(shape.iter().product());
        let nothing = || Tensor::<1>::empty([0], &self.device).into_dispatch();
        let value = match &mut self.source {
            Source::Generator(generator) => upload(draw(generator, initial, shape.iter().product())),
            Source::Weights(weights) => upload(weights.take(&name, shape)?),
            Source::Names(names) => {
                names.push((name.clone(), shape.to_vec()));
                nothing()
            }
            Source::Room => {
                let bytes = (self.count as u64).saturating_mul(size_of::<f32>() as u64);
                expect_bytes(format_args!("the weights of the model up to {name}"), bytes)?;
                nothing()
            }
        };
        self.list.push(Parameter { name, shape: shape.to_vec(), layout, trainable, value, gradient: None });
        Ok(ParameterId(self.list.len() - 1))
    }

    /// Draws `count` normal numbers that no parameter uses.
    pub fn skip_draws(&mut self, count: usize) {
        if let Source::Generator(generator) = &mut self.source {
            generator.randn(count);
        }
    }

    pub fn finish(self) -> Parameters {
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        order.sort_by_key(|&index| parameter_order::rank(&self.list[index].name));
        Parameters { list: self.list, order, device: self.device }
    }
}

fn draw(generator: &mut Generator, initial: Initial, count: usize) -> Vec<f32> {
    match initial {
        Initial::Constant(value) => vec![value; count],
        Initial::Uniform(bound) => generator.uniform(count, -bound, bound),
        Initial::Normal(deviation) => generator.randn(count).into_iter().map(|x| x * deviation).collect(),
    }
}

/// One run through a model: its weights, and the source of dropout masks while training.
pub struct Pass<'a> {
    weights: &'a [DispatchTensor],
    dropout: Option<&'a RefCell<Generator>>,
}

impl<'a> Pass<'a> {
    /// `dropout`: none at inference, when nothing is dropped.
    pub fn new(weights: &'a [DispatchTensor], dropout: Option<&'a RefCell<Generator>>) -> Self {
        Self { weights, dropout }
    }

    pub fn weight<const D: usize>(&self, id: ParameterId) -> Tensor<D> {
        Tensor::from_dispatch(self.weights[id.0].clone())
    }

    /// Whether [`Self::dropout`] with `p` changes anything.
    pub fn drops(&self, p: f32) -> bool {
        self.dropout.is_some() && p > 0.0
    }

    /// Dropout (Srivastava et al. 2014): while training, zeroes a share `p` of the values and scales the rest by 1/(1−p).
    pub fn dropout(&self, x: Tensor<4>, p: f32) -> Tensor<4> {
        let Some(generator) = self.dropout.filter(|_| self.drops(p)) else { return x };
        let draws = generator.borrow_mut().rand(x.shape().num_elements());
        let mask = draws.into_iter().map(|u| if u < p { 0.0 } else { 1.0 / (1.0 - p) }).collect::<Vec<f32>>();
        let mask = Tensor::<4>::from_data(TensorData::new(mask, x.dims()), &x.device().inner());
        let mask = mask.cast(x.dtype());
        x * mask
    }
}
