//! A run on two numbers before the run on a sample: what a step computes from the noise schedule alone must be finite.
//!
//! Degenerate schedules (σ that is infinite or zero, ᾱ that is 0 or 1) show in the weights of a step, which are the same
//! for every value of a sample. Two values find them in a millisecond, before a model has worked for minutes.

use super::{Scheduler, SetTimesteps, StepInput, StepOptions};
use crate::error::check_finite;
use crate::{Error, Result};
use serde_json::Value;

/// Values of no meaning, all different, so that a difference of theirs is not zero by chance.
const SAMPLE: [f32; 2] = [1.0, -0.75];
const OUTPUT: [f32; 4] = [0.5, 0.25, 0.125, 0.0625];
const SHAPE: [usize; 2] = [1, 2];
const NOISE: f32 = 0.625;

/// Runs all steps of `scheduler`, whose timesteps are set, and refuses the run where a step gives no numbers.
pub fn rehearse(mut scheduler: Box<dyn Scheduler>, options: &SetTimesteps) -> Result<()> {
    if !scheduler.init_noise_sigma().is_finite() {
        return Err(refusal(scheduler.as_ref(), options, "the initial noise has no finite deviation"));
    }
    scheduler.begin();
    scheduler.prepare_rehearsal(&SAMPLE)?;
    for (number, timestep) in scheduler.timesteps().to_vec().into_iter().enumerate() {
        if !timestep.is_finite() {
            return Err(refusal(scheduler.as_ref(), options, &format!("timestep {} is {timestep}", number + 1)));
        }
        match rehearse_step(scheduler.as_mut(), timestep) {
            Err(Error::NotFinite { got, .. }) => {
                let count = scheduler.timesteps().len();
                let place = format!("step {} of {count} (timestep {timestep}) gives {got}", number + 1);
                return Err(refusal(scheduler.as_ref(), options, &place));
            }
            other => other?,
        }
    }
    Ok(())
}

fn rehearse_step(scheduler: &mut dyn Scheduler, timestep: f64) -> Result<()> {
    let options = StepOptions::default();
    let input = scheduler.scale_model_input(&SAMPLE, timestep)?;
    check_finite("model input", &input)?;
    let noise = vec![NOISE; SAMPLE.len() * scheduler.noise_draws(timestep, &options)?];
    let model_output = OUTPUT.get(..SAMPLE.len() * scheduler.outputs_per_value()).unwrap_or(&OUTPUT);
    let input = StepInput { model_output, timestep, sample: &SAMPLE, shape: &SHAPE, options: &options, noise: &noise };
    scheduler.step(input).map(|_| ())
}

/// The error, with what can be set instead.
fn refusal(scheduler: &dyn Scheduler, options: &SetTimesteps, what: &str) -> Error {
    let argument = match (&options.timesteps, &options.sigmas) {
        (Some(_), _) => "timesteps",
        (None, Some(_)) => "sigmas",
        (None, None) => "numInferenceSteps",
    };
    let expected = format!("a run of {} in finite numbers", scheduler.class_name());
    Error::argument(argument, expected, format!("one where {what}; {}", remedy(scheduler)))
}

/// What the user can set instead, by what is set now.
fn remedy(scheduler: &dyn Scheduler) -> &'static str {
    let values = &scheduler.record().values;
    let is = |key: &str, value: Value| values.get(key) == Some(&value);
    if is("rescaleBetasZeroSnr", true.into()) && !is("predictionType", "v_prediction".into()) {
        return "rescaleBetasZeroSnr leaves nothing of the image at the last training timestep, so that a model of the \
                noise says nothing about it: set predictionType \"v_prediction\" where the model was trained so, \
                timestepSpacing \"leading\", or rescaleBetasZeroSnr false";
    }
    if scheduler.class_name() == "DDIMInverseScheduler" && is("predictionType", "sample".into()) {
        return "a model of the image says nothing about the noise where there is none: set setAlphaToOne false";
    }
    if is("useFlowSigmas", true.into()) && is("finalSigmasType", "sigma_min".into()) {
        return "finalSigmasType \"sigma_min\" is the lowest σ of the noise schedule, which lies above the last σ of this \
                flow: set betaSchedule as the model was trained, fewer steps, or finalSigmasType \"zero\" with \
                algorithmType \"sde-dpmsolver++\"";
    }
    if values.contains_key("betaStart") {
        return "the noise schedule has a β of 0, or so many near 1 that nothing of the image is left: set betaStart \
                above 0, betaEnd lower, betaSchedule as the model was trained, or another number of steps";
    }
    "set another number of steps, or the noise levels of the configuration nearer together"
}
