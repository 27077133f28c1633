//! Weights files that torch wrote in unusual ways (`test/fixtures/make-odd-weights.py`), against torch's own values.

#![allow(clippy::unwrap_used, clippy::panic)]

use emberwing_core::Result;
use emberwing_core::pretrained::weights::{Tensor, Weights};
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures/odd_weights")
}

fn load(name: &str) -> Result<Weights> {
    let mut weights = Weights::new();
    weights.add(name, &fs::read(folder().join(name)).unwrap())?;
    Ok(weights)
}

fn tensor(weights: &Weights, name: &str) -> Tensor {
    weights.get(name).unwrap_or_else(|| panic!("there is no {name}"))
}

/// Files whose name starts so, with both formats of torch.
fn files(starts_with: &str, is_refused: bool) -> Vec<String> {
    let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| name.ends_with(".bin") && !name.starts_with("f8"))
        .filter(|name| name.starts_with(starts_with) && name.starts_with("refused") == is_refused)
        .collect();
    names.sort();
    names
}

#[test]
fn every_way_of_saving_gives_torchs_values() {
    let expected = load("expected.safetensors").unwrap();
    let files = files("", false);
    assert_eq!(files.len(), 28, "{files:?}");
    for file in files {
        let weights = load(&file).unwrap();
        for name in ["a", "b"] {
            assert_eq!(tensor(&weights, name), tensor(&expected, name), "{name} in {file}");
        }
    }
}

/// The same with only one tensor wanted, and the bytes handed over as they are asked for.
#[test]
fn only_what_is_wanted_is_read() {
    let expected = load("expected.safetensors").unwrap();
    for file in [files("", false), vec!["expected.safetensors".into()]].concat() {
        let bytes = fs::read(folder().join(&file)).unwrap();
        let mut weights = Weights::new();
        weights.want_only([("a".to_string(), vec![3, 4])]);
        let mut wanted = weights.open(&file, bytes.len() as u64).unwrap();
        while let Some(range) = wanted {
            wanted = weights.feed(bytes[range.start as usize..range.end as usize].to_vec()).unwrap();
        }
        assert_eq!(tensor(&weights, "a"), tensor(&expected, "a"), "{file}");
        assert!(weights.names().any(|name| name == "b") && weights.get("b").is_none(), "{file}");
        let unused = weights.unused(&["a".to_string()]).unwrap();
        assert!(unused.contains(&"b".to_string()), "{file}: {unused:?}");
    }
}

#[test]
fn foreign_number_formats_are_named_and_refused_only_where_they_are_needed() {
    for (file, count) in [("foreign.bin", 7), ("foreign_legacy.bin", 6)] {
        let mut weights = load(file).unwrap();
        assert_eq!(weights.names().count(), count, "{file}");
        let message = weights.take("i32", &[3]).unwrap_err().to_string();
        assert_eq!(message, format!("[InvalidFile] {file}: tensor `i32` has the unsupported number format int32"));
    }
}

#[test]
fn eight_bit_floats_are_torchs_for_every_code() {
    let expected = load("f8_expected.safetensors").unwrap();
    for file in ["f8.safetensors", "f8.bin"] {
        let weights = load(file).unwrap();
        for name in ["e4m3", "e5m2"] {
            let (got, expected) = (tensor(&weights, name).data, tensor(&expected, name).data);
            assert_eq!(got.len(), 256);
            for (code, (got, expected)) in got.iter().zip(&expected).enumerate() {
                let same = got.to_bits() == expected.to_bits() || (got.is_nan() && expected.is_nan());
                assert!(same, "{name} {code:#04x} in {file}: {got}, torch has {expected}");
            }
        }
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let refused = [
        ("sparse", "a sparse tensor, which is not read: save `tensor.to_dense()`"),
        ("quantised", "a quantised tensor, which is not read: save `tensor.dequantize()`"),
        ("numpy", "a value of numpy"),
        ("evil", "asks Python for `posix.system`"),
        ("whole", "save the weights alone, `torch.save(model.state_dict(), path)`"),
        ("list", "expected a dictionary of tensors"),
    ];
    for (case, expected) in refused {
        let files = files(&format!("refused_{case}"), true);
        assert_eq!(files.len(), 2);
        for file in files {
            let message = load(&file).err().unwrap().to_string();
            assert!(message.starts_with(&format!("[InvalidFile] {file}: ")) && message.contains(expected), "{message}");
        }
    }
    assert_eq!(files("refused", true).len(), 2 * refused.len());
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    for file in ["plain.bin", "plain_legacy.bin", "protocol_4_legacy.bin", "views_legacy.bin"] {
        let bytes = fs::read(folder().join(file)).unwrap();
        for length in 0..bytes.len() {
            assert!(Weights::new().add(file, &bytes[..length]).is_err(), "{file} cut to {length}");
        }
    }
}

#[test]
fn damaged_files_never_panic() {
    for file in files("", false) {
        let good = fs::read(folder().join(&file)).unwrap();
        for position in 0..good.len().min(900) {
            for byte in [0, 1, 0x28, 0x51, 0x7F, 0x80, 0xFF] {
                let mut damaged = good.clone();
                damaged[position] = byte;
                // Only the absence of a panic counts: a changed name or number is none that shows.
                let _ = Weights::new().add("damaged", &damaged);
            }
        }
    }
}
