//! How the numbers of tensors are stored.

use crate::{Error, Result};

/// A number format, of files and of activations on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FloatType {
    #[default]
    Float32,
    /// Half the size; rounds to 11 bits, and holds numbers up to 65504.
    Float16,
    /// Half the size; rounds to 8 bits, and has the range of single precision.
    BFloat16,
}

impl FloatType {
    /// torch's name of it.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "float32" => Ok(Self::Float32),
            "float16" => Ok(Self::Float16),
            "bfloat16" => Ok(Self::BFloat16),
            _ => Err(Error::argument("dtype", "\"float32\", \"float16\" or \"bfloat16\"", format!("\"{name}\""))),
        }
    }

    /// What [`Self::parse`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::BFloat16 => "bfloat16",
        }
    }
}

impl From<FloatType> for burn::tensor::FloatDType {
    fn from(float_type: FloatType) -> Self {
        match float_type {
            FloatType::Float32 => Self::F32,
            FloatType::Float16 => Self::F16,
            FloatType::BFloat16 => Self::BF16,
        }
    }
}
