//! JSON as Python's `json` module reads and writes it.
//!
//! Three things differ from standard JSON as other programs see it: `NaN`, `Infinity` and `-Infinity` are numbers,
//! `1` and `1.0` are different values, and the written text has Python's exact form. diffusers' configurations need
//! all three (`"lambda_min_clipped": -Infinity`, `"clip_sample_range": 1.0`).

mod parse;
mod write;

use crate::{Error, Result};
use parse::Parser;
use std::collections::BTreeMap;
use write::{Style, write};

/// A value of Python's JSON. Keys are kept sorted, as diffusers writes them.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// The decimal digits: Python's integers have no largest value.
    Integer(String),
    /// Any float, NaN and the infinities among them.
    Float(f64),
    String(String),
    Array(Vec<Value>),
    Object(BTreeMap<String, Value>),
}

/// What a non-finite number is called, in Python's JSON as a bare word and in standard JSON as a string.
const NON_FINITE: [(&str, f64); 3] = [("NaN", f64::NAN), ("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)];

/// Reads a text as Python's `json.loads` does; `file_name` stands in the message of an error.
pub fn parse(file_name: &str, text: &str) -> Result<Value> {
    let mut parser = Parser::new(text);
    parser.document().map_err(|problem| {
        let (line, column) = parser.line_and_column();
        Error::file(file_name, format!("not valid JSON at line {line}, column {column}: {problem}"))
    })
}

/// The text of `json.dumps(value, indent=2, sort_keys=True) + "\n"`, byte for byte.
pub fn format(value: &Value) -> String {
    write(value, Style::Python) + "\n"
}

/// Python's JSON to standard JSON with the same keys: non-finite numbers become the strings `"NaN"`, `"Infinity"` and
/// `"-Infinity"`.
pub fn parse_to_json(file_name: &str, text: &str) -> Result<String> {
    Ok(to_standard_json(&parse(file_name, text)?))
}

/// Standard JSON to Python's text, with the three strings of [`parse_to_json`] as numbers again.
pub fn format_from_json(json: &str) -> Result<String> {
    Ok(format(&from_standard_json(json)?))
}

pub(super) fn to_standard_json(value: &Value) -> String {
    write(value, Style::Standard)
}

pub(super) fn from_standard_json(json: &str) -> Result<Value> {
    parse("JSON", json).map(restore_non_finite)
}

fn restore_non_finite(value: Value) -> Value {
    match value {
        Value::String(text) => match NON_FINITE.iter().find(|(name, _)| *name == text) {
            Some((_, number)) => Value::Float(*number),
            None => Value::String(text),
        },
        Value::Array(items) => Value::Array(items.into_iter().map(restore_non_finite).collect()),
        Value::Object(entries) => {
            Value::Object(entries.into_iter().map(|(key, item)| (key, restore_non_finite(item))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> String {
        format(&parse("test.json", text).unwrap())
    }

    fn problem(text: &str) -> String {
        parse("test.json", text).unwrap_err().to_string()
    }

    /// The right column was printed by Python: `json.dumps(json.loads(text), indent=2, sort_keys=True)`.
    #[test]
    fn numbers_have_pythons_form() {
        for (text, expected) in [
            ("0.02", "0.02"),
            ("0.00001", "1e-05"),
            ("0.0001", "0.0001"),
            ("1.0", "1.0"),
            ("1", "1"),
            ("-0", "0"),
            ("-0.0", "-0.0"),
            ("1E3", "1000.0"),
            ("1e15", "1000000000000000.0"),
            ("9999999999999998.0", "9999999999999998.0"),
            ("1e16", "1e+16"),
            ("1.5e16", "1.5e+16"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("1.41421356", "1.41421356"),
            ("-1113178120592002.25", "-1113178120592002.2"),
            ("5e-324", "5e-324"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("1e-100", "1e-100"),
            ("1e999", "Infinity"),
            ("-Infinity", "-Infinity"),
            ("NaN", "NaN"),
        ] {
            assert_eq!(rewritten(text), format!("{expected}\n"), "{text}");
        }
    }

    #[test]
    fn containers_have_pythons_form() {
        assert_eq!(rewritten("[]"), "[]\n");
        assert_eq!(rewritten("{}"), "{}\n");
        assert_eq!(
            rewritten(r#"{"b": [1, [2.0]], "a": {}, "_c": null, "B": true}"#),
            "{\n  \"B\": true,\n  \"_c\": null,\n  \"a\": {},\n  \"b\": [\n    1,\n    [\n      2.0\n    ]\n  ]\n}\n"
        );
    }

    #[test]
    fn strings_are_ascii_escaped() {
        assert_eq!(
            rewritten("\"\\u00e9\u{e9}\\/\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u007f\\ud83d\\ude00\u{1f600}\""),
            "\"\\u00e9\\u00e9/\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u007f\\ud83d\\ude00\\ud83d\\ude00\"\n"
        );
    }

    #[test]
    fn standard_json_carries_non_finite_numbers_as_strings() {
        let standard = parse_to_json("test.json", r#"{"a": -Infinity, "b": [NaN, 1.0, 1]}"#).unwrap();
        assert_eq!(standard, r#"{"a":"-Infinity","b":["NaN",1.0,1]}"#);
        assert_eq!(
            format_from_json(&standard).unwrap(),
            "{\n  \"a\": -Infinity,\n  \"b\": [\n    NaN,\n    1.0,\n    1\n  ]\n}\n"
        );
    }

    #[test]
    fn an_error_names_file_place_and_problem() {
        assert_eq!(
            problem("{\n  \"a\": 01\n}"),
            "[InvalidFile] test.json: not valid JSON at line 2, column 9: expected `,` or `}`"
        );
        for (text, expected) in [
            ("", "expected a value"),
            ("{'a': 1}", "expected a key in double quotes"),
            ("[1,]", "expected a value"),
            ("[1] x", "text after the end"),
            ("\"\\ud83d\"", "half of a surrogate pair"),
            ("\"\\u12\"", "four hexadecimal digits"),
            ("\"\\x\"", "unknown escape"),
            ("\"a\nb\"", "control character"),
            ("\"abc", "the string has no end"),
            ("1.e5", "text after the end"),
            ("-", "expected a value"),
            ("nul", "expected a value"),
        ] {
            assert!(problem(text).contains(expected), "{text}: {}", problem(text));
        }
    }

    #[test]
    fn deep_nesting_is_refused_not_a_crash() {
        assert!(problem(&"[".repeat(1_000_000)).contains("more than 128 levels"));
        assert!(problem(&"{\"a\":".repeat(1_000_000)).contains("more than 128 levels"));
    }
}
