//! Files that diffusers wrote (`test/fixtures/make.py`), read and written again.

#![allow(clippy::unwrap_used)]

use emberwing_core::FloatType;
use emberwing_core::pretrained::config::{read_config, write_config};
use emberwing_core::pretrained::python_json;
use emberwing_core::pretrained::safetensors::write_safetensors;
use emberwing_core::pretrained::shards::ShardIndex;
use emberwing_core::pretrained::weights::{Tensor, Weights};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures")
}

fn read(path: &str) -> Vec<u8> {
    fs::read(fixtures().join(path)).unwrap()
}

/// All files below the fixtures with this name.
fn files_named(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![fixtures()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap() == name {
                found.push(path);
            }
        }
    }
    found
}

/// Configurations of diffusers' own classes; other libraries write `config.json` in other ways.
fn diffusers_configs() -> Vec<(PathBuf, String)> {
    let files = [files_named("config.json"), files_named("scheduler_config.json")].concat();
    let texts = files.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap()));
    texts.filter(|(_, text)| text.contains("_diffusers_version")).collect()
}

fn weights(file_name: &str, bytes: &[u8]) -> Weights {
    let mut weights = Weights::new();
    weights.add(file_name, bytes).unwrap();
    weights
}

fn tensors(weights: &Weights) -> Vec<(&str, Tensor)> {
    weights.names().map(|name| (name, weights.get(name).unwrap())).collect()
}

fn to_bytes<'a>(tensors: impl IntoIterator<Item = (&'a str, Tensor)>) -> Vec<u8> {
    let tensors: Vec<(&str, Tensor)> = tensors.into_iter().collect();
    let tensors = tensors.iter().map(|(name, tensor)| (*name, &tensor.shape[..], &tensor.data[..]));
    write_safetensors(tensors, FloatType::Float32).unwrap()
}

/// Marsaglia's xorshift: the mutations are the same in every run.
struct XorShift(u64);

impl XorShift {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// A few bytes changed within the first `reach`, and every fourth time the end cut off.
    fn mutated(&mut self, bytes: &[u8], reach: usize) -> Vec<u8> {
        let mut mutated = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let position = self.below(reach.min(bytes.len()));
            mutated[position] = self.below(256) as u8;
        }
        if self.below(4) == 0 {
            mutated.truncate(self.below(bytes.len()));
        }
        mutated
    }
}

#[test]
fn json_is_written_as_python_wrote_it() {
    let files =
        [diffusers_configs().into_iter().map(|(path, _)| path).collect(), files_named("model_index.json")].concat();
    assert!(files.len() >= 33, "{} files", files.len());
    for path in files {
        let (name, text) = (path.display().to_string(), fs::read_to_string(&path).unwrap());
        assert_eq!(python_json::format(&python_json::parse(&name, &text).unwrap()), text, "{name}");
        let standard = python_json::parse_to_json(&name, &text).unwrap();
        serde_json::from_str::<serde_json::Value>(&standard).unwrap();
        assert_eq!(python_json::format_from_json(&standard).unwrap(), text, "{name}");
    }
}

#[test]
fn configurations_survive_the_way_through_camel_case() {
    for (path, text) in diffusers_configs() {
        let name = path.display().to_string();
        let config = read_config(&name, &text).unwrap();
        let options: BTreeMap<String, serde_json::Value> = serde_json::from_str(&config.options_json).unwrap();
        assert!(options.keys().all(|key| !key.contains('_')), "{name}: {:?}", options.keys());
        // JavaScript has no way to write 1.0: the text after `JSON.stringify(JSON.parse(…))`.
        let from_javascript = config.options_json.replace(".0,", ",").replace(".0}", "}").replace(".0]", "]");
        // diffusers notes where it loaded a model from; that is no option.
        let expected: String = text.split_inclusive('\n').filter(|line| !line.contains("\"_name_or_path\"")).collect();
        let class_name = config.class_name.unwrap();
        for options in [config.options_json, from_javascript] {
            assert_eq!(write_config(&class_name, &options).unwrap(), expected, "{name}");
        }
    }
}

#[test]
fn safetensors_are_written_byte_for_byte() {
    let files = files_named("diffusion_pytorch_model.safetensors");
    assert!(files.len() >= 29, "{} files", files.len());
    for path in files {
        let (name, bytes) = (path.display().to_string(), fs::read(&path).unwrap());
        assert!(to_bytes(tensors(&weights(&name, &bytes))) == bytes, "{name} differs");
    }
}

#[test]
fn a_torch_bin_file_holds_the_same_weights() {
    let bin = weights("diffusion_pytorch_model.bin", &read("pipelines/unet_bin/diffusion_pytorch_model.bin"));
    let safetensors = weights(
        "diffusion_pytorch_model.safetensors",
        &read("pipelines/ddpm/unet/diffusion_pytorch_model.safetensors"),
    );
    assert!(bin.names().count() > 100);
    assert!(tensors(&bin) == tensors(&safetensors));
}

#[test]
fn the_content_decides_about_the_format() {
    let bin = weights("model.safetensors", &read("pipelines/unet_bin/diffusion_pytorch_model.bin"));
    assert!(bin.get("conv_in.weight").is_some());
}

#[test]
fn weights_with_old_attention_names_load_as_new_ones() {
    let bytes = read("unet2d/base/diffusion_pytorch_model.safetensors");
    let current = weights("new", &bytes);
    let old: Vec<(String, Tensor)> = tensors(&current).into_iter().map(|(name, tensor)| as_old(name, tensor)).collect();
    assert!(old.iter().any(|(name, tensor)| name.contains(".proj_attn.weight") && tensor.shape.len() == 4));
    let loaded = weights("old", &to_bytes(old.iter().map(|(name, tensor)| (name.as_str(), tensor.clone()))));
    assert!(tensors(&loaded) == tensors(&current));
}

/// The name, and the convolution in place of the linear layer, that old files have.
fn as_old(name: &str, mut tensor: Tensor) -> (String, Tensor) {
    let mut old = name.to_owned();
    for (current, before) in
        [(".to_q.", ".query."), (".to_k.", ".key."), (".to_v.", ".value."), (".to_out.0.", ".proj_attn.")]
    {
        old = old.replace(current, before);
    }
    if old != name && tensor.shape.len() == 2 {
        tensor.shape.extend([1, 1]);
    }
    (old, tensor)
}

#[test]
fn shards_load_as_one_file() {
    let whole = weights("whole", &read("unet2d/base/diffusion_pytorch_model.safetensors"));
    let shard_of = |name: &str| format!("m-{:05}-of-00003.safetensors", 1 + name.len() % 3);
    let map: Vec<String> = whole.names().map(|name| format!("\"{name}\": \"{}\"", shard_of(name))).collect();
    let text = format!("{{\"metadata\": {{\"total_size\": 1}}, \"weight_map\": {{{}}}}}", map.join(", "));
    let index = ShardIndex::parse("m.safetensors.index.json", &text).unwrap();
    assert_eq!(index.files().len(), 3);

    let mut loaded = Weights::new();
    for file in index.files() {
        assert!(index.check(&loaded).is_err(), "{file} was not added yet");
        let shard = tensors(&whole).into_iter().filter(|(name, _)| shard_of(name) == file);
        loaded.add(&file, &to_bytes(shard)).unwrap();
    }
    index.check(&loaded).unwrap();
    assert!(tensors(&loaded) == tensors(&whole));
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    for path in ["unet2d/base/diffusion_pytorch_model.safetensors", "pipelines/unet_bin/diffusion_pytorch_model.bin"] {
        let bytes = read(path);
        let mut random = XorShift(11);
        let cuts = (0..50).chain((0..150).map(|_| random.below(bytes.len()))).chain([bytes.len() - 1]);
        for length in cuts.collect::<Vec<_>>() {
            let message = Weights::new().add("cut", &bytes[..length]).unwrap_err().to_string();
            assert!(message.starts_with("[InvalidFile] cut: "), "{length}: {message}");
        }
    }
}

/// A damaged file is an error or, where the damage is in the numbers, other numbers; never a panic.
#[test]
fn damaged_weights_never_panic() {
    let header = |bytes: &[u8]| 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let safetensors =
        to_bytes(tensors(&weights("f", &read("unet2d/base/diffusion_pytorch_model.safetensors"))).into_iter().take(6));
    let bin = read("pipelines/unet_bin/diffusion_pytorch_model.bin");
    let mut random = XorShift(7);
    let mut refused = 0;
    for _ in 0..3000 {
        let damaged = random.mutated(&safetensors, header(&safetensors));
        refused += usize::from(Weights::new().add("damaged", &damaged).is_err());
    }
    assert!((2000..3000).contains(&refused), "{refused}");
    let mut refused = 0;
    for _ in 0..300 {
        refused += usize::from(Weights::new().add("damaged", &random.mutated(&bin, 17_000)).is_err());
    }
    assert!((250..300).contains(&refused), "{refused}");
}

/// What still reads after damage must be written in a form that reads back equal.
#[test]
fn damaged_json_never_panics() {
    let text = fs::read(fixtures().join("unet2d/base/config.json")).unwrap();
    let mut random = XorShift(3);
    let mut read_back = 0;
    for _ in 0..5000 {
        let damaged = String::from_utf8_lossy(&random.mutated(&text, text.len())).into_owned();
        if let Ok(value) = python_json::parse("damaged", &damaged) {
            let written = python_json::format(&value);
            assert_eq!(python_json::format(&python_json::parse("written", &written).unwrap()), written);
            read_back += 1;
        }
        // Only the absence of a panic counts.
        let _ = read_config("damaged", &damaged);
        let _ = ShardIndex::parse("damaged", &damaged);
    }
    assert!(read_back > 200, "{read_back}");
}
