//! The graphics card of a page, through WebGPU.
//!
//! A browser opens a card while others get a turn, so that it is opened ahead of everything, by [`open`], and listed by [`offer`] once it is known to compute what it should.

use super::{Adapter, configure};
use crate::{Error, Result};
use burn::backend::DispatchDevice;
use burn::tensor::Device;
use cubecl::config::CubeClRuntimeConfig;
use cubecl::wgpu::wgpu::{Backend, DeviceType};
use cubecl::wgpu::{AutoGraphicsApi, RuntimeOptions, WgpuDevice, WgpuDeviceKind, try_init_setup_async};
use std::sync::OnceLock;

/// The one card that a browser hands out.
static ADAPTER: OnceLock<Adapter> = OnceLock::new();

pub(super) fn adapters() -> &'static [Adapter] {
    ADAPTER.get().map_or(&[], std::slice::from_ref)
}

/// What is said where there is no card.
pub(super) fn none_found() -> String {
    "device: no graphics card was opened in this page; use \"cpu\"".into()
}

pub(super) fn bring_up(_: &WgpuDevice) -> std::result::Result<(), String> {
    Err("init opens cards in a page".into())
}

/// Opens the card that the browser chooses.
pub async fn open() -> Result<Device> {
    configure(CubeClRuntimeConfig::default());
    let selector = selector();
    let options = RuntimeOptions::try_default().map_err(unavailable)?;
    try_init_setup_async::<AutoGraphicsApi>(&selector, options).await.map_err(unavailable)?;
    Ok(Device::new(DispatchDevice::from(selector)))
}

/// Puts the card that was opened among the devices. `name`: what the browser calls it; `software`: a program that stands in for one.
pub fn offer(name: String, software: bool) {
    let device_type = if software { DeviceType::Cpu } else { DeviceType::Other };
    let (api, kind, opened) = (Backend::BrowserWebGpu, selector().kind, OnceLock::from(Ok(())));
    // A second call finds the card of the first one, which is the same.
    let _ = ADAPTER.set(Adapter { name, api, memory: None, device_type, kind, opened });
}

fn selector() -> WgpuDevice {
    WgpuDevice::new(WgpuDeviceKind::DefaultDevice)
}

fn unavailable(error: impl std::fmt::Display) -> Error {
    Error::DeviceUnavailable(format!("the browser does not open the graphics card: {error}"))
}
