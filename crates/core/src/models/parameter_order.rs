//! torch's order of a model's parameters: the order in which the modules were registered, which differs from the order
//! in which they were constructed. Optimizer states and EMA lists in diffusers' checkpoints follow it.

/// Parts of a name that are registered before or after the order of construction would put them.
const TOP: [&str; 8] = [
    "conv_in",
    "time_proj",
    "time_embedding",
    "class_embedding",
    "down_blocks",
    "up_blocks",
    "mid_block",
    "conv_norm_out",
];
const IN_BLOCK: [&str; 2] = ["attentions", "resnets"];

/// A key that sorts parameter names into torch's order, where sorting is stable and starts from the order of
/// construction.
pub fn rank(name: &str) -> Vec<usize> {
    let parts: Vec<&str> = name.split('.').collect();
    let top = place(&TOP, parts.first());
    match (parts.first(), parts.get(1).and_then(|index| index.parse().ok())) {
        (Some(&("down_blocks" | "up_blocks")), Some(block)) => vec![top, block, place(&IN_BLOCK, parts.get(2))],
        (Some(&"mid_block"), _) => vec![top, place(&IN_BLOCK, parts.get(1))],
        _ => vec![top],
    }
}

fn place(order: &[&str], part: Option<&&str>) -> usize {
    order.iter().position(|known| Some(known) == part).unwrap_or(order.len())
}
