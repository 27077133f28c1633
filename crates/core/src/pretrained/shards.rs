//! The index of weights that are split over several files (`….safetensors.index.json`, `….bin.index.json`).

use super::names::renamed;
use super::python_json::{self, Value};
use super::weights::Weights;
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// Which shard holds which tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardIndex {
    file_name: String,
    /// Tensor name → shard file.
    weight_map: BTreeMap<String, String>,
}

impl ShardIndex {
    /// Reads an index. Shards lie in its folder or below: every other path is refused.
    pub fn parse(file_name: &str, text: &str) -> Result<Self> {
        let refuse = |problem: String| Err(Error::file(file_name, problem));
        let Value::Object(mut entries) = python_json::parse(file_name, text)? else {
            return refuse("expected a dictionary with `weight_map`".into());
        };
        let Some(Value::Object(map)) = entries.remove("weight_map") else {
            return refuse("expected a dictionary under `weight_map`".into());
        };
        let mut weight_map = BTreeMap::new();
        for (name, shard) in map {
            match shard {
                Value::String(shard) if stays_in_folder(&shard) => weight_map.insert(name, shard),
                Value::String(shard) => return refuse(format!("shard `{shard}` is a path that leaves the folder")),
                _ => return refuse(format!("the shard of `{name}` must be a string")),
            };
        }
        if weight_map.is_empty() {
            return refuse("`weight_map` is empty".into());
        }
        Ok(Self { file_name: file_name.into(), weight_map })
    }

    /// The shard files, each once, in alphabetical order.
    pub fn files(&self) -> Vec<String> {
        let files: BTreeSet<&String> = self.weight_map.values().collect();
        files.into_iter().cloned().collect()
    }

    /// Whether each tensor was in the shard that the index names.
    pub fn check(&self, weights: &Weights) -> Result<()> {
        for (name, shard) in &self.weight_map {
            let current = renamed(name).unwrap_or_else(|| name.clone());
            match weights.file_of(&current) {
                Some(file) if file == shard => {}
                Some(file) => {
                    let problem = format!("tensor `{name}` should be in {shard}, but {file} has it");
                    return Err(Error::file(&self.file_name, problem));
                }
                None => {
                    return Err(Error::file(shard, format!("tensor `{name}` is missing; {} lists it", self.file_name)));
                }
            }
        }
        Ok(())
    }
}

/// Relative, with `/` between plain names, on every operating system.
fn stays_in_folder(path: &str) -> bool {
    !path.contains(['\\', ':', '\0']) && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FloatType;
    use crate::pretrained::safetensors::write_safetensors;

    const INDEX: &str = r#"{"metadata": {"total_size": 12},
        "weight_map": {"a": "m-00002-of-00002.safetensors", "b": "m-00001-of-00002.safetensors", "c": "m-00001-of-00002.safetensors"}}"#;

    fn shard(names: &[&str]) -> Vec<u8> {
        let tensors = names.iter().map(|name| (*name, &[1usize][..], &[0.5f32][..]));
        write_safetensors(tensors, FloatType::Float32).unwrap()
    }

    #[test]
    fn shards_are_listed_once_and_in_order() {
        let index = ShardIndex::parse("m.safetensors.index.json", INDEX).unwrap();
        assert_eq!(index.files(), ["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"]);
    }

    #[test]
    fn each_tensor_must_be_in_its_shard() {
        let index = ShardIndex::parse("m.safetensors.index.json", INDEX).unwrap();
        let mut weights = Weights::new();
        weights.add("m-00001-of-00002.safetensors", &shard(&["b"])).unwrap();
        weights.add("m-00002-of-00002.safetensors", &shard(&["a"])).unwrap();
        assert_eq!(
            index.check(&weights).unwrap_err().to_string(),
            "[InvalidFile] m-00001-of-00002.safetensors: tensor `c` is missing; m.safetensors.index.json lists it"
        );
        weights.add("m-00003-of-00002.safetensors", &shard(&["c"])).unwrap();
        assert_eq!(
            index.check(&weights).unwrap_err().to_string(),
            "[InvalidFile] m.safetensors.index.json: tensor `c` should be in m-00001-of-00002.safetensors, \
             but m-00003-of-00002.safetensors has it"
        );
        let mut complete = Weights::new();
        complete.add("m-00001-of-00002.safetensors", &shard(&["b", "c"])).unwrap();
        complete.add("m-00002-of-00002.safetensors", &shard(&["a"])).unwrap();
        assert!(index.check(&complete).is_ok());
    }

    #[test]
    fn old_attention_names_in_an_index_are_found() {
        let text = r#"{"weight_map": {"mid_block.attentions.0.query.weight": "s"}}"#;
        let index = ShardIndex::parse("i.json", text).unwrap();
        let mut weights = Weights::new();
        weights.add("s", &shard(&["mid_block.attentions.0.query.weight"])).unwrap();
        assert!(index.check(&weights).is_ok());
    }

    #[test]
    fn paths_that_leave_the_folder_are_refused() {
        for path in ["/etc/passwd", "../x", "a/../../x", "a\\\\b", "C:x", "C:/x", "", ".", "a//b", "a/", "x\\u0000"] {
            let text = format!(r#"{{"weight_map": {{"a": "{path}"}}}}"#);
            let message = ShardIndex::parse("i.json", &text).unwrap_err().to_string();
            assert!(message.contains("is a path that leaves the folder"), "{path}: {message}");
        }
        assert!(ShardIndex::parse("i.json", r#"{"weight_map": {"a": "parts/..x-1.safetensors"}}"#).is_ok());
    }

    #[test]
    fn what_is_not_an_index_is_refused() {
        for (text, expected) in [
            ("[]", "expected a dictionary with `weight_map`"),
            ("{}", "expected a dictionary under `weight_map`"),
            (r#"{"weight_map": {}}"#, "`weight_map` is empty"),
            (r#"{"weight_map": {"a": 3}}"#, "the shard of `a` must be a string"),
            ("{", "not valid JSON"),
        ] {
            let message = ShardIndex::parse("i.json", text).unwrap_err().to_string();
            assert!(message.starts_with("[InvalidFile] i.json: ") && message.contains(expected), "{message}");
        }
    }
}
