//! Schedulers by name: making them, and turning one class into another.

use super::record::{Registered, default_values};
use super::run::Run;
use super::*;
use crate::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// A scheduler that can be made from options.
pub(super) trait SchedulerClass: Scheduler + Clone + Sized + 'static {
    /// The name that diffusers gives it.
    const NAME: &'static str;
    type Config: Default + Serialize + DeserializeOwned;

    fn new(config: Registered<Self::Config>) -> Result<Self>;

    /// With all training timesteps laid out, as some schedulers are before `setTimesteps`.
    fn with_all_timesteps(mut self) -> Result<Self> {
        let num_inference_steps = Some(self.num_train_timesteps());
        self.place_timesteps(&SetTimesteps { num_inference_steps, ..Default::default() })?;
        Ok(self)
    }
}

type Options = Map<String, Value>;

struct Class {
    name: &'static str,
    defaults: fn() -> Result<Options>,
    create: fn(Options, Options) -> Result<Box<dyn Scheduler>>,
}

impl Class {
    const fn of<S: SchedulerClass>() -> Self {
        Self {
            name: S::NAME,
            defaults: default_values::<S::Config>,
            create: |given, hidden| {
                let mut scheduler = S::new(Registered::new(S::NAME, given, hidden)?)?;
                scheduler.run_mut().into_iter().for_each(Run::await_preparation);
                Ok(Box::new(scheduler))
            },
        }
    }
}

const CLASSES: &[Class] = &[
    Class::of::<DdpmScheduler>(),
    Class::of::<DdimScheduler>(),
    Class::of::<DpmSolverMultistepScheduler>(),
    Class::of::<DpmSolverSinglestepScheduler>(),
    Class::of::<DeisMultistepScheduler>(),
    Class::of::<UniPcMultistepScheduler>(),
    Class::of::<PndmScheduler>(),
    Class::of::<DdimInverseScheduler>(),
    Class::of::<LcmScheduler>(),
    Class::of::<TcdScheduler>(),
    Class::of::<EdmEulerScheduler>(),
    Class::of::<EdmDpmSolverMultistepScheduler>(),
    Class::of::<IpndmScheduler>(),
    Class::of::<FlowMatchEulerDiscreteScheduler>(),
    Class::of::<FlowMatchHeunDiscreteScheduler>(),
    Class::of::<UnClipScheduler>(),
    Class::of::<CmStochasticIterativeScheduler>(),
    Class::of::<DpmSolverMultistepInverseScheduler>(),
    Class::of::<DpmSolverSdeScheduler>(),
    Class::of::<SaSolverScheduler>(),
    Class::of::<ScoreSdeVeScheduler>(),
    Class::of::<RePaintScheduler>(),
    Class::of::<EulerDiscreteScheduler>(),
    Class::of::<EulerAncestralDiscreteScheduler>(),
    Class::of::<HeunDiscreteScheduler>(),
    Class::of::<LmsDiscreteScheduler>(),
    Class::of::<Kdpm2DiscreteScheduler>(),
    Class::of::<Kdpm2AncestralDiscreteScheduler>(),
];

/// The names of all schedulers.
pub fn class_names() -> Vec<&'static str> {
    CLASSES.iter().map(|class| class.name).collect()
}

/// A scheduler from options that a user wrote: an unknown one is refused.
pub fn create(class_name: &str, config_json: &str) -> Result<Box<dyn Scheduler>> {
    (class(class_name)?.create)(crate::json::from_json(config_json)?, Options::new())
}

/// A scheduler from a file, which may hold options of other classes. The second value names the options that no
/// scheduler has.
pub fn create_lenient(class_name: &str, config_json: &str) -> Result<(Box<dyn Scheduler>, Vec<String>)> {
    let class = class(class_name)?;
    let (given, hidden) = split_options(class, crate::json::from_json(config_json)?)?;
    let mut unknown = Vec::new();
    for key in hidden.keys() {
        if !is_known(key)? {
            unknown.push(key.clone());
        }
    }
    Ok(((class.create)(given, hidden)?, unknown))
}

/// `from_config` of diffusers: the options that were given to `scheduler` for another class, with overrides.
pub fn convert(scheduler: &dyn Scheduler, class_name: &str, overrides_json: &str) -> Result<Box<dyn Scheduler>> {
    let class = class(class_name)?;
    let (mut given, hidden) = split_options(class, scheduler.record().portable())?;
    given.extend(crate::json::from_json::<Options>(overrides_json)?);
    (class.create)(given, hidden)
}

fn class(name: &str) -> Result<&'static Class> {
    CLASSES
        .iter()
        .find(|class| class.name == name)
        .ok_or_else(|| Error::argument("className", format!("one of {}", class_names().join(", ")), name))
}

/// The options of the class, and the others.
fn split_options(class: &Class, options: Options) -> Result<(Options, Options)> {
    let known = (class.defaults)()?;
    Ok(options.into_iter().partition(|(key, _)| known.contains_key(key)))
}

fn is_known(key: &str) -> Result<bool> {
    for class in CLASSES {
        if (class.defaults)()?.contains_key(key) {
            return Ok(true);
        }
    }
    Ok(false)
}
