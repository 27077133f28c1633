//! Which tensors a model has: names from old versions of diffusers, and the report of what is missing or too much.

use super::weights::Weights;
use crate::{Error, Result};
use std::collections::BTreeSet;

/// Parameters of an attention block: the old name, and today's.
const OLD_ATTENTION: [(&str, &str); 4] =
    [("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")];

/// How many names one error lists of each kind.
const LISTED: usize = 5;

/// Today's shape of a tensor with an old name. Attention weights may still be 1×1 convolutions `[out, in, 1, 1]`; they
/// become the linear layer `[out, in]`.
pub(super) fn current_shape(shape: &[usize]) -> &[usize] {
    match shape {
        [_, _, 1, 1] => &shape[..2],
        _ => shape,
    }
}

/// `….attentions.0.query.weight` → `….attentions.0.to_q.weight`; `None` for every other name.
pub(super) fn renamed(name: &str) -> Option<String> {
    let (module, parameter) = name.rsplit_once('.')?;
    let (attention, layer) = module.rsplit_once('.')?;
    let (list, index) = attention.rsplit_once('.')?;
    let in_attention = list.rsplit('.').next() == Some("attentions") && index.bytes().all(|byte| byte.is_ascii_digit());
    let (_, current) = OLD_ATTENTION.iter().find(|(old, _)| in_attention && *old == layer)?;
    matches!(parameter, "weight" | "bias").then(|| format!("{attention}.{current}.{parameter}"))
}

impl Weights {
    /// Refuses weights that are not exactly the tensors of the model, and lists some of each kind of difference.
    pub fn check_names<'a>(&self, expected: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let expected: BTreeSet<&str> = expected.into_iter().collect();
        let present: BTreeSet<&str> = self.names().collect();
        let differences = [("missing", &expected - &present), ("unexpected", &present - &expected)];
        let problems: Vec<String> = differences
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(kind, names)| listed(kind, names))
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        Err(Error::file(
            self.file_names(),
            format!("the weights do not fit the configuration: {}", problems.join("; ")),
        ))
    }
}

/// `7 missing: a, b, c, d, e, …`
fn listed(kind: &str, names: &BTreeSet<&str>) -> String {
    let first: Vec<&str> = names.iter().copied().take(LISTED).collect();
    let more = if names.len() > LISTED { ", …" } else { "" };
    format!("{} {kind}: {}{more}", names.len(), first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FloatType;
    use crate::pretrained::safetensors::write_safetensors;

    #[test]
    fn old_attention_names_are_brought_up_to_date() {
        for (old, current) in [
            ("down_blocks.1.attentions.0.query.weight", "down_blocks.1.attentions.0.to_q.weight"),
            ("mid_block.attentions.0.key.bias", "mid_block.attentions.0.to_k.bias"),
            ("encoder.mid_block.attentions.12.value.weight", "encoder.mid_block.attentions.12.to_v.weight"),
            ("attentions.0.proj_attn.bias", "attentions.0.to_out.0.bias"),
        ] {
            assert_eq!(renamed(old).as_deref(), Some(current));
        }
        for name in [
            "mid_block.attentions.0.to_q.weight",
            "mid_block.attentions.0.group_norm.weight",
            "mid_block.resnets.0.query.weight",
            "mid_block.attentions.0.inner.query.weight",
            "mid_block.attentions.x.query.weight",
            "mid_block.attentions.0.query.scale",
            "query.weight",
            "",
        ] {
            assert_eq!(renamed(name), None, "{name}");
        }
    }

    #[test]
    fn old_convolutions_become_linear_layers() {
        let shape = &[2usize, 2, 1, 1][..];
        let tensors = ["attentions.0.query.weight", "resnets.0.conv_shortcut.weight"];
        let mut weights = Weights::new();
        let file =
            write_safetensors(tensors.map(|name| (name, shape, &[1.0f32, 2.0, 3.0, 4.0][..])), FloatType::Float32);
        weights.add("old", &file.unwrap()).unwrap();
        assert_eq!(weights.take("attentions.0.to_q.weight", &[2, 2]).unwrap(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(weights.take("resnets.0.conv_shortcut.weight", shape).unwrap(), [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn differences_are_reported_together() {
        let mut weights = Weights::new();
        let tensors = ["a", "x", "y"].map(|name| (name, &[1usize][..], &[0.0f32][..]));
        weights.add("m.safetensors", &write_safetensors(tensors, FloatType::Float32).unwrap()).unwrap();
        assert!(weights.check_names(["y", "a", "x"]).is_ok());
        assert_eq!(
            weights.check_names(["a", "b", "c", "d", "e", "f", "g"]).unwrap_err().to_string(),
            "[InvalidFile] m.safetensors: the weights do not fit the configuration: \
             6 missing: b, c, d, e, f, …; 2 unexpected: x, y"
        );
    }
}
