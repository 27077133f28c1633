//! Where the steps of a run lie.

use crate::sampling::{prepared, scheduler};
use emberwing_core::schedulers::SetTimesteps;

fn spaced(class_name: &str, spacing: &str, steps: usize) -> Vec<f64> {
    prepared(class_name, &format!(r#"{{"timestepSpacing":"{spacing}"}}"#), steps).timesteps().to_vec()
}

#[test]
fn the_three_spacings() {
    for class_name in ["DDPMScheduler", "DDIMScheduler"] {
        assert_eq!(spaced(class_name, "leading", 7), [852.0, 710.0, 568.0, 426.0, 284.0, 142.0, 0.0]);
        assert_eq!(spaced(class_name, "trailing", 7), [999.0, 856.0, 713.0, 570.0, 428.0, 285.0, 142.0]);
        assert_eq!(spaced(class_name, "linspace", 7), [999.0, 832.0, 666.0, 500.0, 333.0, 166.0, 0.0]);
        assert_eq!(spaced(class_name, "leading", 10)[..2], [900.0, 800.0]);
        assert_eq!(spaced(class_name, "linspace", 1), [0.0]);
        assert_eq!(spaced(class_name, "trailing", 1), [999.0]);
    }
}

#[test]
fn the_offset_moves_leading_timesteps_only() {
    let offset = prepared("DDIMScheduler", r#"{"stepsOffset":1}"#, 5);
    assert_eq!(offset.timesteps(), [801.0, 601.0, 401.0, 201.0, 1.0]);
    let trailing = prepared("DDIMScheduler", r#"{"stepsOffset":1,"timestepSpacing":"trailing"}"#, 5);
    assert_eq!(trailing.timesteps()[0], 999.0);
}

/// diffusers gives one timestep too many, −1, for 62 of these counts (61, 103, 121 …).
#[test]
fn trailing_spacing_has_as_many_steps_as_asked() {
    for steps in 1..=1000 {
        let timesteps = spaced("DDPMScheduler", "trailing", steps);
        assert_eq!(timesteps.len(), steps);
        assert!(timesteps.windows(2).all(|pair| pair[1] < pair[0]), "{steps} steps: {timesteps:?}");
        assert!(timesteps[0] == 999.0 && timesteps[steps - 1] >= 0.0, "{steps} steps: {timesteps:?}");
    }
}

#[test]
fn before_set_timesteps_all_training_steps_are_there() {
    for class_name in ["DDPMScheduler", "DDIMScheduler"] {
        let scheduler = scheduler(class_name, r#"{"numTrainTimesteps":4}"#);
        assert_eq!(scheduler.timesteps(), [3.0, 2.0, 1.0, 0.0]);
    }
}

#[test]
fn custom_timesteps_of_ddpm() {
    let mut scheduler = scheduler("DDPMScheduler", "{}");
    let timesteps = vec![100.0, 87.0, 50.0, 1.0, 0.0];
    scheduler.set_timesteps(&SetTimesteps { timesteps: Some(timesteps.clone()), ..Default::default() }).unwrap();
    assert_eq!(scheduler.timesteps(), timesteps);
}
