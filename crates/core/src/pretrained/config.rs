//! Configuration files: diffusers' snake_case text on one side, camelCase options on the other.

use super::python_json::{self, Value};
use crate::{Error, Result};
use std::collections::BTreeMap;

/// The version of diffusers whose format is written. Every version can be read.
pub const DIFFUSERS_VERSION: &str = "0.42.1";

const CLASS_NAME: &str = "_class_name";
const VERSION: &str = "_diffusers_version";

/// Options that Python holds as floats: a whole number is written `1.0`. JavaScript has one number type, so that the
/// text of its options does not say.
const FLOAT_KEYS: [&str; 30] = [
    "base_shift",
    "beta_end",
    "beta_start",
    "clip_sample_range",
    "decay",
    "dropout",
    "dynamic_thresholding_ratio",
    "eta",
    "flow_shift",
    "inv_gamma",
    "lambda_min_clipped",
    "latents_mean",
    "latents_std",
    "max_shift",
    "min_decay",
    "norm_eps",
    "power",
    "resnet_out_scale_factor",
    "rho",
    "s_noise",
    "sample_max_value",
    "scaling_factor",
    "shift",
    "shift_factor",
    "shift_terminal",
    "sigma_data",
    "sigma_max",
    "sigma_min",
    "timestep_scaling",
    "trained_betas",
];

/// Options that may be fractions, but whose default is the integer 1 or 0 in Python.
const WHOLE_DEFAULT_KEYS: [&str; 2] = ["freq_shift", "mid_block_scale_factor"];

/// Options whose -Infinity, Python's default, means no limit; JSON without infinities says null.
const UNLIMITED_KEYS: [&str; 1] = ["lambda_min_clipped"];

/// What a `config.json` or `scheduler_config.json` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PretrainedConfig {
    pub class_name: Option<String>,
    pub diffusers_version: Option<String>,
    /// JSON, camelCase keys; without the keys that start with `_`, which are diffusers' own.
    pub options_json: String,
}

/// Reads a configuration. Which options exist and what they may be is for the class to say.
pub fn read_config(file_name: &str, text: &str) -> Result<PretrainedConfig> {
    let Value::Object(mut entries) = python_json::parse(file_name, text)? else {
        return Err(Error::file(file_name, "expected a dictionary of options"));
    };
    let mut private_text = |key: &str| match entries.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => {
            let got = python_json::to_standard_json(&other);
            Err(Error::file(file_name, format!("{key}: expected a string, got {got}")))
        }
    };
    let (class_name, diffusers_version) = (private_text(CLASS_NAME)?, private_text(VERSION)?);
    entries.retain(|key, _| !key.starts_with('_'));
    let options = entries.into_iter().map(|(key, value)| (camel_case(&key), option_value(&key, value))).collect();
    Ok(PretrainedConfig {
        class_name,
        diffusers_version,
        options_json: python_json::to_standard_json(&Value::Object(options)),
    })
}

/// The text that diffusers' `save_config` writes for these options.
pub fn write_config(class_name: &str, options_json: &str) -> Result<String> {
    let Value::Object(options) = python_json::from_standard_json(options_json)? else {
        return Err(Error::InvalidConfig(format!("options of {class_name}: expected a JSON object")));
    };
    let mut entries: BTreeMap<_, _> = options.into_iter().map(|(key, value)| python_entry(&key, value)).collect();
    entries.insert(CLASS_NAME.into(), Value::String(class_name.into()));
    entries.insert(VERSION.into(), Value::String(DIFFUSERS_VERSION.into()));
    Ok(python_json::format(&Value::Object(entries)))
}

fn option_value(key: &str, value: Value) -> Value {
    match value {
        Value::Float(f64::NEG_INFINITY) if UNLIMITED_KEYS.contains(&key) => Value::Null,
        other => other,
    }
}

fn python_entry(camel_key: &str, value: Value) -> (String, Value) {
    let key = snake_case(camel_key);
    let value = if UNLIMITED_KEYS.contains(&key.as_str()) && value == Value::Null {
        Value::Float(f64::NEG_INFINITY)
    } else if FLOAT_KEYS.contains(&key.as_str()) {
        integers_as_floats(value)
    } else if WHOLE_DEFAULT_KEYS.contains(&key.as_str()) {
        whole_as_integer(value)
    } else {
        value
    };
    (key, value)
}

fn integers_as_floats(value: Value) -> Value {
    match value {
        Value::Integer(digits) => digits.parse().map_or(Value::Integer(digits), Value::Float),
        Value::Array(items) => Value::Array(items.into_iter().map(integers_as_floats).collect()),
        other => other,
    }
}

fn whole_as_integer(value: Value) -> Value {
    match value {
        Value::Float(number) if number.is_finite() && number.fract() == 0.0 => Value::Integer(format!("{number}")),
        other => other,
    }
}

/// `predict_x0` → `predictX0`: each underscore before a lower-case letter goes, and the letter becomes a capital.
///
/// Underscores elsewhere (`text_embed_2_dim` → `textEmbed_2Dim`) stay, so that [`snake_case`] inverts this for every
/// key without capitals.
fn camel_case(snake_key: &str) -> String {
    let mut camel = String::with_capacity(snake_key.len());
    let mut characters = snake_key.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.next_if(|next| character == '_' && next.is_ascii_lowercase()) {
            Some(letter) => camel.push(letter.to_ascii_uppercase()),
            None => camel.push(character),
        }
    }
    camel
}

/// The inverse of [`camel_case`].
pub fn snake_case(camel_key: &str) -> String {
    let mut snake = String::with_capacity(camel_key.len() + 8);
    for character in camel_key.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_map_both_ways() {
        for (snake, camel) in [
            ("num_train_timesteps", "numTrainTimesteps"),
            ("predict_x0", "predictX0"),
            ("s_noise", "sNoise"),
            ("skip_prk_steps", "skipPrkSteps"),
            ("text_embed_2_dim", "textEmbed_2Dim"),
            ("reshape_to_2d", "reshapeTo_2d"),
            ("a__b_", "a_B_"),
        ] {
            assert_eq!(camel_case(snake), camel);
            assert_eq!(snake_case(camel), snake);
        }
    }

    #[test]
    fn reading_separates_class_version_and_options() {
        let text = r#"{"_class_name": "DDPMScheduler", "_diffusers_version": "0.6.0", "_name_or_path": "x",
            "lambda_min_clipped": -Infinity, "clip_sample_range": 1.0, "steps_offset": 1}"#;
        let config = read_config("scheduler_config.json", text).unwrap();
        assert_eq!(config.class_name.as_deref(), Some("DDPMScheduler"));
        assert_eq!(config.diffusers_version.as_deref(), Some("0.6.0"));
        assert_eq!(config.options_json, r#"{"clipSampleRange":1.0,"lambdaMinClipped":null,"stepsOffset":1}"#);
    }

    #[test]
    fn writing_restores_pythons_number_types() {
        let options = r#"{"clipSampleRange":1,"trainedBetas":[1,0.5],"midBlockScaleFactor":1.0,"freqShift":0.5,
            "stepsOffset":1,"lambdaMinClipped":null,"sigmaMin":null}"#;
        let expected = r#"{
  "_class_name": "X",
  "_diffusers_version": "0.42.1",
  "clip_sample_range": 1.0,
  "freq_shift": 0.5,
  "lambda_min_clipped": -Infinity,
  "mid_block_scale_factor": 1,
  "sigma_min": null,
  "steps_offset": 1,
  "trained_betas": [
    1.0,
    0.5
  ]
}
"#;
        assert_eq!(write_config("X", options).unwrap(), expected);
    }

    #[test]
    fn what_is_not_a_configuration_is_refused_by_name() {
        assert_eq!(
            read_config("config.json", "[]").unwrap_err().to_string(),
            "[InvalidFile] config.json: expected a dictionary of options"
        );
        assert_eq!(
            read_config("config.json", r#"{"_class_name": 3}"#).unwrap_err().to_string(),
            "[InvalidFile] config.json: _class_name: expected a string, got 3"
        );
        assert!(write_config("X", "3").is_err());
    }
}
