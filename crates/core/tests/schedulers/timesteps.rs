//! Where the steps of a run lie.

use crate::common::assert_close;
use crate::sampling::{prepared, scheduler, steps};
use emberwing_core::schedulers::{SetTimesteps, class_names};

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
fn plms_repeats_the_second_step() {
    let latent = r#"{"skipPrkSteps":true,"stepsOffset":1}"#;
    assert_eq!(prepared("PNDMScheduler", latent, 5).timesteps(), [801.0, 601.0, 601.0, 401.0, 201.0, 1.0]);
}

#[test]
fn pndm_begins_with_runge_kutta() {
    let want = [
        901.0, 851.0, 851.0, 801.0, 801.0, 751.0, 751.0, 701.0, 701.0, 651.0, 651.0, 601.0, 601.0, 501.0, 401.0, 301.0,
        201.0, 101.0, 1.0,
    ];
    assert_eq!(prepared("PNDMScheduler", r#"{"stepsOffset":1}"#, 10).timesteps(), want);
}

#[test]
fn samplers_in_sigma_step_between_training_timesteps() {
    let latent = r#"{"betaStart":0.00085,"betaEnd":0.012,"betaSchedule":"scaled_linear"}"#;
    let euler = prepared("EulerDiscreteScheduler", latent, 5);
    assert_eq!(euler.timesteps(), [999.0, 749.25, 499.5, 249.75, 0.0]);
    assert_close("sigmas", &euler.table("sigmas"), &[14.61465, 4.08609, 1.61558, 0.69515, 0.02917, 0.0], 1e-5);
    assert_eq!(prepared("HeunDiscreteScheduler", latent, 3).timesteps(), [999.0, 499.5, 499.5, 0.0, 0.0]);
}

#[test]
fn solvers_leave_the_last_timestep_out() {
    for class_name in ["DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "UniPCMultistepScheduler"] {
        assert_eq!(prepared(class_name, "{}", 5).timesteps(), [999.0, 799.0, 599.0, 400.0, 200.0], "{class_name}");
    }
    let leading = prepared("DEISMultistepScheduler", r#"{"timestepSpacing":"leading","stepsOffset":1}"#, 4);
    assert_eq!(leading.timesteps(), [801.0, 601.0, 401.0, 201.0]);
}

/// Every scheduler at one step, at a few, and at its training steps.
#[test]
fn any_number_of_steps_can_be_laid_out() {
    for class_name in class_names() {
        let train = scheduler(class_name, "{}").num_train_timesteps();
        let least = if class_name == "PNDMScheduler" { 4 } else { 1 };
        for count in [least, 7, train] {
            let mut scheduler = scheduler(class_name, "{}");
            let most = match class_name {
                "LCMScheduler" | "TCDScheduler" => count.min(50),
                _ => count,
            };
            scheduler.set_timesteps(&steps(most)).unwrap_or_else(|error| panic!("{class_name} {count}: {error}"));
            // This one leaves out the timestep that rounding repeats, as in diffusers.
            let repeated = usize::from(class_name == "DPMSolverMultistepInverseScheduler" && count == train);
            assert!(scheduler.timesteps().len() >= most - repeated, "{class_name} {count}");
            assert!(scheduler.timesteps().iter().all(|t| t.is_finite()), "{class_name} {count}");
        }
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
