//! Why options cannot be read, in the words of those who wrote them: serde's own name the types of Rust.

use super::{FOREIGN, nearest};
use serde::de::{self, Unexpected};
use serde_json::Value;
use std::fmt::{self, Display};

/// A value that is not what its option takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// From the options to the value, such as `blockOutChannels[1]`; empty for the options themselves.
    path: String,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq)]
enum Problem {
    Value { expected: String, got: Option<String>, advice: String },
    UnknownKey { known: &'static [&'static str], advice: String },
    Missing,
}

impl Refusal {
    pub fn value(expected: impl Into<String>) -> Self {
        let problem = Problem::Value { expected: expected.into(), got: None, advice: String::new() };
        Self { path: String::new(), problem }
    }

    /// One of several names was expected.
    pub fn choice(names: &[&str]) -> Self {
        Self::value(one_of(names))
    }

    /// Says what came, where that is not said yet.
    pub fn got(mut self, value: &Value) -> Self {
        if let Problem::Value { got: got @ None, .. } = &mut self.problem {
            *got = Some(describe(value));
        }
        self
    }

    /// The same of another value.
    pub fn without_got(mut self) -> Self {
        if let Problem::Value { got, advice, .. } = &mut self.problem {
            (*got, *advice) = (None, String::new());
        }
        self
    }

    /// The value is that of a key.
    pub fn inside(mut self, key: &str) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{key}{joint}{}", self.path);
        self
    }

    /// The value of this key is the reason, where the way to it was lost: serde reads options ahead that several types share.
    pub fn of_key(mut self, key: &str, value: &Value) -> Self {
        if !self.path.is_empty() {
            return self;
        }
        if let Problem::Value { got, advice, .. } = &mut self.problem {
            *got = Some(describe(value));
            if !value.is_string() {
                advice.clear();
            }
        }
        self.inside(key)
    }

    /// The value is an item of an array.
    pub fn at(self, index: usize) -> Self {
        self.inside(&format!("[{index}]"))
    }

    /// Is a name expected whose choices serde did not say?
    pub fn wants_name(&self) -> bool {
        matches!(&self.problem, Problem::Value { expected, .. } if expected == NAME)
    }
}

const NAME: &str = "a name";

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let path = if self.path.is_empty() { "options" } else { &self.path };
        match &self.problem {
            Problem::Value { expected, got, advice } => {
                let got = got.as_deref().unwrap_or("another value");
                write!(f, "{path}: expected {expected}, got {got}{advice}")
            }
            Problem::UnknownKey { known, advice } => {
                write!(f, "{path}: unknown option, expected one of {}{advice}", known.join(", "))
            }
            Problem::Missing => write!(f, "{path}: expected a value, got nothing"),
        }
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    /// What hand-written types say is what they expect.
    fn custom<T: Display>(expected: T) -> Self {
        Self::value(expected.to_string())
    }

    fn invalid_type(unexpected: Unexpected, expected: &dyn de::Expected) -> Self {
        let mut refusal = Self::value(in_words(&expected.to_string()));
        if let Problem::Value { got, .. } = &mut refusal.problem {
            *got = scalar(unexpected);
        }
        refusal
    }

    fn invalid_value(unexpected: Unexpected, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Self::value(in_words(&expected.to_string()))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let mut refusal = Self::choice(expected);
        if let Problem::Value { got, advice, .. } = &mut refusal.problem {
            *got = Some(quote(variant));
            *advice = nearest(variant, expected).map(|name| format!(": did you mean {name:?}?")).unwrap_or_default();
        }
        refusal
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let advice = nearest(field, expected).map(|name| format!(": did you mean {name}?")).unwrap_or_default();
        Self { path: field.into(), problem: Problem::UnknownKey { known: expected, advice } }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { path: field.into(), problem: Problem::Missing }
    }
}

/// A value in a message: short, and with strings told from other things.
pub fn describe(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Array(items) if items.len() > 8 => format!("an array of {}", items.len()),
        Value::Array(items) => format!("[{}]", items.iter().map(describe).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => match entries.get(FOREIGN) {
            Some(Value::String(what)) => what.clone(),
            _ if entries.is_empty() => "an object without keys".into(),
            _ => format!("an object with {}", entries.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
        },
        other => other.to_string(),
    }
}

fn quote(text: &str) -> String {
    const LONGEST: usize = 60;
    let short: String = text.chars().take(LONGEST).collect();
    let rest = if short.len() < text.len() { "…" } else { "" };
    format!("{}{rest}", Value::String(short))
}

fn scalar(unexpected: Unexpected) -> Option<String> {
    match unexpected {
        Unexpected::Bool(value) => Some(value.to_string()),
        Unexpected::Unsigned(value) => Some(value.to_string()),
        Unexpected::Signed(value) => Some(value.to_string()),
        Unexpected::Float(value) => Some(value.to_string()),
        Unexpected::Str(text) => Some(quote(text)),
        Unexpected::Unit | Unexpected::Option => Some("null".into()),
        _ => None,
    }
}

fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    if quoted.len() == 1 { quoted.concat() } else { format!("one of {}", quoted.join(", ")) }
}

/// What serde's visitors expect, without the types of Rust.
fn in_words(expected: &str) -> String {
    let first = expected.split(' ').next().unwrap_or_default();
    match expected {
        "usize" | "u64" => "an integer of at least 0".into(),
        "u8" | "u16" | "u32" => {
            let bits: u32 = first.trim_start_matches('u').parse().unwrap_or(32);
            format!("an integer from 0 to {}", (1_u64 << bits) - 1)
        }
        "isize" | "i8" | "i16" | "i32" | "i64" => "an integer".into(),
        "f32" | "f64" | "a JSON number" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a sequence" => "an array".into(),
        "string or map" | "variant identifier" => NAME.into(),
        "field identifier" => "the name of an option".into(),
        "a map" => "an object".into(),
        _ if matches!(first, "struct" | "enum") => "an object".into(),
        other => match other.strip_prefix("an array of length ").or(other.strip_prefix("a tuple of size ")) {
            Some(count) => format!("an array of {count} values"),
            None => other.into(),
        },
    }
}
