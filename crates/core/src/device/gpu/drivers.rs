//! Graphics cards of a machine, as their drivers show them.

use super::{Adapter, configure};
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig as _};
use cubecl::wgpu::wgpu::{self, Backend, DeviceType};
use cubecl::wgpu::{AutoGraphicsApi, RuntimeOptions, WgpuDevice, WgpuDeviceKind, try_init_setup};
use std::sync::{LazyLock, OnceLock};

/// Found once: asking the drivers takes a tenth of a second.
static ADAPTERS: LazyLock<Vec<Adapter>> = LazyLock::new(enumerate);

pub(super) fn adapters() -> &'static [Adapter] {
    &ADAPTERS
}

/// What is said where there is no card.
pub(super) fn none_found() -> String {
    let looked_for: Vec<String> = AutoGraphicsApi::chain().iter().map(|api| format!("{api:?}")).collect();
    let looked_for = looked_for.join(", ");
    format!(
        "device: no graphics card was found (looked for drivers of {looked_for}); use \"cpu\", or install the card's driver"
    )
}

pub(super) fn bring_up(selector: &WgpuDevice) -> std::result::Result<(), String> {
    configure(CubeClRuntimeConfig::from_current_dir().override_from_env());
    let setup = RuntimeOptions::try_default().and_then(|options| try_init_setup::<AutoGraphicsApi>(selector, options));
    setup.map(drop).map_err(|error| error.to_string())
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

/// Best first: hardware with memory of its own, then hardware that shares the processor's, programs last.
fn rank(adapter: &Adapter) -> usize {
    match adapter.device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu | DeviceType::Other => 2,
        DeviceType::Cpu => 3,
    }
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
    adapters.sort_by_key(rank);
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
