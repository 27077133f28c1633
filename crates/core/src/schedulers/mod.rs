//! Schedulers: how noise is added in training, and how a model's predictions become a picture step by step.
//!
//! All of it is host arithmetic on slices. A scheduler never draws random numbers: it says how many noise tensors a step
//! takes and is handed them, so a run is a function of its inputs. The names are those of diffusers, and so is the
//! arithmetic: float32 with the operations in the same order wherever that can be seen in the result.

mod adams_bashforth;
mod beta_distribution;
mod betas;
mod churn;
mod clipping;
mod cm_stochastic_iterative;
mod ddim;
mod ddim_inverse;
mod ddpm;
mod deis_multistep;
mod distilled_steps;
mod dpm_solver;
mod dpm_solver_multistep;
mod dpm_solver_multistep_inverse;
mod dpm_solver_sde;
mod dpm_solver_singlestep;
mod edm;
mod edm_dpm_solver_multistep;
mod edm_euler;
mod elementwise;
mod euler_ancestral_discrete;
mod euler_discrete;
mod flow_match_euler_discrete;
mod flow_match_heun_discrete;
mod heun_discrete;
mod history;
mod ipndm;
mod k_dpm_2_ancestral_discrete;
mod k_dpm_2_discrete;
mod lcm;
mod linear_system;
mod lms_discrete;
mod methods;
mod options;
mod pndm;
mod posterior;
mod prediction;
mod process;
mod record;
mod registry;
mod rehearsal;
mod repaint;
mod run;
mod sa_solver;
mod score_sde_ve;
mod sigmas;
mod solver_steps;
mod spacing;
mod tcd;
mod unclip;
mod unipc_multistep;

pub use betas::{BetaSchedule, NoiseSchedule};
pub use clipping::{SampleClipping, Thresholding};
pub use cm_stochastic_iterative::{CmStochasticIterativeScheduler, CmStochasticIterativeSchedulerConfig};
pub use ddim::{DdimScheduler, DdimSchedulerConfig};
pub use ddim_inverse::{DdimInverseScheduler, DdimInverseSchedulerConfig};
pub use ddpm::{DdpmScheduler, DdpmSchedulerConfig};
pub use deis_multistep::{DeisAlgorithmType, DeisMultistepScheduler, DeisMultistepSchedulerConfig, DeisSolverType};
pub use distilled_steps::LcmSchedulerConfig;
pub use dpm_solver::{AlgorithmType, MultistepOptions, SolverType};
pub use dpm_solver_multistep::{DpmSolverMultistepScheduler, DpmSolverMultistepSchedulerConfig};
pub use dpm_solver_multistep_inverse::{DpmSolverMultistepInverseScheduler, DpmSolverMultistepInverseSchedulerConfig};
pub use dpm_solver_sde::{DpmSolverSdeScheduler, DpmSolverSdeSchedulerConfig};
pub use dpm_solver_singlestep::{DpmSolverSinglestepScheduler, DpmSolverSinglestepSchedulerConfig};
pub use edm::{EdmFormulation, SigmaSchedule};
pub use edm_dpm_solver_multistep::{EdmDpmSolverMultistepScheduler, EdmDpmSolverMultistepSchedulerConfig};
pub use edm_euler::EdmEulerScheduler;
pub use euler_ancestral_discrete::{EulerAncestralDiscreteScheduler, EulerAncestralDiscreteSchedulerConfig};
pub use euler_discrete::{EulerDiscreteScheduler, EulerDiscreteSchedulerConfig, InterpolationType, TimestepType};
pub use flow_match_euler_discrete::{FlowMatchEulerDiscreteScheduler, FlowMatchEulerDiscreteSchedulerConfig};
pub use flow_match_heun_discrete::{FlowMatchHeunDiscreteScheduler, FlowMatchHeunDiscreteSchedulerConfig};
pub use heun_discrete::{HeunDiscreteScheduler, HeunDiscreteSchedulerConfig};
pub use ipndm::{IpndmScheduler, IpndmSchedulerConfig};
pub use k_dpm_2_ancestral_discrete::Kdpm2AncestralDiscreteScheduler;
pub use k_dpm_2_discrete::{Kdpm2DiscreteScheduler, Kdpm2DiscreteSchedulerConfig};
pub use lcm::LcmScheduler;
pub use lms_discrete::{LmsDiscreteScheduler, LmsDiscreteSchedulerConfig};
pub use options::{SetTimesteps, StepInput, StepOptions, StepOutput};
pub use pndm::{PndmScheduler, PndmSchedulerConfig};
pub use posterior::VarianceType;
pub use prediction::PredictionType;
pub use record::ConfigRecord;
pub use registry::{class_names, convert, create, create_lenient};
pub use repaint::{RePaintScheduler, RePaintSchedulerConfig};
pub use sa_solver::{SaAlgorithmType, SaSolverScheduler, SaSolverSchedulerConfig};
pub use score_sde_ve::{ScoreSdeVeScheduler, ScoreSdeVeSchedulerConfig};
pub use sigmas::{FinalSigmasType, SigmaSpacing};
pub use solver_steps::{DynamicShifting, FlowSigmas, TimeShiftType};
pub use spacing::{Spacing, TimestepSpacing};
pub use tcd::TcdScheduler;
pub use unclip::{UnClipScheduler, UnClipSchedulerConfig};
pub use unipc_multistep::{UniPcMultistepScheduler, UniPcMultistepSchedulerConfig, UniPcSolverType};

use crate::error::check_finite;
use crate::{Error, Result};
use elementwise::weighted_sum;
use options::{batch_of, check_options, not_prepared};
use run::Run;

/// What every sampler is to its callers.
///
/// A sampling loop calls [`set_timesteps`](Scheduler::set_timesteps), starts from noise times
/// [`init_noise_sigma`](Scheduler::init_noise_sigma), and for each of [`timesteps`](Scheduler::timesteps) gives
/// [`scale_model_input`](Scheduler::scale_model_input) of the sample to the model and the model's output to
/// [`step`](Scheduler::step). Implementations fill in `place_timesteps` and `advance`; the checks stand here, once.
pub trait Scheduler: BoxClone + Send {
    /// The options with what converting to another class must know about them.
    fn record(&self) -> &ConfigRecord;

    /// The fields of [`SetTimesteps`] and [`StepOptions`] that this scheduler understands, as the user writes them.
    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps"]
    }

    fn num_train_timesteps(&self) -> usize;

    fn prediction_type(&self) -> PredictionType;

    /// The steps of the run, first to last.
    fn timesteps(&self) -> &[f64];

    /// How many timesteps one step of the run has: two where it is a prediction and its correction.
    fn order(&self) -> usize {
        1
    }

    /// Where the run stands, of a scheduler that keeps account.
    fn run(&self) -> Option<&Run> {
        None
    }

    fn run_mut(&mut self) -> Option<&mut Run> {
        None
    }

    /// Whether every training timestep is a step already before `setTimesteps`.
    fn runs_unprepared(&self) -> bool {
        false
    }

    /// Why the run cannot begin between its ends, where it cannot.
    fn runs_whole(&self) -> Option<&'static str> {
        None
    }

    /// The run starts at its first step, whatever its timesteps repeat.
    fn begin(&mut self) {
        self.run_mut().into_iter().for_each(|run| run.begin_at(0));
    }

    /// The run starts at number `index` of its timesteps, from a picture with the noise that belongs there.
    fn set_begin_index(&mut self, index: usize) -> Result<()> {
        if let Some(reason) = self.runs_whole() {
            let name = self.class_name();
            return Err(Error::Unsupported(format!("{name} {reason}: it cannot start from a picture with noise")));
        }
        let (count, order) = (self.timesteps().len(), self.order());
        if index >= count || !index.is_multiple_of(order) {
            let expected = format!("a multiple of {order} (order) below {count}, the number of timesteps");
            return Err(Error::argument("beginIndex", expected, index));
        }
        self.run_mut().into_iter().for_each(|run| run.begin_at(index));
        Ok(())
    }

    /// The standard deviation that the initial noise must have.
    fn init_noise_sigma(&self) -> f32 {
        1.0
    }

    /// "betas", "alphasCumprod" or "sigmas"; empty where the scheduler has no such table.
    fn table(&self, name: &str) -> Vec<f32>;

    /// Lays out the timesteps. `options` holds only fields that [`options`](Scheduler::options) names.
    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()>;

    /// What the model is to see at this timestep.
    fn scale_model_input(&mut self, sample: &[f32], _timestep: f64) -> Result<Vec<f32>> {
        Ok(sample.to_vec())
    }

    /// How many values the model gives for each value of the sample: two where it also predicts a variance.
    fn outputs_per_value(&self) -> usize {
        1
    }

    /// How many noise tensors of the sample's shape the step at this timestep takes.
    fn noise_draws(&self, _timestep: f64, _options: &StepOptions) -> Result<usize> {
        Ok(0)
    }

    /// Whether the step at this timestep looks at the model's output; where not, it may be anything, zeros for one.
    fn uses_model_output(&self, _timestep: f64) -> bool {
        true
    }

    /// Inpainting: the picture, and where it is known (1) and not (0). To be called before the first step.
    fn set_known_part(&mut self, _image: &[f32], _mask: &[f32]) -> Result<()> {
        Err(Error::Unsupported(format!("setKnownPart: {} does not paint the rest of a picture", self.class_name())))
    }

    /// Makes what a run needs besides timesteps from `sample`, for a run that is only tried.
    fn prepare_rehearsal(&mut self, _sample: &[f32]) -> Result<()> {
        Ok(())
    }

    /// One step. The lengths agree, the numbers are finite and the options belong to this scheduler.
    fn advance(&mut self, input: StepInput) -> Result<StepOutput>;

    /// (a, s) of the forward process x_t = a·x_0 + s·z.
    fn forward_coefficients(&self, timestep: f64) -> Result<(f32, f32)>;

    /// (a, s) of the velocity v = a·z − s·x_0 (Salimans and Ho 2022).
    fn velocity_coefficients(&self, _timestep: f64) -> Result<(f32, f32)> {
        Err(Error::Unsupported(format!("getVelocity: {} has no velocity", self.class_name())))
    }

    /// The name that diffusers gives this scheduler.
    fn class_name(&self) -> &'static str {
        self.record().class_name
    }

    /// All options with their values: JSON with camelCase keys.
    fn config_json(&self) -> String {
        crate::json::to_json(&self.record().values)
    }

    /// Prepares a run; replaces what an earlier run left behind. Refused where the run would not end with numbers.
    fn set_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        check_options(options, self.options(), self.class_name())?;
        self.place_timesteps(options)?;
        rehearsal::rehearse(self.box_clone(), options)
    }

    /// x_t → x_{t-1}.
    fn step(&mut self, input: StepInput) -> Result<StepOutput> {
        check_options(input.options, self.options(), self.class_name())?;
        input.options.check()?;
        if self.run().is_some_and(|run| !run.is_prepared()) && !self.runs_unprepared() {
            return Err(not_prepared());
        }
        let draws = self.noise_draws(input.timestep, input.options)?;
        input.check(self.outputs_per_value(), draws)?;
        let output = self.advance(input)?;
        check_finite("prevSample", &output.prev_sample)?;
        Ok(output)
    }

    /// The forward process: one timestep for the whole batch, or one for each sample.
    fn add_noise(&self, original: &[f32], noise: &[f32], timesteps: &[f64]) -> Result<Vec<f32>> {
        let coefficients = timesteps.iter().map(|t| self.forward_coefficients(*t)).collect::<Result<Vec<_>>>()?;
        mix_by_sample(("original", original), noise, &coefficients)
    }

    /// The target of `v_prediction`: one timestep for the whole batch, or one for each sample.
    fn get_velocity(&self, sample: &[f32], noise: &[f32], timesteps: &[f64]) -> Result<Vec<f32>> {
        let coefficients = timesteps
            .iter()
            .map(|t| self.velocity_coefficients(*t).map(|(signal, deviation)| (-deviation, signal)))
            .collect::<Result<Vec<_>>>()?;
        mix_by_sample(("sample", sample), noise, &coefficients)
    }
}

/// a·x + s·z with (a, s) of the timestep that a sample of the batch has.
fn mix_by_sample((name, values): (&str, &[f32]), noise: &[f32], coefficients: &[(f32, f32)]) -> Result<Vec<f32>> {
    if noise.len() != values.len() {
        return Err(Error::shape("noise", format!("{} values as in {name}", values.len()), noise.len()));
    }
    check_finite(name, values)?;
    check_finite("noise", noise)?;
    let size = batch_of(name, values.len(), coefficients.len())?;
    let samples = values.chunks(size).zip(noise.chunks(size)).zip(coefficients);
    Ok(samples.flat_map(|((x, z), (signal, deviation))| weighted_sum([(*signal, x), (*deviation, z)])).collect())
}

/// Copying a scheduler whose class is not known. Every scheduler that can be cloned has it.
pub trait BoxClone {
    fn box_clone(&self) -> Box<dyn Scheduler>;
}

impl<S: Scheduler + Clone + 'static> BoxClone for S {
    fn box_clone(&self) -> Box<dyn Scheduler> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Scheduler> {
    fn clone(&self) -> Self {
        self.as_ref().box_clone()
    }
}
