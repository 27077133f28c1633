//! The learning rate over a run: diffusers' `get_scheduler`, counted in optimizer steps.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Learning rate at which `polynomial` ends.
const POLYNOMIAL_END: f64 = 1e-7;

/// How the learning rate changes: diffusers' names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum LrScheduler {
    Linear,
    Cosine,
    CosineWithRestarts,
    Polynomial,
    #[default]
    Constant,
    ConstantWithWarmup,
    PiecewiseConstant,
}

/// Options of `getScheduler`; those that the named schedule does not use are ignored, as diffusers does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename_all = "camelCase"))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LrScheduleOptions {
    /// Default: "constant".
    pub name: LrScheduler,
    /// Steps in which the rate rises from 0; all but "constant" and "piecewise_constant" have them. Default: 0.
    pub num_warmup_steps: usize,
    /// Optimizer steps of the whole run; "linear", "cosine", "cosine_with_restarts" and "polynomial" need it.
    pub num_training_steps: usize,
    /// Of "cosine_with_restarts". Default: 1.
    pub num_cycles: usize,
    /// Of "polynomial". Default: 1.
    pub power: f64,
    /// Of "piecewise_constant": `"1:10,0.1:20,0.01"` is factor 1 before step 10, 0.1 before step 20, then 0.01.
    pub step_rules: Option<String>,
}

impl Default for LrScheduleOptions {
    fn default() -> Self {
        Self {
            name: LrScheduler::Constant,
            num_warmup_steps: 0,
            num_training_steps: 0,
            num_cycles: 1,
            power: 1.0,
            step_rules: None,
        }
    }
}

/// The learning rate of every step of a run.
#[derive(Clone, Debug)]
pub struct LrSchedule {
    options: LrScheduleOptions,
    learning_rate: f64,
    rules: StepRules,
}

impl LrSchedule {
    /// `learning_rate`: what the factors multiply.
    pub fn new(options: LrScheduleOptions, learning_rate: f64) -> Result<Self> {
        let rules = match (options.name, &options.step_rules) {
            (LrScheduler::PiecewiseConstant, Some(rules)) => StepRules::parse(rules)?,
            (LrScheduler::PiecewiseConstant, None) => return Err(StepRules::refusal("nothing")),
            _ => StepRules::default(),
        };
        if options.name == LrScheduler::Polynomial && learning_rate <= POLYNOMIAL_END {
            let expected = format!("more than {POLYNOMIAL_END}, at which polynomial ends");
            return Err(Error::argument("learningRate", expected, learning_rate));
        }
        if !options.power.is_finite() || options.power < 0.0 {
            return Err(Error::argument("power", "a number of at least 0", options.power));
        }
        Ok(Self { options, learning_rate, rules })
    }

    /// The rate after `steps` optimizer steps: 0 for the first.
    pub fn learning_rate(&self, steps: usize) -> f64 {
        self.learning_rate * self.factor(steps)
    }

    fn factor(&self, steps: usize) -> f64 {
        let warmup = self.options.num_warmup_steps;
        match self.options.name {
            LrScheduler::Constant => 1.0,
            LrScheduler::PiecewiseConstant => self.rules.factor(steps),
            _ if steps < warmup => steps as f64 / warmup.max(1) as f64,
            LrScheduler::ConstantWithWarmup => 1.0,
            LrScheduler::Linear => (1.0 - self.progress(steps)).max(0.0),
            LrScheduler::Cosine => (0.5 * (1.0 + (PI * self.progress(steps)).cos())).max(0.0),
            LrScheduler::CosineWithRestarts => self.restarts(self.progress(steps)),
            LrScheduler::Polynomial => self.polynomial(self.progress(steps)),
        }
    }

    /// Share of the run after the warm-up that is over; above 1 where a run goes on for longer.
    fn progress(&self, steps: usize) -> f64 {
        let LrScheduleOptions { num_warmup_steps: warmup, num_training_steps: total, .. } = self.options;
        (steps - warmup) as f64 / total.saturating_sub(warmup).max(1) as f64
    }

    /// SGDR (Loshchilov and Hutter 2017, eq. 5) with equal cycles that end at 0.
    fn restarts(&self, progress: f64) -> f64 {
        if progress >= 1.0 {
            return 0.0;
        }
        let within = (self.options.num_cycles as f64 * progress).fract();
        (0.5 * (1.0 + (PI * within).cos())).max(0.0)
    }

    fn polynomial(&self, progress: f64) -> f64 {
        let start = self.learning_rate;
        let remaining = (1.0 - progress).max(0.0);
        ((start - POLYNOMIAL_END) * remaining.powf(self.options.power) + POLYNOMIAL_END) / start
    }
}

/// Factors that each hold until a step.
#[derive(Clone, Debug, Default, PartialEq)]
struct StepRules {
    /// Step and the factor before it, ascending.
    until: Vec<(usize, f64)>,
    last: f64,
}

impl StepRules {
    fn parse(text: &str) -> Result<Self> {
        let refusal = || Self::refusal(&format!("\"{text}\""));
        let mut rules: Vec<&str> = text.split(',').map(str::trim).collect();
        let last = rules.pop().and_then(parse_factor).ok_or_else(refusal)?;
        let rule = |rule: &str| {
            let (factor, step) = rule.split_once(':')?;
            Some((step.trim().parse().ok()?, parse_factor(factor)?))
        };
        let mut until = rules.into_iter().map(rule).collect::<Option<Vec<_>>>().ok_or_else(refusal)?;
        until.sort_by_key(|(step, _)| *step);
        Ok(Self { until, last })
    }

    fn refusal(got: &str) -> Error {
        Error::argument("stepRules", "rules such as \"1:10,0.1:20,0.01\", factor and step and a last factor", got)
    }

    fn factor(&self, steps: usize) -> f64 {
        self.until.iter().find(|(step, _)| steps < *step).map_or(self.last, |(_, factor)| *factor)
    }
}

fn parse_factor(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|factor: &f64| factor.is_finite() && *factor >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(name: LrScheduler, steps: &[usize]) -> Vec<f64> {
        let options = LrScheduleOptions {
            name,
            num_warmup_steps: 5,
            num_training_steps: 20,
            num_cycles: 2,
            ..LrScheduleOptions::default()
        };
        let schedule = LrSchedule::new(options, 1e-4).unwrap();
        steps.iter().map(|step| schedule.learning_rate(*step)).collect()
    }

    /// diffusers' rates with a warm-up of 5 steps in 20, two cycles.
    #[test]
    fn rates_of_diffusers() {
        let steps = [6, 10, 13, 19, 20];
        for (name, expected) in [
            (LrScheduler::Cosine, [9.8907e-5, 7.5000e-5, 4.4774e-5, 1.0926e-6, 0.0]),
            (LrScheduler::CosineWithRestarts, [9.5677e-5, 2.5000e-5, 9.8907e-5, 4.3227e-6, 0.0]),
            (LrScheduler::Linear, [9.3333e-5, 6.6667e-5, 4.6667e-5, 6.6667e-6, 0.0]),
        ] {
            for (got, expected) in rates(name, &steps).into_iter().zip(expected) {
                assert!((got - expected).abs() < 1e-9, "{name:?}: got {got}, want {expected}");
            }
        }
    }

    #[test]
    fn a_run_that_goes_on_keeps_the_last_rate() {
        assert_eq!(rates(LrScheduler::Linear, &[21, 100]), [0.0, 0.0]);
        assert_eq!(rates(LrScheduler::CosineWithRestarts, &[21, 100]), [0.0, 0.0]);
        for rate in rates(LrScheduler::Polynomial, &[21, 100]) {
            assert!((rate - POLYNOMIAL_END).abs() < 1e-20);
        }
    }

    #[test]
    fn step_rules_are_read_in_any_order() {
        let rules = StepRules::parse("0.1:20, 1:10 ,0.01").unwrap();
        assert_eq!([0, 9, 10, 19, 20, 99].map(|step| rules.factor(step)), [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]);
        assert_eq!(StepRules::parse("0.5").unwrap().factor(7), 0.5);
    }

    #[test]
    fn broken_step_rules_are_refused() {
        for text in ["", "1:10", "1:10,x", "a:10,1", "1:-1,1", "1;10,1", "NaN"] {
            let message = StepRules::parse(text).unwrap_err().to_string();
            assert!(message.contains("stepRules: expected rules such as \"1:10,0.1:20,0.01\""), "{message}");
        }
        let options = LrScheduleOptions { name: LrScheduler::PiecewiseConstant, ..LrScheduleOptions::default() };
        assert!(LrSchedule::new(options, 1.0).unwrap_err().to_string().contains("got nothing"));
    }
}
