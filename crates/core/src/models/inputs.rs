//! What goes into a UNet, and what is wrong with it before any arithmetic starts.

use super::embeddings::ClassEmbedding;
use super::unet_2d::UNet2DModel;
use super::unet_2d_config::TimeEmbeddingType;
use crate::error::check_finite;
use crate::memory::expect_bytes;
use crate::{Error, Result};
use burn::tensor::Device;

/// What goes into the network. Values are NCHW.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    pub sample: &'a [f32],
    /// `[n, channels, height, width]`
    pub shape: &'a [usize],
    /// One, or one a sample.
    pub timesteps: &'a [f32],
    /// Empty where the model has no classes; else one a sample, or a vector a sample for "identity".
    pub class_labels: &'a [f32],
}

/// The same, owned: for another thread, and for a graph that may have to be made again.
pub struct OwnedInputs {
    pub sample: Vec<f32>,
    pub shape: Vec<usize>,
    pub timesteps: Vec<f32>,
    pub class_labels: Vec<f32>,
}

impl OwnedInputs {
    pub fn inputs(&self) -> Inputs<'_> {
        let Self { sample, shape, timesteps, class_labels } = self;
        Inputs { sample, shape, timesteps, class_labels }
    }
}

impl UNet2DModel {
    /// Refuses inputs that the network cannot take.
    pub fn check(&self, inputs: Inputs) -> Result<()> {
        self.check_sample(inputs)?;
        self.check_timesteps(inputs)?;
        self.check_class_labels(inputs)
    }

    fn check_sample(&self, inputs: Inputs) -> Result<()> {
        let channels = self.config.in_channels;
        let multiple = self.config.size_multiple();
        let expected = format!("[batch, {channels}, height, width]");
        let &[n, c, h, w] = inputs.shape else {
            return Err(Error::shape("sample", expected, format!("{:?}", inputs.shape)));
        };
        if c != channels || n == 0 || h == 0 || w == 0 {
            return Err(Error::shape("sample", expected, format!("{:?}", inputs.shape)));
        }
        if !h.is_multiple_of(multiple) || !w.is_multiple_of(multiple) {
            let levels = self.config.block_out_channels.len();
            let expected =
                format!("height and width divisible by {multiple} (the model halves them {} times)", levels - 1);
            return Err(Error::shape("sample", expected, format!("{:?}", inputs.shape)));
        }
        if n.checked_mul(c * h * w) != Some(inputs.sample.len()) {
            let expected = format!("{} values for the shape {:?}", n * c * h * w, inputs.shape);
            return Err(Error::shape("sample", expected, inputs.sample.len()));
        }
        check_finite("sample", inputs.sample)
    }

    /// Refuses a batch that is sure not to fit the memory of the processor; cards say so themselves.
    pub fn expect_room(&self, inputs: Inputs, tracked: bool) -> Result<()> {
        if *self.parameters.device() != Device::flex() {
            return Ok(());
        }
        let bytes = self.config.working_bytes(inputs.shape, tracked);
        expect_bytes(format_args!("a batch of shape {:?}", inputs.shape), bytes)
    }

    fn check_timesteps(&self, inputs: Inputs) -> Result<()> {
        let n = inputs.shape[0];
        if inputs.timesteps.len() != 1 && inputs.timesteps.len() != n {
            let expected = format!("one timestep, or one for each of the {n} samples");
            return Err(Error::shape("timesteps", expected, inputs.timesteps.len()));
        }
        check_finite("timesteps", inputs.timesteps)?;
        match self.config.time_embedding_type {
            TimeEmbeddingType::Positional => Ok(()),
            TimeEmbeddingType::Fourier => match inputs.timesteps.iter().find(|&&t| t <= 0.0) {
                Some(t) => Err(Error::argument("timesteps", "numbers above 0 (the model takes their logarithm)", t)),
                None => Ok(()),
            },
            TimeEmbeddingType::Learned => {
                whole_numbers_below("timesteps", inputs.timesteps, self.config.num_train_timesteps.unwrap_or(0))
            }
        }
    }

    fn check_class_labels(&self, inputs: Inputs) -> Result<()> {
        let n = inputs.shape[0];
        let expected = match &self.network.class_embedding {
            None if inputs.class_labels.is_empty() => return Ok(()),
            None => {
                let expected = "none: the model has neither numClassEmbeds nor classEmbedType";
                return Err(Error::argument("classLabels", expected, format!("{} values", inputs.class_labels.len())));
            }
            Some(ClassEmbedding::Identity { dim }) => n * dim,
            Some(_) => n,
        };
        if inputs.class_labels.len() != expected {
            let expected = format!("{expected} values for {n} samples");
            return Err(Error::shape("classLabels", expected, inputs.class_labels.len()));
        }
        check_finite("classLabels", inputs.class_labels)?;
        match &self.network.class_embedding {
            Some(ClassEmbedding::Table { .. }) => {
                whole_numbers_below("classLabels", inputs.class_labels, self.config.num_class_embeds.unwrap_or(0))
            }
            _ => Ok(()),
        }
    }
}

fn whole_numbers_below(argument: &str, values: &[f32], limit: usize) -> Result<()> {
    match values.iter().find(|&&value| value < 0.0 || value.fract() != 0.0 || value as usize >= limit) {
        Some(value) => {
            Err(Error::argument(argument, format!("whole numbers from 0 to {}", limit.saturating_sub(1)), value))
        }
        None => Ok(()),
    }
}
