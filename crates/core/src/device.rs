//! The devices that models live on. Beside `kernels/`, the only file that names a backend.

use crate::{Error, Result};
use burn::tensor::Device;

/// Names of the devices of this machine, as the user writes them.
pub fn devices() -> Vec<String> {
    vec!["cpu".to_string()]
}

/// The burn device for a name of [`devices`].
pub fn device(name: &str) -> Result<Device> {
    match name {
        "cpu" => Ok(Device::flex()),
        _ => Err(Error::argument("device", format!("one of {}", devices().join(", ")), format!("\"{name}\""))),
    }
}
