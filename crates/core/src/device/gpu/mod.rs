//! Graphics cards, through wgpu: which there are, and opening one.

#[cfg(not(target_family = "wasm"))]
mod drivers;
#[cfg(target_family = "wasm")]
pub mod page;

use crate::{Error, Result};
use burn::backend::DispatchDevice;
use burn::tensor::Device;
use cubecl::config::memory::PersistentMemory;
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig as _};
use cubecl::wgpu::wgpu::{Backend, DeviceType};
use cubecl::wgpu::{WgpuDevice, WgpuDeviceKind};
use cubecl_environment::stream::{StreamPolicy, set_policy};
use std::sync::OnceLock;

#[cfg(not(target_family = "wasm"))]
use drivers::{adapters, bring_up, none_found};
#[cfg(target_family = "wasm")]
use page::{adapters, bring_up, none_found};

/// A graphics card, or a program that stands in for one.
struct Adapter {
    /// As the driver calls it.
    name: String,
    api: Backend,
    /// Bytes of its own memory, where the driver says so.
    memory: Option<u64>,
    device_type: DeviceType,
    kind: WgpuDeviceKind,
    /// What became of opening it.
    opened: OnceLock<std::result::Result<(), String>>,
}

impl Adapter {
    fn description(&self) -> String {
        let api = match self.api {
            Backend::Vulkan => "Vulkan",
            Backend::Metal => "Metal",
            Backend::Dx12 => "DirectX 12",
            Backend::Gl => "OpenGL",
            _ => "WebGPU",
        };
        let memory = self.memory.map(|bytes| format!(", {:.0} GB", bytes as f64 / 1e9)).unwrap_or_default();
        let software = if self.device_type == DeviceType::Cpu { ", software" } else { "" };
        format!("{}, {api}{memory}{software}", self.name)
    }

    /// Brings the card up, once.
    fn open(&self) -> Result<Device> {
        let selector = WgpuDevice::new(self.kind.clone());
        let opened = self.opened.get_or_init(|| bring_up(&selector));
        match opened {
            Ok(()) => Ok(Device::new(DispatchDevice::from(selector))),
            Err(problem) => {
                Err(Error::DeviceUnavailable(format!("device: {} cannot be opened: {problem}", self.description())))
            }
        }
    }
}

/// How all work on cards is handed over; must be said before the first one is opened.
fn configure(config: CubeClRuntimeConfig) {
    // Calls come from several threads, one after the other: one queue for all keeps their order.
    set_policy(StreamPolicy::Single);
    reuse_memory_by_size(config);
}

/// Lets gradients take memory from the pool that parameters are in, where it is found by its size. Everywhere else cubecl goes
/// through all that is in use, which took longer than the rest of handing over a kernel.
fn reuse_memory_by_size(mut config: CubeClRuntimeConfig) {
    config.memory.persistent_memory = PersistentMemory::SizeMatch;
    // False where a configuration is in use already: from the first card that was opened.
    CubeClRuntimeConfig::try_set(config);
}

fn label(index: usize, adapter: &Adapter) -> String {
    format!("gpu:{index} ({})", adapter.description())
}

pub fn names() -> Vec<String> {
    adapters().iter().enumerate().map(|(index, adapter)| label(index, adapter)).collect()
}

pub fn has_hardware() -> bool {
    adapters().first().is_some_and(|adapter| adapter.device_type != DeviceType::Cpu)
}

pub fn name(index: usize) -> Result<String> {
    adapter(index).map(|adapter| label(index, adapter))
}

pub fn open(index: usize) -> Result<Device> {
    adapter(index)?.open()
}

fn adapter(index: usize) -> Result<&'static Adapter> {
    adapters().get(index).ok_or_else(|| {
        Error::DeviceUnavailable(if adapters().is_empty() {
            none_found()
        } else {
            format!("device: there is no gpu:{index}; this machine has {}", names().join(", "))
        })
    })
}

/// Gives back what opened cards keep for later work.
pub fn release_memory() {
    for adapter in adapters().iter().filter(|adapter| adapter.opened.get().is_some_and(std::result::Result::is_ok)) {
        if let Ok(device) = adapter.open() {
            device.memory_cleanup();
        }
    }
}
