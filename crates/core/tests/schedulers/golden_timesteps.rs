//! The timesteps of every number of steps against those of diffusers, by 16 bits of each list's CRC-32
//! (`test/fixtures/schedulers/make_timesteps.py` says what they are of).

use crate::common::read;
use crate::fixtures::camel_case;
use crate::sampling::{scheduler, steps};
use serde_json::Value;

/// The classes whose every second timestep lies in the middle of a step.
const WITH_MIDDLES: [&str; 2] = ["KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler"];

/// CRC-32 as zlib computes it.
fn crc32(bytes: impl Iterator<Item = u8>) -> u32 {
    let update = |crc: u32, byte: u8| (0..8).fold(crc ^ u32::from(byte), |c, _| (c >> 1) ^ (0xEDB8_8320 * (c & 1)));
    !bytes.fold(!0, update)
}

fn check_of(class_name: &str, timesteps: &[f64]) -> u16 {
    let every = if WITH_MIDDLES.contains(&class_name) { 2 } else { 1 };
    crc32(timesteps.iter().step_by(every).flat_map(|t| (*t as f32).to_le_bytes())) as u16
}

#[test]
fn timesteps_are_diffusers_at_every_number_of_steps() {
    assert_eq!(crc32(b"123456789".iter().copied()), 0xCBF4_3926);
    let index: Value = serde_json::from_slice(&read("schedulers/timesteps.json")).unwrap();
    let checks = read("schedulers/timesteps.bin");
    let (mut compared, mut without) = (0, 0);
    let mut faults = Vec::new();
    for case in index.as_array().unwrap() {
        let class_name = case["scheduler"].as_str().unwrap();
        let config = Value::Object(camel_case(&case["config"])).to_string();
        let (offset, counts) = (case["offset"].as_u64().unwrap() as usize, case["counts"].as_u64().unwrap() as usize);
        let mut scheduler = scheduler(class_name, &config);
        for (count, want) in (1..=counts).zip(checks[offset..].chunks_exact(2)) {
            match u16::from_le_bytes([want[0], want[1]]) {
                0 => without += 1,
                want => {
                    compared += 1;
                    let got =
                        scheduler.place_timesteps(&steps(count)).map(|()| check_of(class_name, scheduler.timesteps()));
                    if got != Ok(want) {
                        faults.push(format!("{class_name} {config}, {count} steps: {got:?}"));
                    }
                }
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} of {compared} lists, such as\n{}",
        faults.len(),
        faults[..faults.len().min(30)].join("\n")
    );
    assert!(compared > 90_000 && without < 100, "{compared} lists compared, {without} that diffusers does not have");
}

/// diffusers' class needs a package for Brownian noise; its whole steps are those of KDPM2.
#[test]
fn steps_of_the_sde_are_those_of_kdpm2() {
    for spacing in ["linspace", "leading", "trailing"] {
        let config = format!(r#"{{"timestepSpacing":"{spacing}"}}"#);
        for count in 1..=130 {
            let [sde, kdpm2] = ["DPMSolverSDEScheduler", "KDPM2DiscreteScheduler"].map(|class_name| {
                let mut scheduler = scheduler(class_name, &config);
                scheduler.place_timesteps(&steps(count)).unwrap();
                scheduler.timesteps().iter().copied().step_by(2).collect::<Vec<f64>>()
            });
            assert_eq!(sde, kdpm2, "{spacing}, {count} steps");
        }
    }
}
