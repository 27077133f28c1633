//! Text that crosses the boundary: options in, configurations out, always as JSON with camelCase keys.

use crate::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};

/// Reads options written by the user. Unknown keys and wrong types are refused with the allowed ones listed.
pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::InvalidConfig(error.to_string()))
}

pub fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\":{:?}}}", error.to_string()))
}
