//! What a model folder holds and the model does not take: passed over with a warning, as diffusers does, unless the
//! numbers would be other ones without it.

use super::names::renamed;
use super::weights::Weights;
use crate::{Error, Result};
use std::collections::BTreeSet;

/// How many names a warning lists.
const LISTED: usize = 100;

/// Last parts of names of what belongs to a quantised weight: scales, zero points and tables of bitsandbytes, quanto,
/// GPTQ, AWQ, compressed-tensors and ComfyUI.
const QUANTISATION: [&str; 21] = [
    "SCB",
    "_data",
    "_scale",
    "_shift",
    "absmax",
    "g_idx",
    "nested_absmax",
    "nested_quant_map",
    "qweight",
    "qzeros",
    "quant_map",
    "quant_state",
    "scale_weight",
    "scales",
    "weight_packed",
    "weight_scale",
    "weight_scale_2",
    "weight_scale_inv",
    "weight_zero_point",
    "wscales",
    "zero_point",
];

impl Weights {
    /// The names of the tensors that a model of these does not take. Refuses weights that lack one of the model's, and
    /// those of which only a scale that stands beside them makes what the model needs.
    pub fn unused(&self, expected: &[String]) -> Result<Vec<String>> {
        let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
        let unused: Vec<&str> = self.names().filter(|name| !expected.contains(name)).collect();
        for name in &unused {
            if quantised(name).is_some_and(|weight| expected.contains(weight.as_str())) && !self.changes_nothing(name) {
                return Err(quantised_refusal(&format!("tensor `{name}` in {}", self.file_names())));
            }
        }
        if expected.iter().any(|name| self.file_of(name).is_none()) {
            self.check_names(expected)?;
        }
        Ok(unused.into_iter().map(str::to_owned).collect())
    }

    /// A scale of ones, which some tools write.
    fn changes_nothing(&self, scale: &str) -> bool {
        self.get(scale).is_some_and(|scale| scale.data.iter().all(|value| *value == 1.0))
    }
}

/// The weight that a tensor of this name belongs to, where it is a part of its quantisation: of `conv.weight_scale` and
/// `conv.weight.quant_state.nf4` it is `conv.weight`.
pub(super) fn quantised(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    let at = parts.iter().position(|part| QUANTISATION.contains(part))?;
    let module = parts.get(..at)?.join(".");
    let weight = if module.ends_with(".weight") { module } else { format!("{module}.weight") };
    Some(renamed(&weight).unwrap_or(weight))
}

/// Quantised weights, recognised by `what`.
pub fn quantised_refusal(what: &str) -> Error {
    let advice = "load the model in Python, dequantize it (`model.dequantize()`) and save it again";
    Error::Unsupported(format!("{what}: the weights are quantised, which is not supported: {advice}"))
}

/// What to tell of options and tensors that were passed over: one text, or none.
pub fn warning(options: &[String], tensors: &[String], files: &str) -> Option<String> {
    let of_options = (!options.is_empty())
        .then(|| format!("the config attributes {{{}}} are not expected and will be ignored", listed(options)));
    let of_tensors = (!tensors.is_empty()).then(|| {
        format!("some weights of the model checkpoint ({files}) were not used when initializing: {}", listed(tensors))
    });
    let texts: Vec<String> = of_options.into_iter().chain(of_tensors).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

fn listed(names: &[String]) -> String {
    let first = names.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED { format!("{first}, … ({} in all)", names.len()) } else { first }
}
