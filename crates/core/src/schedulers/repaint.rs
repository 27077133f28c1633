//! RePaint: inpainting with an unconditional model (Lugmayr et al. 2022, "RePaint: Inpainting using Denoising Diffusion
//! Probabilistic Models"). The known part of the picture is put back, with noise, in every step, and the run jumps back
//! to noisier levels so that both parts grow together.

use super::Scheduler;
use super::betas::NoiseSchedule;
use super::ddim::ddim_deviations;
use super::elementwise::{weighted_sum, zip_with};
use super::options::{SetTimesteps, StepInput, StepOptions, StepOutput, not_prepared};
use super::prediction::PredictionType;
use super::process::DiscreteProcess;
use super::record::{ConfigRecord, Registered, invalid_option};
use super::registry::SchedulerClass;
use super::run::Run;
use crate::error::check_finite;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Steps between the places where the run jumps back, and how often each stretch is run, where not said.
const DEFAULT_JUMP: usize = 10;

/// The options of [`RePaintScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct RePaintSchedulerConfig {
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    /// How much fresh noise a step adds to the unknown part: 0 is DDIM, 1 is DDPM. Default 0.
    pub eta: f64,
    /// Clip the estimate of x_0 to [-1, 1]. Default true.
    pub clip_sample: bool,
}

impl Default for RePaintSchedulerConfig {
    fn default() -> Self {
        Self { noise_schedule: NoiseSchedule::default(), eta: 0.0, clip_sample: true }
    }
}

#[derive(Debug, Clone)]
pub struct RePaintScheduler {
    config: Registered<RePaintSchedulerConfig>,
    process: DiscreteProcess,
    /// diffusers' class takes the model for one of noise. That of the scheduler that this one was made from is heeded.
    prediction_type: PredictionType,
    run: Run,
    /// T // n, once `setTimesteps` has said n.
    stride: Option<usize>,
    /// The timestep of the last step: where the next one is higher, the run jumps back.
    last: f64,
    known: Option<KnownPart>,
}

/// What is known of the picture, and where (1) it is known.
#[derive(Debug, Clone)]
struct KnownPart {
    image: Vec<f32>,
    mask: Vec<f32>,
}

impl SchedulerClass for RePaintScheduler {
    const NAME: &'static str = "RePaintScheduler";
    type Config = RePaintSchedulerConfig;

    fn new(config: Registered<RePaintSchedulerConfig>) -> Result<Self> {
        if !(0.0..=1.0).contains(&config.eta) {
            return Err(invalid_option("eta", "a number from 0 to 1", config.eta));
        }
        let prediction_type = prediction_type(config.record())?;
        let process = DiscreteProcess::new(&config.noise_schedule, false)?;
        let run = Run::new(process.all_timesteps(), []).starting_at_first();
        Ok(Self { config, process, prediction_type, run, stride: None, last: f64::INFINITY, known: None })
    }
}

/// What the model predicts, as the scheduler said that this one was made from.
fn prediction_type(record: &ConfigRecord) -> Result<PredictionType> {
    let Some(value) = record.hidden.get("predictionType") else { return Ok(PredictionType::Epsilon) };
    let prediction: PredictionType = crate::json::read(value)
        .map_err(|refusal| Error::InvalidConfig(refusal.inside("predictionType").to_string()))?;
    prediction.check(PredictionType::OF_NOISE_SCHEDULES).map(|()| prediction)
}

/// The steps of a run of `count`, some stretches of which are run again.
fn jumping_steps(count: usize, jump_length: usize, repetitions: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (0..count)
        .map(|step| if step % jump_length == 0 && step + jump_length < count { repetitions - 1 } else { 0 })
        .collect();
    let mut steps = Vec::new();
    let mut step = count;
    while step > 0 {
        step -= 1;
        steps.push(step);
        if let Some(repetitions) = left.get_mut(step).filter(|repetitions| **repetitions > 0) {
            *repetitions -= 1;
            steps.extend(step + 1..=step + jump_length);
            step += jump_length;
        }
    }
    steps
}

impl RePaintScheduler {
    fn jumps_back(&self, timestep: f64) -> bool {
        timestep > self.last
    }

    /// The forward process from the last timestep to a noisier one, a training step at a time.
    fn undo(&self, input: &StepInput, stride: usize) -> Result<Vec<f32>> {
        let mut sample = input.sample.to_vec();
        for i in 0..stride {
            let beta = self.process.beta(self.last + i as f64)?;
            sample = weighted_sum([((1.0 - beta).sqrt(), &sample), (beta.sqrt(), input.noise_tensor(i))]);
        }
        Ok(sample)
    }

    /// DDIM for the unknown part, the forward process for the known one (algorithm 1): (the sample, x_0).
    fn denoise(&self, input: &StepInput, stride: usize, known: &KnownPart) -> Result<(Vec<f32>, Vec<f32>)> {
        let alpha_prod = self.process.alpha_cumprod(input.timestep)?;
        let alpha_prod_prev = self.process.alpha_cumprod_or_final(input.timestep - stride as f64, true)?;
        let coefficients = self.process.coefficients(input.timestep)?;
        let prediction = self.prediction_type;
        let mut original = prediction.original_sample(input.model_output, input.sample, coefficients);
        let epsilon = prediction.noise(input.model_output, input.sample, coefficients);
        if self.config.clip_sample {
            original.iter_mut().for_each(|x| *x = x.clamp(-1.0, 1.0));
        }
        let (deviation, direction) = ddim_deviations(alpha_prod, alpha_prod_prev, self.config.eta as f32);
        let added = if input.timestep > 0.0 { deviation } else { 0.0 };
        let signal = alpha_prod_prev.sqrt();
        let terms = [(signal, original.as_slice()), (direction, epsilon.as_slice()), (added, input.noise)];
        let unknown_part = weighted_sum(terms);
        let known_part =
            weighted_sum([(signal, known.image.as_slice()), ((1.0 - alpha_prod_prev).sqrt(), input.noise)]);
        let known_part = zip_with(&known_part, &known.mask, |x, mask| mask * x);
        let unknown_part = zip_with(&unknown_part, &known.mask, |x, mask| (1.0 - mask) * x);
        Ok((weighted_sum([(1.0, &known_part), (1.0, &unknown_part)]), original))
    }
}

impl Scheduler for RePaintScheduler {
    fn record(&self) -> &ConfigRecord {
        self.config.record()
    }

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "jumpLength", "jumpNSample"]
    }

    fn num_train_timesteps(&self) -> usize {
        self.config.noise_schedule.num_train_timesteps
    }

    fn prediction_type(&self) -> PredictionType {
        self.prediction_type
    }

    super::methods::position_methods!();

    fn runs_whole(&self) -> Option<&'static str> {
        Some("jumps back on its way")
    }

    fn table(&self, name: &str) -> Vec<f32> {
        self.process.table(name)
    }

    fn set_known_part(&mut self, image: &[f32], mask: &[f32]) -> Result<()> {
        if mask.len() != image.len() {
            return Err(Error::shape("mask", format!("{} values as in image", image.len()), mask.len()));
        }
        check_finite("image", image)?;
        check_finite("mask", mask)?;
        self.known = Some(KnownPart { image: image.to_vec(), mask: mask.to_vec() });
        Ok(())
    }

    fn prepare_rehearsal(&mut self, sample: &[f32]) -> Result<()> {
        self.set_known_part(sample, &vec![0.5; sample.len()])
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let train = self.num_train_timesteps();
        let count = options.step_count(train)?;
        let jump_length = options.jump_length.unwrap_or(DEFAULT_JUMP);
        let repetitions = options.jump_n_sample.unwrap_or(DEFAULT_JUMP);
        for (name, value) in [("jumpLength", jump_length), ("jumpNSample", repetitions)] {
            if value == 0 {
                return Err(Error::argument(name, "at least 1", value));
            }
        }
        let stride = train / count;
        let steps = jumping_steps(count, jump_length, repetitions);
        self.run = Run::new(steps.into_iter().map(|step| (step * stride) as f64).collect(), []).starting_at_first();
        self.stride = Some(stride);
        self.last = f64::INFINITY;
        Ok(())
    }

    fn uses_model_output(&self, timestep: f64) -> bool {
        !self.jumps_back(timestep)
    }

    fn noise_draws(&self, timestep: f64, _options: &StepOptions) -> Result<usize> {
        let stride = self.stride.ok_or_else(not_prepared)?;
        Ok(if self.jumps_back(timestep) { stride } else { 1 })
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let stride = self.stride.ok_or_else(not_prepared)?;
        self.run.enter(input.timestep)?;
        let output = if self.jumps_back(input.timestep) {
            StepOutput { prev_sample: self.undo(&input, stride)?, pred_original_sample: None }
        } else {
            let expected = "a call of setKnownPart, which RePaintPipeline makes, with values as in sample";
            let known = self.known.as_ref().filter(|known| known.image.len() == input.sample.len());
            let known = known.ok_or_else(|| Error::argument("image", expected, "another or none"))?;
            let (prev_sample, original) = self.denoise(&input, stride, known)?;
            StepOutput { prev_sample, pred_original_sample: Some(original) }
        };
        self.last = input.timestep;
        self.run.leave();
        Ok(output)
    }

    fn forward_coefficients(&self, timestep: f64) -> Result<(f32, f32)> {
        self.process.coefficients(timestep)
    }
}
