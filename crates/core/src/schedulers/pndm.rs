//! PNDM: pseudo numerical methods on the diffusion manifold (Liu et al. 2022, "Pseudo Numerical Methods for Diffusion
//! Models on Manifolds"): Runge-Kutta steps to begin with, then linear multistep (PLMS).

use super::Scheduler;
use super::adams_bashforth::{ORDER, adams_bashforth};
use super::betas::NoiseSchedule;
use super::elementwise::weighted_sum;
use super::history::History;
use super::options::{SetTimesteps, StepInput, StepOutput};
use super::prediction::PredictionType;
use super::process::DiscreteProcess;
use super::record::{ConfigRecord, Registered};
use super::registry::SchedulerClass;
use super::run::Run;
use super::spacing::Spacing;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The options of [`PndmScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "PNDMSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct PndmSchedulerConfig {
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    /// Begin without Runge-Kutta steps, as Stable Diffusion does. Default false.
    pub skip_prk_steps: bool,
    /// The step before the first is free of noise (ᾱ = 1); else it has ᾱ_0. Default false.
    pub set_alpha_to_one: bool,
    /// What the model predicts: "epsilon" or "v_prediction". Default "epsilon".
    pub prediction_type: PredictionType,
    #[serde(flatten)]
    pub spacing: Spacing,
}

impl Default for PndmSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule::default(),
            skip_prk_steps: false,
            set_alpha_to_one: false,
            prediction_type: PredictionType::Epsilon,
            spacing: Spacing::LEADING,
        }
    }
}

#[derive(Debug, Clone)]
pub struct PndmScheduler {
    config: Registered<PndmSchedulerConfig>,
    process: DiscreteProcess,
    run: Run,
    /// How many of the timesteps are Runge-Kutta evaluations, four to a step.
    runge_kutta: usize,
    /// T // n
    stride: usize,
    counter: usize,
    history: History,
    /// The weighted outputs of the Runge-Kutta step so far.
    combined: Vec<f32>,
    /// The sample where the current step began.
    start: Vec<f32>,
}

impl SchedulerClass for PndmScheduler {
    const NAME: &'static str = "PNDMScheduler";
    type Config = PndmSchedulerConfig;

    fn new(config: Registered<PndmSchedulerConfig>) -> Result<Self> {
        config.prediction_type.check(&[PredictionType::Epsilon, PredictionType::VPrediction])?;
        let process = DiscreteProcess::new(&config.noise_schedule, false)?;
        let run = Run::new(process.all_timesteps(), []);
        Ok(Self {
            config,
            process,
            run,
            runge_kutta: 0,
            stride: 1,
            counter: 0,
            history: History::default(),
            combined: Vec::new(),
            start: Vec::new(),
        })
    }
}

/// The four timesteps of each Runge-Kutta step: its start, its middle twice, its end.
fn runge_kutta_timesteps(steps: &[f64], stride: usize) -> Vec<f64> {
    let half = (stride / 2) as f64;
    let first = steps.iter().take(ORDER);
    let halves: Vec<f64> = first.flat_map(|t| [t + half, *t]).skip(1).collect();
    let doubled: Vec<f64> = halves.iter().flat_map(|t| [*t, *t]).collect();
    doubled.get(1..doubled.len().saturating_sub(1)).unwrap_or_default().to_vec()
}

impl PndmScheduler {
    /// The transfer φ of the paper (equation 11): x_t to the timestep `previous` along the noise `output`.
    fn transfer(&self, sample: &[f32], timestep: f64, previous: f64, output: &[f32]) -> Result<Vec<f32>> {
        let alpha_prod = self.process.alpha_cumprod(timestep)?;
        let alpha_prod_prev = self.process.alpha_cumprod_or_final(previous, self.config.set_alpha_to_one)?;
        let coefficients = (alpha_prod.sqrt(), (1.0 - alpha_prod).sqrt());
        let noise = self.config.prediction_type.noise(output, sample, coefficients);
        let denominator =
            alpha_prod * (1.0 - alpha_prod_prev).sqrt() + (alpha_prod * (1.0 - alpha_prod) * alpha_prod_prev).sqrt();
        let noise_weight = -(alpha_prod_prev - alpha_prod) / denominator;
        Ok(weighted_sum([((alpha_prod_prev / alpha_prod).sqrt(), sample), (noise_weight, &noise)]))
    }

    /// One of the four evaluations of a Runge-Kutta step, which all lead from the step's start.
    fn runge_kutta_step(&mut self, input: &StepInput) -> Result<Vec<f32>> {
        let evaluation = self.counter % 4;
        let start_timestep = self.run.timesteps().get(self.counter - evaluation).copied().unwrap_or(input.timestep);
        let length = if evaluation % 2 == 1 { 0 } else { self.stride / 2 };
        let previous = input.timestep - length as f64;
        let output = match evaluation {
            0 => {
                self.combined = weighted_sum([(1.0 / 6.0, input.model_output)]);
                self.history.push(input.model_output.to_vec(), ORDER);
                self.start = input.sample.to_vec();
                input.model_output.to_vec()
            }
            3 => weighted_sum([(1.0, &self.combined), (1.0 / 6.0, input.model_output)]),
            _ => {
                self.combined = weighted_sum([(1.0, &self.combined), (1.0 / 3.0, input.model_output)]);
                input.model_output.to_vec()
            }
        };
        self.transfer(&self.start, start_timestep, previous, &output)
    }

    /// Adams-Bashforth over the outputs; the second call of a run without Runge-Kutta steps repeats the first step with
    /// the mean of both outputs.
    fn linear_multistep(&mut self, input: &StepInput) -> Result<Vec<f32>> {
        let stride = self.stride as f64;
        if self.counter == 1 {
            let mean = weighted_sum([(0.5, input.model_output), (0.5, self.history.get(0))]);
            return self.transfer(&self.start, input.timestep + stride, input.timestep, &mean);
        }
        self.history.push(input.model_output.to_vec(), ORDER);
        if self.counter == 0 {
            self.start = input.sample.to_vec();
        }
        let output = adams_bashforth(&self.history);
        self.transfer(input.sample, input.timestep, input.timestep - stride, &output)
    }
}

impl Scheduler for PndmScheduler {
    super::methods::common_methods!();
    super::methods::process_methods!();

    super::methods::position_methods!();

    fn runs_whole(&self) -> Option<&'static str> {
        (self.runge_kutta > 0).then_some("begins with Runge-Kutta steps unless skipPrkSteps is set")
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let train = self.num_train_timesteps();
        let steps = self.config.spacing.integer_timesteps(train, options)?;
        let stride = train / steps.len();
        if !self.config.skip_prk_steps && steps.len() < ORDER {
            let expected = format!("at least {ORDER} unless skipPrkSteps is set");
            return Err(Error::argument("numInferenceSteps", expected, steps.len()));
        }
        let runge_kutta = if self.config.skip_prk_steps { Vec::new() } else { runge_kutta_timesteps(&steps, stride) };
        let multistep: Vec<f64> = if self.config.skip_prk_steps {
            let again = steps.get(1).copied();
            steps.iter().take(2).copied().chain(again).chain(steps.iter().skip(2).copied()).collect()
        } else {
            steps.iter().skip(ORDER - 1).copied().collect()
        };
        self.runge_kutta = runge_kutta.len();
        let run = Run::new(runge_kutta.into_iter().chain(multistep).collect(), []);
        self.run = if self.runge_kutta > 0 { run.starting_at_first() } else { run };
        self.stride = stride;
        self.counter = 0;
        self.history.clear();
        Ok(())
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        self.run.enter(input.timestep)?;
        let prev_sample = if self.counter < self.runge_kutta {
            self.runge_kutta_step(&input)?
        } else {
            self.linear_multistep(&input)?
        };
        self.counter += 1;
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: None })
    }
}
