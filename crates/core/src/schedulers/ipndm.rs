//! Improved PNDM: the linear multistep method of Liu et al. 2022 from the first step on (so named by Zhang and Chen
//! 2022), over the angle schedule of models that predict the velocity.

use super::Scheduler;
use super::adams_bashforth::{ORDER, adams_bashforth};
use super::elementwise::weighted_sum;
use super::history::History;
use super::options::{SetTimesteps, StepInput, StepOutput};
use super::prediction::PredictionType;
use super::record::{ConfigRecord, Registered, invalid_option};
use super::registry::SchedulerClass;
use super::run::Run;
use super::sigmas::ramp;
use crate::Result;
use serde::{Deserialize, Serialize};
use std::f32::consts::{FRAC_PI_2, PI};

/// The options of [`IpndmScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "IPNDMSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct IpndmSchedulerConfig {
    /// The number of steps before `setTimesteps`. Default 1000.
    pub num_train_timesteps: usize,
    /// The noise deviations of the run themselves, from 1 to 0, whatever the number of steps. Default null.
    pub trained_betas: Option<Vec<f64>>,
}

impl Default for IpndmSchedulerConfig {
    fn default() -> Self {
        Self { num_train_timesteps: 1000, trained_betas: None }
    }
}

#[derive(Debug, Clone)]
pub struct IpndmScheduler {
    config: Registered<IpndmSchedulerConfig>,
    /// The noise deviations sin φ.
    run: Run,
    history: History,
}

impl SchedulerClass for IpndmScheduler {
    const NAME: &'static str = "IPNDMScheduler";
    type Config = IpndmSchedulerConfig;

    fn new(config: Registered<IpndmSchedulerConfig>) -> Result<Self> {
        if config.num_train_timesteps == 0 {
            return Err(invalid_option("numTrainTimesteps", "at least 1", 0));
        }
        let valid = |betas: &Vec<f64>| betas.len() >= 2 && betas.iter().all(|beta| (0.0..=1.0).contains(beta));
        if let Some(betas) = config.trained_betas.as_ref().filter(|betas| !valid(betas)) {
            return Err(invalid_option("trainedBetas", "at least two numbers from 0 to 1", format!("{betas:?}")));
        }
        let run = Run::new(Vec::new(), []);
        let mut scheduler = Self { config, run, history: History::default() };
        scheduler.lay_out(scheduler.config.num_train_timesteps);
        Ok(scheduler)
    }
}

impl IpndmScheduler {
    fn lay_out(&mut self, count: usize) {
        let betas: Vec<f32> = match &self.config.trained_betas {
            Some(betas) => betas.iter().map(|beta| *beta as f32).collect(),
            None => ramp(1.0, 0.0, count + 1).map(|step| (step as f32 * FRAC_PI_2).sin().powi(2)).collect(),
        };
        let angle = |beta: f32| f64::from(beta.atan2(signal(beta)) / PI * 2.0);
        let timesteps = betas.iter().take(betas.len() - 1).map(|beta| angle(*beta)).collect();
        self.run = Run::new(timesteps, betas.into_iter().map(f64::from));
        self.history.clear();
    }
}

/// cos φ where the noise deviation is sin φ.
fn signal(deviation: f32) -> f32 {
    (1.0 - deviation * deviation).sqrt()
}

impl Scheduler for IpndmScheduler {
    fn record(&self) -> &ConfigRecord {
        self.config.record()
    }

    fn num_train_timesteps(&self) -> usize {
        self.config.num_train_timesteps
    }

    fn prediction_type(&self) -> PredictionType {
        PredictionType::VPrediction
    }

    super::methods::position_methods!();

    fn table(&self, name: &str) -> Vec<f32> {
        if name == "betas" { self.run.sigmas().to_vec() } else { Vec::new() }
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        self.lay_out(options.step_count(self.num_train_timesteps())?);
        Ok(())
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let (deviation, next) = (self.run.sigma(index), self.run.sigma(index + 1));
        let noise = weighted_sum([(deviation, input.sample), (signal(deviation), input.model_output)]);
        self.history.push(noise, ORDER);
        let noise = adams_bashforth(&self.history);
        let divisor = signal(deviation).max(1e-8);
        let original = weighted_sum([(1.0 / divisor, input.sample), (-deviation / divisor, &noise)]);
        let prev_sample = weighted_sum([(signal(next), &original), (next, &noise)]);
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample: None })
    }

    fn forward_coefficients(&self, timestep: f64) -> Result<(f32, f32)> {
        let deviation = self.run.sigma(self.run.index_of(timestep)?);
        Ok((signal(deviation), deviation))
    }

    fn velocity_coefficients(&self, timestep: f64) -> Result<(f32, f32)> {
        self.forward_coefficients(timestep)
    }
}
