//! Options of a scheduler with what `from_config` of diffusers must know about them.

use crate::json::{self, Refusal};
use crate::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::ops::Deref;

/// What a scheduler remembers of how it was configured.
///
/// Only options that were given travel to another class; the rest take that class's defaults. Options of other classes
/// stay hidden and come back when the scheduler is converted again.
#[derive(Debug, Clone, Default)]
pub struct ConfigRecord {
    pub class_name: &'static str,
    /// All options with their values, camelCase.
    pub values: Map<String, Value>,
    /// The options that the user or the file gave.
    pub given: BTreeSet<String>,
    /// What belongs to other classes: written to the file, used by conversions.
    pub hidden: Map<String, Value>,
}

impl ConfigRecord {
    /// What travels to another class.
    pub fn portable(&self) -> Map<String, Value> {
        let given = self.values.iter().filter(|(key, _)| self.given.contains(*key));
        given.chain(&self.hidden).map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

/// Typed options together with their record.
#[derive(Debug, Clone)]
pub struct Registered<C> {
    options: C,
    record: ConfigRecord,
}

impl<C: Default + Serialize + DeserializeOwned> Registered<C> {
    /// Reads the given options over the class's defaults.
    pub fn new(class_name: &'static str, given: Map<String, Value>, hidden: Map<String, Value>) -> Result<Self> {
        let mut values = default_values::<C>()?;
        let known: Vec<String> = values.keys().cloned().collect();
        let mut options = C::default();
        // One key after the other, so that a message can name the option that is wrong.
        for (key, value) in &given {
            if values.insert(key.clone(), value.clone()).is_none() {
                return Err(unknown_option(class_name, key, &known));
            }
            options = json::read(&Value::Object(values.clone())).map_err(|refusal| {
                let refusal = with_choices::<C>(&values, key, refusal);
                Error::InvalidConfig(refusal.of_key(key, value).to_string())
            })?;
        }
        let values = to_map(&options)?;
        let given = given.into_iter().map(|(key, _)| key).collect();
        Ok(Self { options, record: ConfigRecord { class_name, values, given, hidden } })
    }
}

impl<C> Registered<C> {
    pub fn record(&self) -> &ConfigRecord {
        &self.record
    }
}

impl<C> Deref for Registered<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.options
    }
}

/// All options of a class with their defaults.
pub fn default_values<C: Default + Serialize>() -> Result<Map<String, Value>> {
    to_map(&C::default())
}

fn unknown_option(class_name: &str, key: &str, known: &[String]) -> Error {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let advice = json::nearest(key, &known).map(|name| format!(": did you mean {name}?")).unwrap_or_default();
    Error::InvalidConfig(format!("{key}: {class_name} has no such option; it has {}{advice}", known.join(", ")))
}

/// What serde has read ahead, as it does of options that several classes share, no longer says which names there are: it
/// tells them of any wrong one.
fn with_choices<C: DeserializeOwned>(values: &Map<String, Value>, key: &str, refusal: Refusal) -> Refusal {
    if !refusal.wants_name() {
        return refusal;
    }
    let mut values = values.clone();
    values.insert(key.into(), Value::String(String::new()));
    match json::read::<C>(&Value::Object(values)) {
        Err(named) => named.without_got(),
        Ok(_) => refusal,
    }
}

fn to_map(options: &impl Serialize) -> Result<Map<String, Value>> {
    match serde_json::to_value(options) {
        Ok(Value::Object(map)) => Ok(map),
        other => Err(Error::Internal(format!("options are no JSON object: {other:?}"))),
    }
}

/// An option whose value cannot work.
pub fn invalid_option(key: &str, expected: impl std::fmt::Display, got: impl std::fmt::Display) -> Error {
    Error::InvalidConfig(format!("{key}: expected {expected}, got {got}"))
}
