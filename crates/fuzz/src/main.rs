//! One program for all fuzz targets: `EMBERWING_FUZZ_TARGET` names the one, libFuzzer's flags follow.
//! `scripts/fuzz.mjs` builds and runs them.
//!
//! An input may be refused, and must be neither a panic nor an abort nor take memory out of proportion.

#![no_main]

mod memory;
mod targets;

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use targets::Target;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("EMBERWING_FUZZ_TARGET").unwrap_or_default();
        let Some(target) = targets::named(&name) else {
            let names: Vec<_> = targets::TARGETS.iter().map(|target| target.name).collect();
            eprintln!("EMBERWING_FUZZ_TARGET: expected one of {}, got {name:?}", names.join(", "));
            std::process::exit(2);
        };
        (target.prepare)();
        let _ = TARGET.set(target);
    },
    |bytes: &[u8]| {
        if let Some(target) = TARGET.get() {
            memory::check(target.name, (target.allowance)(bytes), || (target.read)(bytes));
        }
    }
);
