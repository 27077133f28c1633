//! Graphics cards, through wgpu: which there are, and opening one.

use crate::{Error, Result};
use burn::backend::DispatchDevice;
use burn::tensor::Device;
use cubecl::config::memory::PersistentMemory;
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
use cubecl::wgpu::wgpu::{self, Backend, DeviceType};
use cubecl::wgpu::{AutoGraphicsApi, RuntimeOptions, WgpuDevice, WgpuDeviceKind, try_init_setup};
use cubecl_environment::stream::{StreamPolicy, set_policy};
use std::sync::{LazyLock, OnceLock};

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

/// Found once: asking the drivers takes a tenth of a second.
static ADAPTERS: LazyLock<Vec<Adapter>> = LazyLock::new(enumerate);

impl Adapter {
    /// Best first: hardware with memory of its own, then hardware that shares the processor's, programs last.
    fn rank(&self) -> usize {
        match self.device_type {
            DeviceType::DiscreteGpu => 0,
            DeviceType::IntegratedGpu => 1,
            DeviceType::VirtualGpu | DeviceType::Other => 2,
            DeviceType::Cpu => 3,
        }
    }

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
        let opened = self.opened.get_or_init(|| {
            // Calls come from several threads, one after the other: one queue for all keeps their order.
            set_policy(StreamPolicy::Single);
            reuse_memory_by_size();
            let setup =
                RuntimeOptions::try_default().and_then(|options| try_init_setup::<AutoGraphicsApi>(&selector, options));
            setup.map(drop).map_err(|error| error.to_string())
        });
        match opened {
            Ok(()) => Ok(Device::new(DispatchDevice::from(selector))),
            Err(problem) => {
                Err(Error::DeviceUnavailable(format!("device: {} cannot be opened: {problem}", self.description())))
            }
        }
    }
}

/// Lets gradients take memory from the pool that parameters are in, where it is found by its size. Everywhere else cubecl goes
/// through all that is in use, which took longer than the rest of handing over a kernel.
fn reuse_memory_by_size() {
    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    config.memory.persistent_memory = PersistentMemory::SizeMatch;
    // False where a configuration is in use already: from the first card that was opened.
    CubeClRuntimeConfig::try_set(config);
}

fn label(index: usize, adapter: &Adapter) -> String {
    format!("gpu:{index} ({})", adapter.description())
}

pub fn names() -> Vec<String> {
    ADAPTERS.iter().enumerate().map(|(index, adapter)| label(index, adapter)).collect()
}

pub fn has_hardware() -> bool {
    ADAPTERS.first().is_some_and(|adapter| adapter.device_type != DeviceType::Cpu)
}

pub fn name(index: usize) -> Result<String> {
    adapter(index).map(|adapter| label(index, adapter))
}

pub fn open(index: usize) -> Result<Device> {
    adapter(index)?.open()
}

fn adapter(index: usize) -> Result<&'static Adapter> {
    ADAPTERS.get(index).ok_or_else(|| {
        Error::DeviceUnavailable(if ADAPTERS.is_empty() {
            let looked_for: Vec<String> = AutoGraphicsApi::chain().iter().map(|api| format!("{api:?}")).collect();
            let looked_for = looked_for.join(", ");
            format!(
                "device: no graphics card was found (looked for drivers of {looked_for}); use \"cpu\", or install the card's driver"
            )
        } else {
            format!("device: there is no gpu:{index}; this machine has {}", names().join(", "))
        })
    })
}

/// Gives back what opened cards keep for later work.
pub fn release_memory() {
    for adapter in ADAPTERS.iter().filter(|adapter| adapter.opened.get().is_some_and(std::result::Result::is_ok)) {
        if let Ok(device) = adapter.open() {
            device.memory_cleanup();
        }
    }
}

/// The cards of the first graphics interface that has one made of hardware, else of the first that has any: cubecl's choice, whose
/// numbers these are.
fn enumerate() -> Vec<Adapter> {
    let mut software = Vec::new();
    for api in AutoGraphicsApi::chain() {
        let adapters = adapters_of(api);
        if adapters.iter().any(|adapter| adapter.device_type != DeviceType::Cpu) {
            return adapters;
        }
        if software.is_empty() {
            software = adapters;
        }
    }
    software
}

fn adapters_of(api: Backend) -> Vec<Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: api.into(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let found = pollster::block_on(instance.enumerate_adapters(api.into()));
    let mut counts = [0; 4];
    let mut next = |place: usize| {
        counts[place] += 1;
        counts[place] - 1
    };
    let mut adapters: Vec<Adapter> = found
        .iter()
        .map(|adapter| {
            let info = adapter.get_info();
            let kind = match info.device_type {
                DeviceType::DiscreteGpu => WgpuDeviceKind::DiscreteGpu(next(0)),
                DeviceType::IntegratedGpu => WgpuDeviceKind::IntegratedGpu(next(1)),
                DeviceType::VirtualGpu => WgpuDeviceKind::VirtualGpu(next(2)),
                DeviceType::Other => WgpuDeviceKind::Other(next(3)),
                DeviceType::Cpu => WgpuDeviceKind::Cpu,
            };
            let memory = memory(adapter);
            Adapter { name: info.name, api, memory, device_type: info.device_type, kind, opened: OnceLock::new() }
        })
        .collect();
    adapters.sort_by_key(Adapter::rank);
    adapters
}

/// Bytes of the largest heap that is the card's own.
#[cfg(not(target_vendor = "apple"))]
fn memory(adapter: &wgpu::Adapter) -> Option<u64> {
    use wgpu::hal::{api::Vulkan, vulkan};
    const DEVICE_LOCAL: u32 = 1;
    // SAFETY: the handles are only asked for properties while the adapter lives.
    unsafe {
        let adapter = adapter.as_hal::<Vulkan>()?;
        let adapter: &vulkan::Adapter = &adapter;
        let instance = adapter.shared_instance().raw_instance();
        let properties = instance.get_physical_device_memory_properties(adapter.raw_physical_device());
        let heaps = &properties.memory_heaps[..properties.memory_heap_count as usize];
        heaps.iter().filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0).map(|heap| heap.size).max()
    }
}

/// Shared with the processor; wgpu does not say how much.
#[cfg(target_vendor = "apple")]
fn memory(_: &wgpu::Adapter) -> Option<u64> {
    None
}
