//! The devices that models live on. Beside `kernels/`, the only place that names a backend.

#[cfg(feature = "gpu")]
mod gpu;

#[cfg(all(feature = "gpu", target_family = "wasm"))]
pub use gpu::page;

use crate::{Error, FloatType, Result};
use burn::tensor::{Device, FloatDType};
#[cfg(feature = "gpu")]
use gpu::{
    has_hardware as has_hardware_card, name as graphics_card_name, names as graphics_cards, open as graphics_card,
};
use std::sync::OnceLock;

/// The processor, which is always there.
pub const CPU: &str = "cpu";

/// A device that was found, with its name in [`devices`].
pub struct Found {
    pub device: Device,
    pub name: String,
}

impl Found {
    pub fn is_cpu(&self) -> bool {
        self.name == CPU
    }

    /// Refuses number formats that the kernels for the device do not have.
    pub fn require(&self, float_type: FloatType) -> Result<()> {
        const CARDS: &str = "graphics cards whose drivers offer it (shader-f16)";
        let on_cpu = self.is_cpu();
        let (whose, instead) = match float_type {
            FloatType::Float32 => return Ok(()),
            FloatType::BFloat16 if on_cpu => return Ok(()),
            FloatType::BFloat16 => ("the processor", "\"float16\" or \"float32\""),
            FloatType::Float16 if on_cpu => (CARDS, "\"bfloat16\" or \"float32\""),
            FloatType::Float16 if self.device.supports_dtype(FloatDType::from(float_type)) => return Ok(()),
            FloatType::Float16 => (CARDS, "\"float32\""),
        };
        let (dtype, device) = (float_type.name(), &self.name);
        Err(Error::Unsupported(format!(
            "dtype: \"{dtype}\" is for {whose}, and this model goes to {device}; take {instead}"
        )))
    }
}

/// Names the device of models for which none is chosen.
const DEFAULT: &str = "EMBERWING_DEVICE";

/// Why a page has no graphics card, if it was looked for.
static ABSENCE: OnceLock<String> = OnceLock::new();

/// Has [`devices`] and errors tell why there is no graphics card.
pub fn explain_absence(reason: String) {
    // The first reason is what there was to know.
    let _ = ABSENCE.set(reason);
}

/// Names of the devices of this machine, the CPU first: `cpu`, `gpu:0 (NVIDIA H100, Vulkan, 80 GB)`, …; in a page without one,
/// `no gpu (…)` with the reason.
pub fn devices() -> Vec<String> {
    let mut names = vec![CPU.to_string()];
    names.extend(graphics_cards());
    names.extend(ABSENCE.get().map(|reason| format!("no gpu ({reason})")));
    names
}

/// What a name chooses.
enum Choice {
    Cpu,
    /// Number in the order of [`devices`].
    Card(usize),
}

/// Names are: `cpu`; `gpu`, the best graphics card; `gpu:1`, one of several, counted as in [`devices`]; `auto`, a graphics card if
/// there is one made of hardware, else the CPU; or a whole name out of [`devices`]. An empty name stands for what the
/// environment variable `EMBERWING_DEVICE` says, else for the CPU.
fn choose(name: &str) -> Result<Choice> {
    let default = || std::env::var(DEFAULT).unwrap_or_else(|_| CPU.into());
    let name = if name.is_empty() { &default() } else { name };
    // What stands in parentheses describes the device and does not choose it.
    let chosen = name.split_once(" (").map_or(name, |(chosen, _)| chosen);
    match chosen {
        CPU => Ok(Choice::Cpu),
        "auto" => Ok(if has_hardware_card() { Choice::Card(0) } else { Choice::Cpu }),
        "gpu" => Ok(Choice::Card(0)),
        _ => match chosen.strip_prefix("gpu:").and_then(|index| index.parse().ok()) {
            Some(index) => Ok(Choice::Card(index)),
            None => Err(Error::argument("device", "cpu, gpu, gpu:0, gpu:1, … or auto", format!("\"{name}\""))),
        },
    }
}

/// The name in [`devices`] of the device that `name` chooses; opens nothing.
pub fn full_name(name: &str) -> Result<String> {
    match choose(name)? {
        Choice::Cpu => Ok(CPU.into()),
        Choice::Card(index) => graphics_card_name(index),
    }
}

/// The device that `name` chooses, ready for work.
pub fn find(name: &str) -> Result<Found> {
    match choose(name)? {
        Choice::Cpu => Ok(Found { device: Device::flex(), name: CPU.into() }),
        Choice::Card(index) => Ok(Found { device: graphics_card(index)?, name: graphics_card_name(index)? }),
    }
}

/// Gives back the memory of graphics cards that no tensor needs any more.
pub fn release_memory() {
    #[cfg(feature = "gpu")]
    gpu::release_memory();
}

/// What the failure to read a tensor means. A device reports what went wrong in the work before only there, and as text.
pub fn read_error(error: impl std::fmt::Display) -> Error {
    let text = error.to_string();
    // The lines behind are places in burn's sources.
    let lines: Vec<&str> = text.lines().take_while(|line| !line.contains("Backtrace")).map(str::trim).collect();
    let problem = lines.join(" ");
    // A browser refuses what was asked of a card that is gone before it says that the card is gone.
    if ["poisoned", "could not be mapped"].iter().any(|words| problem.contains(words)) {
        return Error::DeviceLost(format!("the device stopped answering; load the model again. {problem}"));
    }
    let refused = ["out of device memory allocating ", "can't allocate buffer of size: "];
    let bytes = refused.iter().find_map(|words| problem.split_once(words));
    match bytes.and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()) {
        Some(bytes) => {
            let hint = "take a smaller batch or smaller images, or dispose of models that are not needed";
            Error::OutOfMemory(format!("the device has no room for {bytes} more bytes: {hint}"))
        }
        None => Error::Internal(format!("a tensor could not be read: {problem}")),
    }
}

#[cfg(not(feature = "gpu"))]
fn graphics_cards() -> Vec<String> {
    Vec::new()
}

#[cfg(not(feature = "gpu"))]
fn has_hardware_card() -> bool {
    false
}

#[cfg(not(feature = "gpu"))]
fn graphics_card_name(_: usize) -> Result<String> {
    Err(no_graphics_cards())
}

#[cfg(not(feature = "gpu"))]
fn graphics_card(_: usize) -> Result<Device> {
    Err(no_graphics_cards())
}

#[cfg(not(feature = "gpu"))]
const NO_GPU_BUILD: &str = "device: this build has the CPU only, and a graphics card was asked for; in Node the addon for graphics \
                            cards (emberwing-gpu) is missing: `npm run setup` builds it";

#[cfg(not(feature = "gpu"))]
fn no_graphics_cards() -> Error {
    Error::DeviceUnavailable(match ABSENCE.get() {
        Some(reason) => format!("device: there is no graphics card here: {reason}; use \"cpu\""),
        None => NO_GPU_BUILD.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_a_device_have_their_own_codes() {
        let full = "An error happened\nCaused by:\n  out of device memory allocating 4096 bytes\nBacktrace: …";
        assert!(matches!(read_error(full), Error::OutOfMemory(message) if message.contains("4096 more bytes")));
        for lost in ["The device is poisoned\nCaused by:\n  a trap", "the staging buffer could not be mapped: …"] {
            assert!(matches!(read_error(lost), Error::DeviceLost(_)));
        }
        assert!(matches!(read_error("odd"), Error::Internal(_)));
    }

    #[test]
    fn the_cpu_is_always_there() {
        assert_eq!(devices()[0], "cpu");
        assert_eq!(find("cpu").map(|found| found.name), Ok("cpu".to_string()));
        assert_eq!(full_name("cpu"), Ok("cpu".to_string()));
        assert!(matches!(find("tpu:0"), Err(Error::InvalidArgument { .. })));
    }
}
