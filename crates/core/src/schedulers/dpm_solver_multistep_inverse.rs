//! DPM-Solver++ run backwards: from a picture to the noise that the multistep method would make it from.

use super::Scheduler;
use super::betas::NoiseSchedule;
use super::clipping::Thresholding;
use super::dpm_solver::{MultistepOptions, NoiseLevel, OutputConversion, check_order, outputs_per_value};
use super::history::History;
use super::options::{SetTimesteps, StepInput, StepOutput};
use super::posterior::VarianceType;
use super::prediction::PredictionType;
use super::record::{ConfigRecord, Registered, invalid_option};
use super::registry::SchedulerClass;
use super::run::Run;
use super::sigmas::{SigmaCurve, SigmaSpacing, TrainingSigmas, ramp};
use super::solver_steps::{FlowSigmas, first_unclipped, solver_timesteps, too_many_leading};
use super::spacing::{Spacing, TimestepSpacing};
use crate::Result;
use serde::{Deserialize, Serialize};

/// The options of [`DpmSolverMultistepInverseScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "DPMSolverMultistepInverseSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct DpmSolverMultistepInverseSchedulerConfig {
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    /// algorithmType is "dpmsolver++" or "dpmsolver": noise cannot be run backwards.
    #[serde(flatten)]
    pub multistep: MultistepOptions,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    #[serde(flatten)]
    pub thresholding: Thresholding,
    #[serde(flatten)]
    pub sigma_spacing: SigmaSpacing,
    /// useFlowSigmas is always false: the steps of a flow would not run backwards.
    #[serde(flatten)]
    pub flow: FlowSigmas,
    /// Leaves out the timesteps whose λ is lower; null for none (−Infinity in files). Default null.
    pub lambda_min_clipped: Option<f64>,
    /// "learned" or "learned_range" where the model gives a variance as well, which is not used. Default null.
    pub variance_type: Option<VarianceType>,
    #[serde(flatten)]
    pub spacing: Spacing,
}

impl Default for DpmSolverMultistepInverseSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule::default(),
            multistep: MultistepOptions::default(),
            prediction_type: PredictionType::Epsilon,
            thresholding: Thresholding::default(),
            sigma_spacing: SigmaSpacing::default(),
            flow: FlowSigmas::default(),
            lambda_min_clipped: None,
            variance_type: None,
            spacing: Spacing::LINSPACE,
        }
    }
}

#[derive(Debug, Clone)]
pub struct DpmSolverMultistepInverseScheduler {
    config: Registered<DpmSolverMultistepInverseSchedulerConfig>,
    training: TrainingSigmas,
    run: Run,
    history: History,
}

impl SchedulerClass for DpmSolverMultistepInverseScheduler {
    const NAME: &'static str = "DPMSolverMultistepInverseScheduler";
    type Config = DpmSolverMultistepInverseSchedulerConfig;

    fn new(config: Registered<DpmSolverMultistepInverseSchedulerConfig>) -> Result<Self> {
        config.thresholding.check()?;
        config.sigma_spacing.curve()?;
        config.prediction_type.check(PredictionType::OF_NOISE_SCHEDULES)?;
        check_order(config.multistep.solver_order)?;
        if config.flow.use_flow_sigmas {
            return Err(invalid_option("useFlowSigmas", "false", true));
        }
        if config.multistep.algorithm_type.is_stochastic() {
            let got = crate::json::to_json(&config.multistep.algorithm_type);
            return Err(invalid_option("algorithmType", "\"dpmsolver++\" or \"dpmsolver\"", got));
        }
        let training = TrainingSigmas::new(&config.noise_schedule, false)?;
        let run = training.whole_run().reversed();
        Ok(Self { config, training, run, history: History::default() })
    }
}

impl DpmSolverMultistepInverseScheduler {
    fn conversion(&self) -> OutputConversion {
        OutputConversion {
            prediction: self.config.prediction_type,
            thresholding: self.config.thresholding,
            to_original: self.config.multistep.algorithm_type.predicts_original(),
            outputs_per_value: self.outputs_per_value(),
        }
    }

    fn level(&self, index: usize) -> NoiseLevel {
        NoiseLevel::variance_preserving(self.run.sigma(index))
    }

    /// Ascending, below `end`.
    fn spaced_timesteps(&self, end: usize, count: usize) -> Result<Vec<f64>> {
        let spacing = &self.config.spacing;
        Ok(match spacing.timestep_spacing {
            TimestepSpacing::Linspace => {
                ramp(0.0, (end - 1) as f64, count + 1).take(count).map(f64::round_ties_even).collect()
            }
            TimestepSpacing::Leading => {
                let stride = end / (count + 1);
                if stride == 0 {
                    return Err(too_many_leading(end, count));
                }
                (0..count).map(|i| (i * stride + spacing.steps_offset) as f64).collect()
            }
            TimestepSpacing::Trailing => {
                let mut timesteps = solver_timesteps(spacing, self.num_train_timesteps(), end, count)?;
                timesteps.reverse();
                timesteps
            }
        })
    }

    /// Timesteps and noise levels, with the one that the run ends at.
    fn steps(&self, count: usize) -> Result<(Vec<f64>, Vec<f64>)> {
        let end = first_unclipped(&self.training, self.config.lambda_min_clipped);
        let Some(curve) = self.config.sigma_spacing.curve()? else {
            let mut timesteps = self.spaced_timesteps(end, count)?;
            timesteps.dedup();
            let sigmas = timesteps.iter().map(|t| self.training.at(*t));
            let sigmas = sigmas.chain([self.training.at((end - 1) as f64)]).collect();
            return Ok((timesteps, sigmas));
        };
        let mut sigmas = curve.sigmas(self.training.max(), self.training.min(), count);
        let rounds = curve == SigmaCurve::Karras;
        let whole = |t: f64| if rounds { t.round_ties_even() } else { t.trunc() };
        let mut timesteps: Vec<f64> = self.training.timesteps_of(&sigmas).into_iter().map(whole).collect();
        timesteps.dedup();
        sigmas.extend(sigmas.last().copied());
        Ok((timesteps, sigmas))
    }
}

impl Scheduler for DpmSolverMultistepInverseScheduler {
    super::methods::common_methods!();
    super::methods::solver_methods!();

    fn runs_whole(&self) -> Option<&'static str> {
        Some("runs from a picture to noise")
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        let (timesteps, sigmas) = self.steps(options.step_count(self.num_train_timesteps())?)?;
        self.run = Run::new(timesteps, sigmas);
        self.history.clear();
        Ok(())
    }

    fn outputs_per_value(&self) -> usize {
        outputs_per_value(self.config.variance_type)
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let level = self.level(index);
        let (output, pred_original_sample) = self.conversion().apply(&input, level);
        self.history.push_at(f64::from(level.lambda), output, self.config.multistep.solver_order);
        let steps = self.run.timesteps().len();
        let update = self.config.multistep.update(index, steps, false, &self.history);
        let prev_sample = update.solve(input.sample, input.noise, self.level(index + 1), level);
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample })
    }
}
