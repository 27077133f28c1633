//! `from_config` of diffusers: what travels from one class to another.

use crate::sampling::{assert_sum, run_seeded, sample, scheduler, steps};
use emberwing_core::schedulers::{Scheduler, class_names, convert, create_lenient};
use serde_json::Value;

fn config(scheduler: &dyn Scheduler) -> Value {
    serde_json::from_str(&scheduler.config_json()).unwrap()
}

#[test]
fn the_config_holds_every_option() {
    let ddpm = config(scheduler("DDPMScheduler", r#"{"betaStart":0.001}"#).as_ref());
    let want = r#"{"numTrainTimesteps":1000,"betaStart":0.001,"betaEnd":0.02,"betaSchedule":"linear","trainedBetas":null,
        "varianceType":"fixed_small","clipSample":true,"clipSampleRange":1.0,"predictionType":"epsilon","thresholding":false,
        "dynamicThresholdingRatio":0.995,"sampleMaxValue":1.0,"timestepSpacing":"leading","stepsOffset":0,
        "rescaleBetasZeroSnr":false}"#;
    assert_eq!(ddpm, serde_json::from_str::<Value>(want).unwrap());
}

#[test]
fn only_options_that_were_given_travel() {
    let ddpm = scheduler("DDPMScheduler", r#"{"betaSchedule":"squaredcos_cap_v2","varianceType":"fixed_large"}"#);
    let ddim = convert(ddpm.as_ref(), "DDIMScheduler", r#"{"clipSample":false}"#).unwrap();
    assert_eq!(ddim.class_name(), "DDIMScheduler");
    let values = config(ddim.as_ref());
    assert_eq!(values["betaSchedule"], "squaredcos_cap_v2");
    assert_eq!(values["clipSample"], false);
    assert!(values.get("varianceType").is_none());
}

#[test]
fn options_of_another_class_come_back() {
    let ddpm = scheduler("DDPMScheduler", r#"{"varianceType":"fixed_large"}"#);
    let ddim = convert(ddpm.as_ref(), "DDIMScheduler", "{}").unwrap();
    assert_eq!(ddim.record().hidden["varianceType"], "fixed_large");
    let again = convert(ddim.as_ref(), "DDPMScheduler", "{}").unwrap();
    assert_eq!(config(again.as_ref()), config(ddpm.as_ref()));
    assert!(again.record().hidden.is_empty());
}

/// diffusers' own test: the settings survive a tour of the solvers, some of which know other solver types.
#[test]
fn a_tour_of_the_solvers_changes_nothing() {
    let config = r#"{"solverOrder":2,"solverType":"midpoint","algorithmType":"dpmsolver++","lowerOrderFinal":false,
        "finalSigmasType":"sigma_min","predictionType":"epsilon"}"#;
    let mut current = scheduler("DPMSolverMultistepScheduler", config);
    let names =
        ["DPMSolverSinglestepScheduler", "UniPCMultistepScheduler", "DEISMultistepScheduler", current.class_name()];
    for class_name in names {
        current = convert(current.as_ref(), class_name, "{}").unwrap();
    }
    current.set_timesteps(&steps(10)).unwrap();
    assert_sum("after the tour", &run_seeded(current.as_mut(), sample()), 253.5514);
}

#[test]
fn defaults_are_those_of_the_new_class() {
    let pndm = scheduler("PNDMScheduler", "{}");
    assert_eq!(config(pndm.as_ref())["timestepSpacing"], "leading");
    let euler = convert(pndm.as_ref(), "EulerDiscreteScheduler", "{}").unwrap();
    assert_eq!(config(euler.as_ref())["timestepSpacing"], "linspace");
    let overridden = convert(pndm.as_ref(), "EulerDiscreteScheduler", r#"{"timestepSpacing":"trailing"}"#).unwrap();
    assert_eq!(config(overridden.as_ref())["timestepSpacing"], "trailing");
}

#[test]
fn every_class_converts_to_every_other() {
    for from in class_names() {
        for to in class_names() {
            let converted = convert(scheduler(from, "{}").as_ref(), to, "{}").unwrap();
            assert_eq!(config(converted.as_ref()), config(scheduler(to, "{}").as_ref()), "{from} to {to}");
        }
    }
}

#[test]
fn a_conversion_does_not_touch_the_original() {
    let ddpm = scheduler("DDPMScheduler", "{}");
    let mut copy = ddpm.clone();
    copy.set_timesteps(&steps(5)).unwrap();
    assert_eq!((ddpm.timesteps().len(), copy.timesteps().len()), (1000, 5));
}

#[test]
fn a_file_may_hold_options_of_other_classes() {
    let text = r#"{"betaStart":0.00085,"setAlphaToOne":false,"skipPrkStepz":true}"#;
    let (ddpm, unknown) = create_lenient("DDPMScheduler", text).unwrap();
    assert_eq!(unknown, ["skipPrkStepz"]);
    assert_eq!(config(ddpm.as_ref())["betaStart"], 0.00085);
    let ddim = convert(ddpm.as_ref(), "DDIMScheduler", "{}").unwrap();
    assert_eq!(config(ddim.as_ref())["setAlphaToOne"], false);
}

#[test]
fn an_override_that_the_class_does_not_have_is_refused() {
    let ddpm = scheduler("DDPMScheduler", "{}");
    let message =
        convert(ddpm.as_ref(), "DDIMScheduler", r#"{"varianceType":"fixed_large"}"#).err().unwrap().to_string();
    assert!(message.starts_with("[InvalidConfig] varianceType"), "{message}");
}
