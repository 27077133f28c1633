//! Every case of `test/fixtures/schedulers`: tables, timesteps, each step of a run, forward process.

use crate::common::{Tensors, assert_close, load_safetensors, read};
use emberwing_core::schedulers::{Scheduler, SetTimesteps, StepInput, StepOptions, create_lenient};
use serde_json::{Map, Value};

const TOLERANCE: f32 = 1e-4;

/// One case of the index with its golden tensors.
struct Case {
    name: String,
    index: Value,
    golden: Tensors,
    config: Map<String, Value>,
}

impl Case {
    fn load(index: &Value) -> Self {
        let name = index["case"].as_str().unwrap().to_owned();
        let golden = load_safetensors(&format!("{name}.safetensors"));
        let config = read_config(&format!("{name}/scheduler_config.json"));
        Self { name, index: index.clone(), golden, config }
    }

    fn scheduler(&self) -> Box<dyn Scheduler> {
        let class_name = self.index["scheduler"].as_str().unwrap();
        let text = Value::Object(self.config.clone()).to_string();
        let (mut scheduler, unknown) = create_lenient(class_name, &text).unwrap();
        assert!(unknown.is_empty(), "{}: unknown options {unknown:?}", self.name);
        let mut options = camel_case(&self.index["set_timesteps_options"]);
        options.insert("numInferenceSteps".into(), self.index["num_inference_steps"].clone());
        let options: SetTimesteps = serde_json::from_value(Value::Object(options)).unwrap();
        scheduler.set_timesteps(&options).unwrap();
        if self.golden.contains_key("known_image") {
            scheduler.set_known_part(self.values("known_image"), self.values("known_mask")).unwrap();
        }
        scheduler
    }

    fn step_options(&self) -> StepOptions {
        serde_json::from_value(Value::Object(camel_case(&self.index["step_options"]))).unwrap()
    }

    fn values(&self, name: &str) -> &[f32] {
        &self.golden[name].1
    }

    /// Row `k` of a tensor whose first dimension counts steps.
    fn row(&self, name: &str, k: usize) -> &[f32] {
        let (shape, values) = &self.golden[name];
        let size = shape[1..].iter().product::<usize>();
        &values[k * size..(k + 1) * size]
    }

    fn close(&self, what: &str, got: &[f32], want: &[f32]) {
        assert_close(&format!("{}: {what}", self.name), got, want, TOLERANCE);
    }
}

/// Reads `scheduler_config.json` as the loader of pipelines hands it on: camelCase, no private keys, null for -Infinity.
fn read_config(path: &str) -> Map<String, Value> {
    let text = String::from_utf8(read(path)).unwrap().replace("-Infinity", "null");
    let mut config = camel_case(&serde_json::from_str(&text).unwrap());
    config.retain(|key, _| !key.starts_with('_'));
    config
}

pub fn camel_case(object: &Value) -> Map<String, Value> {
    let rename = |key: &str| {
        let mut words = key.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
    };
    let keep = |key: &String| if key.starts_with('_') { key.clone() } else { rename(key) };
    object.as_object().unwrap().iter().map(|(key, value)| (keep(key), value.clone())).collect()
}

fn each_case(check: impl Fn(&Case)) {
    let index: Value = serde_json::from_slice(&read("schedulers/index.json")).unwrap();
    for entry in index["cases"].as_array().unwrap() {
        check(&Case::load(entry));
    }
}

/// The fixtures' model: 0.6·sin(1.3·x + t/T) + 0.1·x; where a variance is learned, channels of cos(x) follow.
fn model(x: &[f32], t: f64, case: &Case) -> Vec<f32> {
    let phase = match case.config.get("numTrainTimesteps") {
        Some(train) => t as f32 / train.as_f64().unwrap() as f32,
        None => t as f32,
    };
    let prediction = |x: &f32| 0.6 * (1.3 * x + phase).sin() + 0.1 * x;
    if !case.config.get("varianceType").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("learned")) {
        return x.iter().map(prediction).collect();
    }
    let batch = case.golden["sample"].0[0];
    let samples = x.chunks(x.len() / batch);
    samples.flat_map(|x| x.iter().map(prediction).chain(x.iter().map(|x| x.cos()))).collect()
}

#[test]
fn configs_are_diffusers() {
    each_case(|case| {
        let scheduler = case.scheduler();
        let mut values = scheduler.record().values.clone();
        values.sort_keys();
        assert_eq!(Value::Object(values), Value::Object(case.config.clone()), "{}", case.name);
        assert!(scheduler.record().hidden.is_empty(), "{}: {:?}", case.name, scheduler.record().hidden);
    });
}

#[test]
fn tables_are_bit_equal() {
    each_case(|case| {
        let scheduler = case.scheduler();
        for (table, name) in [("betas", "betas"), ("alphasCumprod", "alphas_cumprod")] {
            let Some((_, want)) = case.golden.get(name) else { continue };
            let got = scheduler.table(table);
            // torch takes the roots of the zero-SNR shift from a vector library that does not round correctly.
            if case.config.get("rescaleBetasZeroSnr") == Some(&Value::Bool(true)) {
                case.close(name, &got, want);
            } else {
                let differing = got.iter().zip(want).filter(|(got, want)| got.to_bits() != want.to_bits()).count();
                assert_eq!((got.len(), differing), (want.len(), 0), "{}: {name}", case.name);
            }
        }
    });
}

#[test]
fn sigmas_are_diffusers() {
    each_case(|case| {
        if let Some((_, sigmas)) = case.golden.get("sigmas") {
            case.close("sigmas", &case.scheduler().table("sigmas"), sigmas);
        }
    });
}

#[test]
fn timesteps_and_initial_noise_are_diffusers() {
    each_case(|case| {
        let scheduler = case.scheduler();
        let timesteps: Vec<f32> = scheduler.timesteps().iter().map(|t| *t as f32).collect();
        case.close("timesteps", &timesteps, case.values("timesteps"));
        let sigma = case.index["init_noise_sigma"].as_f64().unwrap() as f32;
        case.close("init_noise_sigma", &[scheduler.init_noise_sigma()], &[sigma]);
    });
}

#[test]
fn every_step_of_a_run_is_diffusers() {
    each_case(|case| {
        let mut scheduler = case.scheduler();
        let options = case.step_options();
        let (shape, start) = &case.golden["sample"];
        let mut x: Vec<f32> = start.iter().map(|x| x * scheduler.init_noise_sigma()).collect();
        let (mut draws, mut originals) = (0, 0);
        let timesteps = scheduler.timesteps().to_vec();
        assert_eq!(timesteps.len() as u64, case.index["steps"].as_u64().unwrap(), "{}: steps", case.name);
        for (k, t) in timesteps.into_iter().enumerate() {
            let input = scheduler.scale_model_input(&x, t).unwrap();
            case.close(&format!("model input {k}"), &input, case.row("model_input", k));
            let count = scheduler.noise_draws(t, &options).unwrap();
            let noise: Vec<f32> = (draws..draws + count).flat_map(|draw| case.row("noise", draw)).copied().collect();
            draws += count;
            let output = model(&input, t, case);
            let step =
                StepInput { model_output: &output, timestep: t, sample: &x, shape, options: &options, noise: &noise };
            let result = scheduler.step(step).unwrap();
            case.close(&format!("step {k}"), &result.prev_sample, case.row("trajectory", k));
            if let (Some(original), true) =
                (result.pred_original_sample, case.golden.contains_key("pred_original_sample"))
            {
                case.close(&format!("x_0 of step {k}"), &original, case.row("pred_original_sample", originals));
                originals += 1;
            }
            x = result.prev_sample;
        }
        let wanted = case.golden.get("pred_original_sample").map_or(0, |(shape, _)| shape[0]);
        assert_eq!(originals, wanted, "{}: estimates of x_0", case.name);
        assert_eq!(draws as u64, case.index["noise_draws"].as_u64().unwrap(), "{}: noise draws", case.name);
    });
}

#[test]
fn the_forward_process_is_diffusers() {
    each_case(|case| {
        let Some((_, noisy)) = case.golden.get("add_noise") else { return };
        let scheduler = case.scheduler();
        let (original, noise) = (case.values("add_noise_original"), case.values("add_noise_noise"));
        // A float timestep may differ in its last bit; the scheduler knows its own only.
        let own = |t: &f32| {
            let is_near = |own: &&f64| (*own - f64::from(*t)).abs() <= 1e-5 * f64::from(t.abs());
            scheduler.timesteps().iter().find(is_near).copied().unwrap_or(f64::from(*t))
        };
        let timesteps: Vec<f64> = case.values("add_noise_timesteps").iter().map(own).collect();
        case.close("add_noise", &scheduler.add_noise(original, noise, &timesteps).unwrap(), noisy);
        if let Some((_, velocity)) = case.golden.get("velocity") {
            case.close("velocity", &scheduler.get_velocity(original, noise, &timesteps).unwrap(), velocity);
        }
    });
}
