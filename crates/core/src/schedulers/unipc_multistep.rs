//! UniPC: a predictor and a corrector that share the model's output (Zhao et al. 2023, "UniPC: A Unified
//! Predictor-Corrector Framework for Fast Sampling of Diffusion Models").

use super::Scheduler;
use super::betas::NoiseSchedule;
use super::clipping::Thresholding;
use super::dpm_solver::{NoiseLevel, OutputConversion, check_order};
use super::elementwise::{add_scaled, weighted_sum};
use super::history::History;
use super::linear_system::solve;
use super::options::{SetTimesteps, StepInput, StepOutput, Steps};
use super::prediction::PredictionType;
use super::record::{ConfigRecord, Registered, invalid_option};
use super::registry::SchedulerClass;
use super::run::Run;
use super::sigmas::{FinalSigmasType, SigmaCurve, SigmaSpacing, TrainingSigmas, ramp};
use super::solver_steps::{
    DynamicShifting, FlowSigmas, SolverCurve, flow_steps, shifted, solver_steps, solver_timesteps,
};
use super::spacing::{Spacing, custom_descending};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// B(h) of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum UniPcSolverType {
    /// B(h) = h: better for models without guidance and few steps.
    Bh1,
    /// B(h) = e^h − 1. (Solver types of other schedulers mean this here.)
    #[serde(alias = "midpoint", alias = "heun", alias = "logrho")]
    Bh2,
}

/// The options of [`UniPcMultistepScheduler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "UniPCMultistepSchedulerConfig"))]
#[serde(rename_all = "camelCase")]
pub struct UniPcMultistepSchedulerConfig {
    #[serde(flatten)]
    pub noise_schedule: NoiseSchedule,
    /// How many outputs a step uses: 1 to 3; the effective order is one more. Default 2.
    pub solver_order: usize,
    /// What the model predicts. Default "epsilon".
    pub prediction_type: PredictionType,
    #[serde(flatten)]
    pub thresholding: Thresholding,
    /// Solve in terms of x_0, else of the noise. Default true.
    pub predict_x0: bool,
    /// B(h) of the paper. Default "bh2".
    pub solver_type: UniPcSolverType,
    /// Lower the order in the last steps. Default true.
    pub lower_order_final: bool,
    /// The steps whose result is not corrected. Default [].
    pub disable_corrector: Vec<usize>,
    /// Another scheduler as predictor: always null here.
    pub solver_p: (),
    #[serde(flatten)]
    pub sigma_spacing: SigmaSpacing,
    #[serde(flatten)]
    pub flow: FlowSigmas,
    #[serde(flatten)]
    pub dynamic_shifting: DynamicShifting,
    #[serde(flatten)]
    pub spacing: Spacing,
    /// Where the last step ends. Default "zero".
    pub final_sigmas_type: FinalSigmasType,
    /// Shift the schedule so that the last step is pure noise. Default false.
    pub rescale_betas_zero_snr: bool,
    /// The lowest σ of a curve; null for the lowest of training. Default null.
    pub sigma_min: Option<f64>,
    /// The highest σ of a curve; null for the highest of training. Default null.
    pub sigma_max: Option<f64>,
    /// Stretch the noise levels of a flow to end here; null for no stretching. Default null.
    pub shift_terminal: Option<f64>,
}

impl Default for UniPcMultistepSchedulerConfig {
    fn default() -> Self {
        Self {
            noise_schedule: NoiseSchedule::default(),
            solver_order: 2,
            prediction_type: PredictionType::Epsilon,
            thresholding: Thresholding::default(),
            predict_x0: true,
            solver_type: UniPcSolverType::Bh2,
            lower_order_final: true,
            disable_corrector: Vec::new(),
            solver_p: (),
            sigma_spacing: SigmaSpacing::default(),
            flow: FlowSigmas::default(),
            dynamic_shifting: DynamicShifting::default(),
            spacing: Spacing::LINSPACE,
            final_sigmas_type: FinalSigmasType::Zero,
            rescale_betas_zero_snr: false,
            sigma_min: None,
            sigma_max: None,
            shift_terminal: None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct UniPcMultistepScheduler {
    config: Registered<UniPcMultistepSchedulerConfig>,
    training: TrainingSigmas,
    run: Run,
    history: History,
    /// The sample and the order of the step before, for its correction.
    last_step: Option<(Vec<f32>, usize)>,
}

impl SchedulerClass for UniPcMultistepScheduler {
    const NAME: &'static str = "UniPCMultistepScheduler";
    type Config = UniPcMultistepSchedulerConfig;

    fn new(config: Registered<UniPcMultistepSchedulerConfig>) -> Result<Self> {
        config.thresholding.check()?;
        config.flow.check()?;
        config.sigma_spacing.curve()?;
        config.prediction_type.check_with_flow(config.flow.use_flow_sigmas)?;
        check_order(config.solver_order)?;
        if let Some(terminal) = config.shift_terminal.filter(|_| !config.flow.use_flow_sigmas) {
            return Err(invalid_option("shiftTerminal", "null where useFlowSigmas is false", terminal));
        }
        let training = TrainingSigmas::new(&config.noise_schedule, config.rescale_betas_zero_snr)?;
        let run = training.whole_run();
        Ok(Self { config, training, run, history: History::default(), last_step: None })
    }
}

impl UniPcMultistepScheduler {
    fn conversion(&self) -> OutputConversion {
        OutputConversion {
            prediction: self.config.prediction_type,
            thresholding: self.config.thresholding,
            to_original: self.config.predict_x0,
            outputs_per_value: 1,
        }
    }

    fn level(&self, index: usize) -> NoiseLevel {
        self.config.flow.level(self.run.sigma(index))
    }

    /// Timesteps and noise levels without the last.
    fn steps(&self, options: &SetTimesteps) -> Result<(Vec<f64>, Vec<f64>)> {
        let train = self.num_train_timesteps();
        let curve = self.config.sigma_spacing.curve()?;
        match (options.steps(train)?, curve) {
            (Steps::Sigmas(sigmas), None) if self.config.flow.use_flow_sigmas => {
                self.flow_steps(custom_descending("sigmas", sigmas, 0.0..=1.0)?, options.mu)
            }
            (Steps::Sigmas(sigmas), _) => {
                let expected = "none unless useFlowSigmas is set and no curve";
                Err(Error::argument("sigmas", expected, format!("{sigmas:?}")))
            }
            (_, Some(curve)) => Ok(self.curve_steps(curve, options.step_count(train)?)),
            (_, None) if self.config.flow.use_flow_sigmas => {
                let count = options.step_count(train)?;
                self.flow_steps(ramp(1.0, 1.0 / train as f64, count + 1).take(count).collect(), options.mu)
            }
            (_, None) => {
                let count = options.step_count(train)?;
                let timesteps = solver_timesteps(&self.config.spacing, train, train, count)?;
                Ok(solver_steps(&self.training, SolverCurve::Spaced, timesteps))
            }
        }
    }

    fn curve_steps(&self, curve: SigmaCurve, count: usize) -> (Vec<f64>, Vec<f64>) {
        let min = self.config.sigma_min.unwrap_or(self.training.min());
        let max = self.config.sigma_max.unwrap_or(self.training.max());
        let sigmas = curve.sigmas(min, max, count);
        if curve != SigmaCurve::Karras {
            return (self.training.timesteps_of(&sigmas), sigmas);
        }
        if self.config.flow.use_flow_sigmas {
            return flow_steps(self.training.len() as f64, sigmas.into_iter().map(|sigma| sigma / (sigma + 1.0)));
        }
        let timesteps = self.training.timesteps_of(&sigmas);
        (timesteps.into_iter().map(f64::round_ties_even).collect(), sigmas)
    }

    fn flow_steps(&self, sigmas: Vec<f64>, mu: Option<f64>) -> Result<(Vec<f64>, Vec<f64>)> {
        let dynamic = &self.config.dynamic_shifting;
        let mut sigmas: Vec<f64> = match (dynamic.use_dynamic_shifting, mu) {
            (true, None) => return Err(Error::argument("mu", "a shift, since useDynamicShifting is set", "nothing")),
            (true, Some(mu)) => sigmas.into_iter().map(|sigma| dynamic.time_shift_type.shift(mu, sigma)).collect(),
            (false, _) => sigmas.into_iter().map(|sigma| shifted(sigma, self.config.flow.flow_shift)).collect(),
        };
        if let (Some(terminal), Some(last)) = (self.config.shift_terminal, sigmas.last().copied()) {
            let scale = (1.0 - last) / (1.0 - terminal);
            sigmas.iter_mut().for_each(|sigma| *sigma = 1.0 - (1.0 - *sigma) / scale);
        }
        // At σ = 1 there is no x_0 in the sample to solve for.
        if let Some(first) = sigmas.first_mut().filter(|first| (**first - 1.0).abs() < 1e-6) {
            *first -= 1e-6;
        }
        Ok(flow_steps(self.training.len() as f64, sigmas.into_iter()))
    }

    /// The noise level that the run ends at: of a curve or a flow the last one, again.
    fn last_sigma(&self, sigmas: &[f64]) -> Result<f64> {
        let has_curve = self.config.sigma_spacing.curve()?.is_some() || self.config.flow.use_flow_sigmas;
        let lowest = sigmas.last().copied().unwrap_or_default();
        Ok(match self.config.final_sigmas_type {
            FinalSigmasType::SigmaMin if has_curve => lowest,
            kind => self.training.last(kind),
        })
    }

    fn order(&self, index: usize) -> usize {
        let left = self.run.timesteps().len() - index;
        // Only the first order has a limit where σ is zero.
        let to_zero = self.run.sigma(index + 1) == 0.0;
        let limit = if to_zero || self.expansion(index, index + 1).h == 0.0 { 1 } else { self.config.solver_order };
        let limit = if self.config.lower_order_final { limit.min(left) } else { limit };
        limit.min(self.history.len())
    }

    fn expansion(&self, from: usize, to: usize) -> Expansion {
        Expansion::new(self.level(from), self.level(to), self.config.predict_x0, self.config.solver_type)
    }

    /// (λ of `age` outputs ago − λ of the newest)/h.
    fn relative_lambda(&self, expansion: &Expansion, age: usize) -> f32 {
        (self.history.node(age) as f32 - self.history.node(0) as f32) / expansion.h
    }

    /// UniP-p (algorithm 2): from the sample at `index` to the next.
    fn predict(&self, index: usize, sample: &[f32], order: usize) -> Vec<f32> {
        let expansion = self.expansion(index, index + 1);
        let ratios: Vec<f32> = (1..order).map(|age| self.relative_lambda(&expansion, age)).collect();
        let weights = match order {
            1 => Vec::new(),
            // The exact weight at order 2 is 1/2 to first order in h; diffusers takes it as that.
            2 => vec![0.5],
            _ => expansion.weights(&ratios),
        };
        let mut next = expansion.first_order(sample, self.history.get(0));
        expansion.add_differences(&mut next, &self.history, &ratios, &weights);
        next
    }

    /// A step of no length has nothing to correct.
    fn is_corrected(&self, index: usize) -> bool {
        !self.config.disable_corrector.contains(&index) && self.expansion(index, index + 1).h != 0.0
    }

    /// UniC-p (algorithm 1): the sample at `index` again, now that the model's output there is known.
    fn correct(&self, index: usize, last_sample: &[f32], output: &[f32], order: usize) -> Vec<f32> {
        let expansion = self.expansion(index - 1, index);
        let mut ratios: Vec<f32> = (1..order).map(|age| self.relative_lambda(&expansion, age)).collect();
        ratios.push(1.0);
        let weights = if order == 1 { vec![0.5] } else { expansion.weights(&ratios) };
        let mut sample = expansion.first_order(last_sample, self.history.get(0));
        expansion.add_differences(&mut sample, &self.history, &ratios[..order - 1], &weights);
        let weight = expansion.difference_weight * weights.last().copied().unwrap_or_default();
        add_scaled(&mut sample, weight, output);
        add_scaled(&mut sample, -weight, self.history.get(0));
        sample
    }
}

impl Scheduler for UniPcMultistepScheduler {
    super::methods::common_methods!();
    super::methods::solver_methods!();

    fn options(&self) -> &'static [&'static str] {
        &["numInferenceSteps", "sigmas", "mu"]
    }

    fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
        self.config.dynamic_shifting.check(options.mu)?;
        let (timesteps, sigmas) = self.steps(options)?;
        let last = self.last_sigma(&sigmas)?;
        let timesteps = timesteps.into_iter().map(f64::trunc).collect();
        self.run = Run::new(timesteps, sigmas.into_iter().chain([last]));
        self.history.clear();
        self.last_step = None;
        Ok(())
    }

    fn advance(&mut self, input: StepInput) -> Result<StepOutput> {
        let index = self.run.enter(input.timestep)?;
        let level = self.level(index);
        let (output, pred_original_sample) = self.conversion().apply(&input, level);
        let sample = match self.last_step.take() {
            Some((last, order)) if self.is_corrected(index - 1) => self.correct(index, &last, &output, order),
            _ => input.sample.to_vec(),
        };
        self.history.push_at(f64::from(level.lambda), output, self.config.solver_order);
        let order = self.order(index);
        let prev_sample = self.predict(index, &sample, order);
        self.last_step = Some((sample, order));
        self.run.leave();
        Ok(StepOutput { prev_sample, pred_original_sample })
    }
}

/// The expansion of the solution between two noise levels in differences of the model's outputs.
struct Expansion {
    h: f32,
    /// −h in terms of x_0, h in terms of the noise.
    signed_h: f32,
    /// B(h).
    b_of_h: f32,
    sample_weight: f32,
    output_weight: f32,
    difference_weight: f32,
}

impl Expansion {
    fn new(from: NoiseLevel, to: NoiseLevel, predict_x0: bool, solver_type: UniPcSolverType) -> Self {
        let h = to.lambda - from.lambda;
        let signed_h = if predict_x0 { -h } else { h };
        let b_of_h = match solver_type {
            UniPcSolverType::Bh1 => signed_h,
            UniPcSolverType::Bh2 => signed_h.exp_m1(),
        };
        let (sample_weight, scale) =
            if predict_x0 { (to.sigma / from.sigma, to.alpha) } else { (to.alpha / from.alpha, to.sigma) };
        // At σ = 0 in terms of the noise, 0·(e^∞ − 1) stands for the limit of σ·(e^h − 1).
        let output_weight = match to.sigma == 0.0 && !predict_x0 {
            true => -to.alpha * from.sigma / from.alpha,
            false => -scale * signed_h.exp_m1(),
        };
        let difference_weight = -scale * b_of_h;
        Self { h, signed_h, b_of_h, sample_weight, output_weight, difference_weight }
    }

    fn first_order(&self, sample: &[f32], output: &[f32]) -> Vec<f32> {
        weighted_sum([(self.sample_weight, sample), (self.output_weight, output)])
    }

    /// Σ ρᵢ·(mᵢ − m_0)/rᵢ times −α·B(h) (or −σ·B(h)).
    fn add_differences(&self, sample: &mut [f32], history: &History, ratios: &[f32], weights: &[f32]) {
        for (i, (ratio, weight)) in ratios.iter().zip(weights).enumerate() {
            let weight = self.difference_weight * weight / ratio;
            add_scaled(sample, weight, history.get(i + 1));
            add_scaled(sample, -weight, history.get(0));
        }
    }

    /// The ρ for which the expansion is exact up to the order: Σⱼ rⱼ^i·ρⱼ = (i + 1)!·φ_{i+2}(h)·h/B(h).
    fn weights(&self, ratios: &[f32]) -> Vec<f32> {
        let mut phi = self.signed_h.exp_m1() / self.signed_h - 1.0;
        let mut factorial = 1.0;
        let mut rows = Vec::with_capacity(ratios.len());
        for i in 0..ratios.len() {
            let mut row: Vec<f32> = ratios.iter().map(|ratio| ratio.powi(i as i32)).collect();
            row.push(phi * factorial / self.b_of_h);
            rows.push(row);
            factorial *= (i + 2) as f32;
            phi = phi / self.signed_h - 1.0 / factorial;
        }
        solve(rows)
    }
}
