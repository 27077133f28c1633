//! A backward pass with a factor on the loss, where gradients are float16.

use super::adamw::gradient_norm;
use crate::Result;
use crate::models::UNet2DModel;

/// Runs `pass`, which adds the gradients of the loss times the factor that it is given to the model's. The gradients lose the
/// factor again. Where it was too large for float16, the pass is done once more with a smaller one, so that no step is lost.
/// Returns what `pass` gave, and the factor that it gave it with.
pub async fn scaled_backward<T>(
    model: &mut UNet2DModel,
    mut pass: impl FnMut(&mut UNet2DModel, f32) -> T,
) -> Result<(T, f32)> {
    let Some(known) = model.loss_scale else { return Ok((pass(model, 1.0), 1.0)) };
    let before = model.parameters.take_gradients();
    let dropout = model.dropout_state();
    let mut scale = known;
    loop {
        let result = pass(model, scale.factor());
        let finite = gradient_norm(&model.parameters).await?.is_finite();
        match scale.smaller() {
            Some(smaller) if !finite => {
                model.parameters.zero_gradients();
                model.set_dropout_state(&dropout)?;
                scale = smaller;
            }
            _ => {
                let factor = scale.factor();
                model.parameters.scale_gradients(1.0 / f64::from(factor));
                model.parameters.add_gradients(before);
                if finite {
                    scale.count_good_pass();
                    model.loss_scale = Some(scale);
                }
                return Ok((result, factor));
            }
        }
    }
}
