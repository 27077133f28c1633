//! Text that crosses the boundary: options in, configurations out, always as JSON with camelCase keys.

mod names;
mod reader;
mod refusal;

use crate::{Error, Result};
pub use names::{in_file, nearest};
use reader::Reader;
pub use refusal::Refusal;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// The key of an object that stands for a value that JSON has no form for; what it was is told by its value. TypeScript
/// writes it, so that the refusal names the option, and what it takes, as of any other wrong value.
const FOREIGN: &str = "emberwing:foreign";

/// Reads options written by the user. Unknown keys and wrong values are refused by their names, with what is allowed.
pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    read(&parse(text)?).map_err(|refusal| Error::InvalidConfig(refusal.to_string()))
}

/// The same for options that are left out, never null.
pub fn from_json_without_null<T: DeserializeOwned>(text: &str) -> Result<T> {
    let value = parse(text)?;
    T::deserialize(Reader::without_null(&value)).map_err(|refusal| Error::InvalidConfig(refusal.to_string()))
}

/// Reads a JSON value that was parsed already.
pub fn read<T: DeserializeOwned>(value: &Value) -> std::result::Result<T, Refusal> {
    T::deserialize(Reader::new(value))
}

/// Our own side wrote the text: the user has nothing to do with its syntax.
fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| Error::Internal(format!("options that are no JSON: {error}")))
}

pub fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\":{:?}}}", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DatasetOptions;
    use crate::models::UNet2DModelConfig;
    use crate::schedulers::SetTimesteps;
    use crate::training::TrainerOptions;

    fn refusal<T: DeserializeOwned>(text: &str) -> String {
        from_json::<T>(text).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn refusals_name_the_option_what_it_takes_and_what_came() {
        let expected = [
            (r#"{"learningRate":"1e-4"}"#, "learningRate: expected a number, got \"1e-4\""),
            (r#"{"epochs":"3"}"#, "epochs: expected an integer of at least 0, got \"3\""),
            (r#"{"batchSize":2.5}"#, "batchSize: expected an integer of at least 0, got 2.5"),
            (r#"{"batchSize":-1}"#, "batchSize: expected an integer of at least 0, got -1"),
            (r#"{"batchSize":null}"#, "batchSize: expected an integer of at least 0, got null"),
            (r#"{"batchSize":[1]}"#, "batchSize: expected an integer of at least 0, got [1]"),
            (r#"{"useEma":1}"#, "useEma: expected true or false, got 1"),
            (r#"{"stepRules":5}"#, "stepRules: expected a string, got 5"),
            (r#"{"learningRate":{"emberwing:foreign":"NaN"}}"#, "learningRate: expected a number, got NaN"),
        ];
        for (text, expected) in expected {
            assert_eq!(refusal::<TrainerOptions>(text), format!("[InvalidConfig] {expected}"));
        }
    }

    #[test]
    fn refusals_list_the_names_that_there_are_and_the_nearest() {
        let scheduler = refusal::<TrainerOptions>(r#"{"lrScheduler":"Cosine"}"#);
        assert!(scheduler.contains("lrScheduler: expected one of \"linear\", \"cosine\", "), "{scheduler}");
        assert!(scheduler.ends_with("got \"Cosine\": did you mean \"cosine\"?"), "{scheduler}");
        assert!(refusal::<TrainerOptions>(r#"{"lrScheduler":3}"#).ends_with("\"piecewise_constant\", got 3"));
        let key = refusal::<TrainerOptions>(r#"{"epoch":3}"#);
        assert!(key.contains("epoch: unknown option, expected one of batchSize, epochs, "), "{key}");
        assert!(key.ends_with(": did you mean epochs?"), "{key}");
    }

    #[test]
    fn refusals_lead_to_the_value() {
        let block = refusal::<UNet2DModelConfig>(r#"{"downBlockTypes":["DownBlock2D","AttnDown"]}"#);
        assert!(block.contains("downBlockTypes[1]: expected one of \"DownBlock2D\""), "{block}");
        let size = refusal::<UNet2DModelConfig>(r#"{"sampleSize":"8"}"#);
        assert!(size.ends_with("sampleSize: expected a number of pixels, or [height, width], got \"8\""), "{size}");
        let size = refusal::<DatasetOptions>(r#"{"resolution":[8]}"#);
        assert!(size.ends_with("resolution: expected a number of pixels, or [height, width], got [8]"), "{size}");
    }

    #[test]
    fn null_is_for_options_that_have_it() {
        assert!(from_json::<TrainerOptions>(r#"{"epochs":null}"#).is_ok());
        let steps = from_json_without_null::<SetTimesteps>(r#"{"numInferenceSteps":null}"#).unwrap_err().to_string();
        assert_eq!(steps, "[InvalidConfig] numInferenceSteps: expected an integer of at least 0, got null");
    }
}
