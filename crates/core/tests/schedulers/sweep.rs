//! Every scheduler over every noise schedule, curve, spacing and prediction, by number of steps: a run ends with numbers,
//! or is refused before its first step.
//!
//! A sample of the range by default; `EMBERWING_TEST_FULL=1` runs every number of steps from 1 to 1000.

use crate::sampling::{scheduler, steps};
use emberwing_core::Error;
use emberwing_core::schedulers::{Scheduler, StepInput, StepOptions, class_names, create};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const SHAPE: [usize; 4] = [1, 1, 2, 2];
const SIZE: usize = 4;
const MOST_STEPS: usize = 1000;

/// One configuration and the numbers of steps that it is tried with.
struct Trial {
    class_name: &'static str,
    config: Value,
    counts: Vec<usize>,
}

fn is_full() -> bool {
    std::env::var("EMBERWING_TEST_FULL").is_ok_and(|value| value == "1")
}

/// The choices of an option, where the class has it; each is an object of options.
fn choices(class_name: &str, values: &[Value]) -> Vec<Map<String, Value>> {
    let known = scheduler(class_name, "{}").record().values.clone();
    let has = |options: &&Value| options.as_object().unwrap().keys().all(|key| known.contains_key(key));
    let mut choices = vec![Map::new()];
    choices.extend(values.iter().filter(has).map(|options| options.as_object().unwrap().clone()));
    choices
}

/// The noise schedules and curves, which decide where degenerate steps lie.
fn schedules_and_curves(class_name: &str) -> Vec<Map<String, Value>> {
    let schedules = ["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace", "exp"];
    let schedules: Vec<Value> = schedules.iter().map(|name| json!({ "betaSchedule": name })).collect();
    let curves = [
        json!({ "useKarrasSigmas": true }),
        json!({ "useExponentialSigmas": true }),
        json!({ "useBetaSigmas": true }),
        json!({ "useLuLambdas": true }),
        json!({ "useFlowSigmas": true, "predictionType": "flow_prediction" }),
        json!({ "sigmaSchedule": "exponential" }),
    ];
    product(&choices(class_name, &schedules), &choices(class_name, &curves))
}

/// What changes the arithmetic of a step but not where it leads.
fn variations(class_name: &str) -> Vec<Map<String, Value>> {
    let predictions =
        choices(class_name, &[json!({ "predictionType": "v_prediction" }), json!({ "predictionType": "sample" })]);
    let spacings = choices(
        class_name,
        &[json!({ "timestepSpacing": "trailing" }), json!({ "timestepSpacing": "leading", "stepsOffset": 1 })],
    );
    let solvers = choices(
        class_name,
        &[
            json!({ "solverOrder": 1 }),
            json!({ "solverOrder": 3 }),
            json!({ "solverOrder": 3, "solverType": "heun" }),
            json!({ "solverOrder": 3, "lowerOrderFinal": false }),
            json!({ "algorithmType": "sde-dpmsolver++" }),
            json!({ "algorithmType": "sde-dpmsolver++", "solverOrder": 3 }),
            json!({ "algorithmType": "dpmsolver", "finalSigmasType": "sigma_min" }),
            json!({ "algorithmType": "sde-dpmsolver", "finalSigmasType": "sigma_min" }),
            json!({ "finalSigmasType": "sigma_min" }),
            json!({ "predictX0": false }),
            json!({ "predictX0": false, "solverType": "bh1", "solverOrder": 3 }),
            json!({ "algorithmType": "noise_prediction" }),
            json!({ "predictorOrder": 4, "correctorOrder": 4 }),
            json!({ "rescaleBetasZeroSnr": true }),
            json!({ "skipPrkSteps": true }),
            json!({ "interpolationType": "log_linear" }),
            json!({ "timestepType": "continuous" }),
            json!({ "stochasticSampling": true }),
            json!({ "invertSigmas": true }),
            json!({ "thresholding": true }),
            json!({ "varianceType": "learned_range" }),
        ],
    );
    [predictions, spacings, solvers].concat()
}

fn product(left: &[Map<String, Value>], right: &[Map<String, Value>]) -> Vec<Map<String, Value>> {
    let join = |left: &Map<String, Value>, right: &Map<String, Value>| {
        let mut both = left.clone();
        both.extend(right.clone());
        both
    };
    left.iter().flat_map(|left| right.iter().map(move |right| join(left, right))).collect()
}

fn trials() -> Vec<Trial> {
    let (of_schedules, of_variations): (Vec<usize>, Vec<usize>) = if is_full() {
        ((1..=MOST_STEPS).collect(), (1..=50).chain((53..MOST_STEPS).step_by(97)).chain([999, 1000]).collect())
    } else {
        (vec![1, 2, 3, 4, 8, 20, MOST_STEPS], vec![1, 4, 9])
    };
    let mut trials = Vec::new();
    for class_name in class_names() {
        let schedules = schedules_and_curves(class_name);
        let mut add = |configs: Vec<Map<String, Value>>, counts: &[usize]| {
            let trial = |config| Trial { class_name, config: Value::Object(config), counts: counts.to_vec() };
            trials.extend(configs.into_iter().map(trial));
        };
        add(schedules.clone(), &of_schedules);
        add(product(&schedules, &variations(class_name)), &of_variations);
    }
    trials
}

/// 0.6·sin(1.3·x + t/T) + 0.1·x, and as many values of a variance where one is learned. A score, whose timestep is σ, has
/// the size of 1/σ.
fn model(scheduler: &dyn Scheduler, x: &[f32], t: f64) -> Vec<f32> {
    let phase = (t / scheduler.num_train_timesteps() as f64) as f32;
    let size = if scheduler.class_name() == "ScoreSdeVeScheduler" { -1.0 / (t * t + 1.0) as f32 } else { 1.0 };
    let mut output: Vec<f32> = x.iter().map(|x| size * (0.6 * (1.3 * x + phase).sin() + 0.1 * x)).collect();
    output.extend(std::iter::repeat_n(0.5, SIZE * (scheduler.outputs_per_value() - 1)));
    output
}

/// A whole run by hand; a timestep and the error of its step where there is one.
fn run(scheduler: &mut dyn Scheduler) -> Result<Vec<f32>, String> {
    let options = StepOptions::default();
    let noise = [0.3, -1.2, 0.8, -0.1];
    let mut x: Vec<f32> = noise.iter().map(|z| z * scheduler.init_noise_sigma()).collect();
    for (index, t) in scheduler.timesteps().to_vec().into_iter().enumerate() {
        let fail = |error: Error| format!("step {index} at {t}: {error}");
        let input = scheduler.scale_model_input(&x, t).map_err(fail)?;
        let model_output = model(scheduler, &input, t);
        let draws = scheduler.noise_draws(t, &options).map_err(fail)?;
        let noise: Vec<f32> = noise.iter().cycle().take(draws * SIZE).map(|z| z * (index as f32).cos()).collect();
        let step = StepInput {
            model_output: &model_output,
            timestep: t,
            sample: &x,
            shape: &SHAPE,
            options: &options,
            noise: &noise,
        };
        x = scheduler.step(step).map_err(fail)?.prev_sample;
    }
    if x.iter().all(|x| x.is_finite()) { Ok(x) } else { Err(format!("ends with {x:?}")) }
}

/// Why a number of steps may be refused; everything else must run.
const REFUSALS: &[&str] = &[
    "numInferenceSteps: expected 1 to ",
    "numInferenceSteps: expected at most originalInferenceSteps·strength",
    "numInferenceSteps: expected at least 4 unless skipPrkSteps is set",
    "numInferenceSteps: expected fewer steps: with stepsOffset",
    "numInferenceSteps: expected less than 1000",
    "rescaleBetasZeroSnr leaves nothing of the image",
    "a model of the image says nothing about the noise where there is none",
    "which lies above the last σ of this flow",
];

/// How many of a trial's numbers of steps ran and how many were refused, or what is wrong.
fn attempt(trial: &Trial) -> Result<(usize, usize), String> {
    let name = format!("{} {}", trial.class_name, trial.config);
    let (mut ran, mut refused) = (0, 0);
    let mut scheduler = match create(trial.class_name, &trial.config.to_string()) {
        Ok(scheduler) => scheduler,
        Err(Error::InvalidConfig(text)) if text.contains("expected") => return Ok((0, trial.counts.len())),
        Err(error) => return Err(format!("{name}: {error}")),
    };
    for count in &trial.counts {
        match scheduler.set_timesteps(&steps(*count)) {
            Ok(()) => {
                if trial.class_name == "RePaintScheduler" {
                    scheduler.set_known_part(&[0.5; SIZE], &[1.0, 0.0, 0.0, 1.0]).unwrap();
                }
                run(scheduler.as_mut()).map_err(|error| format!("{name}, {count} steps: {error}"))?;
                ran += 1;
            }
            Err(error) if REFUSALS.iter().any(|known| error.to_string().contains(known)) => refused += 1,
            Err(error) => return Err(format!("{name}, {count} steps: {error}")),
        }
    }
    Ok((ran, refused))
}

#[test]
fn every_run_ends_with_numbers_or_is_refused_before_it_starts() {
    let trials = trials();
    let (next, ran, refused) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(trial) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match attempt(trial) {
                        Ok((good, bad)) => {
                            ran.fetch_add(good, Ordering::Relaxed);
                            refused.fetch_add(bad, Ordering::Relaxed);
                        }
                        Err(fault) => faults.lock().unwrap().push(fault),
                    }
                }
            });
        }
    });
    let range =
        if is_full() { "every number of steps from 1 to 1000" } else { "a sample (EMBERWING_TEST_FULL=1: all)" };
    let (ran, refused) = (ran.into_inner(), refused.into_inner());
    let what = format!("schedulers swept: {range}: {} configurations, {ran} runs, {refused} refusals", trials.len());
    // Not by a macro: what those print is shown for tests that fail only.
    writeln!(std::io::stderr(), "{what}").unwrap();
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} faults, such as\n{}", faults.len(), faults[..faults.len().min(40)].join("\n"));
    assert!(ran > 4 * refused, "{ran} runs, {refused} refusals");
}

/// Two equal timesteps are a step of no length: the run with them leads where the run without them does.
#[test]
fn repeated_noise_levels_change_nothing() {
    let solvers = [
        ("DPMSolverMultistepScheduler", json!({})),
        ("DPMSolverMultistepScheduler", json!({ "solverOrder": 3 })),
        ("DPMSolverSinglestepScheduler", json!({})),
        ("DPMSolverSinglestepScheduler", json!({ "solverOrder": 3, "solverType": "heun" })),
        ("UniPCMultistepScheduler", json!({})),
        ("UniPCMultistepScheduler", json!({ "solverOrder": 3, "predictX0": false })),
        ("DEISMultistepScheduler", json!({ "solverOrder": 3 })),
        ("SASolverScheduler", json!({ "algorithmType": "noise_prediction" })),
    ];
    for (class_name, config) in solvers {
        let ends = [900, MOST_STEPS].map(|count| {
            let mut scheduler = scheduler(class_name, &config.to_string());
            scheduler.set_timesteps(&steps(count)).unwrap();
            let timesteps = scheduler.timesteps();
            let repeats = timesteps.windows(2).filter(|pair| pair[0] == pair[1]).count();
            assert_eq!(repeats, usize::from(count == MOST_STEPS), "{class_name}: {repeats} repeated timesteps");
            run_without_noise(scheduler.as_mut())
        });
        for (few, many) in ends[0].iter().zip(&ends[1]) {
            assert!((few - many).abs() < 2e-2, "{class_name} {config}: {few} after 900 steps, {many} after 1000");
        }
    }
}

fn run_without_noise(scheduler: &mut dyn Scheduler) -> Vec<f32> {
    let options = StepOptions::default();
    let mut x = vec![0.3, -1.2, 0.8, -0.1];
    for t in scheduler.timesteps().to_vec() {
        let model_output = model(scheduler, &x, t);
        let noise = vec![0.0; SIZE * scheduler.noise_draws(t, &options).unwrap()];
        let (sample, model_output) = (x.as_slice(), model_output.as_slice());
        let step = StepInput { model_output, timestep: t, sample, shape: &SHAPE, options: &options, noise: &noise };
        x = scheduler.step(step).unwrap().prev_sample;
    }
    x
}
