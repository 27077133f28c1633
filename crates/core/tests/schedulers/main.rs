//! The schedulers against values of diffusers 0.42 on torch 2.15.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod bad_input;
mod by_hand;
mod conversion;
mod distilled_loops;
mod fixtures;
mod full_loops;
mod golden_timesteps;
mod injected_noise;
mod sampling;
mod sigma_loops;
mod solver_loops;
mod sweep;
mod timesteps;
mod variance;
