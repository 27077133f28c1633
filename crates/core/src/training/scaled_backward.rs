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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Inputs, LossScale, Source};
    use crate::random::Generator;
    use crate::training::{Target, mse_backward};
    use burn::tensor::Device;

    /// Gradients of a small model, of two passes, and the factor that was found.
    fn gradients(scale: Option<LossScale>, error: f32) -> (Vec<Vec<f32>>, Option<LossScale>) {
        let config = r#"{"blockOutChannels":[4,8],"layersPerBlock":1,"normNumGroups":2,"dropout":0.5,
            "downBlockTypes":["DownBlock2D","DownBlock2D"],"upBlockTypes":["UpBlock2D","UpBlock2D"]}"#;
        let config = serde_json::from_str(config).unwrap();
        let mut generator = Generator::new(0);
        let mut model = UNet2DModel::new(config, Source::Generator(&mut generator), &Device::flex()).unwrap();
        model.loss_scale = scale;
        let sample = generator.randn(2 * 3 * 8 * 8);
        let target: Vec<f32> = generator.randn(sample.len()).into_iter().map(|x| x * error).collect();
        let inputs = Inputs { sample: &sample, shape: &[2, 3, 8, 8], timesteps: &[10.0], class_labels: &[] };
        pollster::block_on(async {
            for _ in 0..2 {
                mse_backward(&mut model, inputs, Target { values: &target, weights: &[] }).await.unwrap();
            }
            let mut values = Vec::new();
            for parameter in model.parameters.list() {
                values.push(model.parameters.gradient(&parameter.name).await.unwrap());
            }
            (values, model.loss_scale)
        })
    }

    fn scale(factor: f32) -> LossScale {
        serde_json::from_value(serde_json::json!({ "factor": factor, "good_passes": 0 })).unwrap()
    }

    #[test]
    fn a_power_of_two_leaves_no_trace() {
        let (plain, none) = gradients(None, 1.0);
        assert_eq!(none, None);
        let (scaled, found) = gradients(Some(scale(256.0)), 1.0);
        assert_eq!(scaled, plain);
        let mut expected = scale(256.0);
        (0..2).for_each(|_| expected.count_good_pass());
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn a_factor_that_is_too_large_gives_way_and_dropout_draws_the_same() {
        let (plain, _) = gradients(None, 1.0);
        let (scaled, found) = gradients(Some(scale(2f32.powi(126))), 1.0);
        assert_eq!(scaled, plain);
        assert!(found.unwrap().factor() < 2f32.powi(126));
    }

    #[test]
    fn what_no_factor_helps_against_stays_as_it_is_and_leaves_the_factor() {
        let (plain, _) = gradients(None, 1e30);
        let (scaled, found) = gradients(Some(scale(4.0)), 1e30);
        assert_eq!(scaled, plain);
        assert_eq!(found, Some(scale(4.0)));
    }
}
