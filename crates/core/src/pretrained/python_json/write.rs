//! The writer: Python's number form, escapes and layout, or the same values as standard JSON.

use super::{NON_FINITE, Value};
use std::fmt::Write;

/// Which reader the text is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `json.dumps(value, indent=2, sort_keys=True)`.
    Python,
    /// One line; non-finite numbers are strings.
    Standard,
}

pub(super) fn write(value: &Value, style: Style) -> String {
    let mut writer = Writer { out: String::new(), style };
    writer.value(value, 0);
    writer.out
}

struct Writer {
    out: String,
    style: Style,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(flag) => self.out.push_str(if *flag { "true" } else { "false" }),
            Value::Integer(digits) => self.out.push_str(digits),
            Value::Float(number) => self.float(*number),
            Value::String(text) => self.string(text),
            Value::Array(items) => self.array(items, depth),
            Value::Object(entries) => self.object(entries.iter(), depth),
        }
    }

    fn array(&mut self, items: &[Value], depth: usize) {
        self.out.push('[');
        for (index, item) in items.iter().enumerate() {
            self.start_item(index, depth + 1);
            self.value(item, depth + 1);
        }
        self.close(']', items.len(), depth);
    }

    fn object<'a>(&mut self, entries: impl ExactSizeIterator<Item = (&'a String, &'a Value)>, depth: usize) {
        let count = entries.len();
        self.out.push('{');
        for (index, (key, item)) in entries.enumerate() {
            self.start_item(index, depth + 1);
            self.string(key);
            self.out.push_str(if self.style == Style::Python { ": " } else { ":" });
            self.value(item, depth + 1);
        }
        self.close('}', count, depth);
    }

    fn start_item(&mut self, index: usize, depth: usize) {
        if index > 0 {
            self.out.push(',');
        }
        self.new_line(depth);
    }

    /// An empty list or dictionary stays on its line.
    fn close(&mut self, bracket: char, count: usize, depth: usize) {
        if count > 0 {
            self.new_line(depth);
        }
        self.out.push(bracket);
    }

    fn new_line(&mut self, depth: usize) {
        if self.style == Style::Python {
            self.out.push('\n');
            self.out.push_str(&"  ".repeat(depth));
        }
    }

    fn float(&mut self, number: f64) {
        let non_finite = NON_FINITE.iter().find(|(_, value)| *value == number || (value.is_nan() && number.is_nan()));
        match (non_finite, self.style) {
            (Some((name, _)), Style::Python) => self.out.push_str(name),
            (Some((name, _)), Style::Standard) => self.string(name),
            (None, _) => self.out.push_str(&float_repr(number)),
        }
    }

    /// `ensure_ascii=True`: everything outside printable ASCII as UTF-16 escapes.
    fn string(&mut self, text: &str) {
        self.out.push('"');
        for character in text.chars() {
            match character {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                ' '..='~' => self.out.push(character),
                other => self.utf16_escape(other),
            }
        }
        self.out.push('"');
    }

    fn utf16_escape(&mut self, character: char) {
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a `String` cannot fail.
            let _ = write!(self.out, "\\u{unit:04x}");
        }
    }
}

/// Python's `repr(float)`: as few digits as read back equal, positional for exponents -4 to 15.
///
/// Where two numbers of that length are equally near, Python takes the even one and Rust's shortest form the larger
/// one; Rust's form with a given number of digits takes the even one too.
fn float_repr(number: f64) -> String {
    let shortest = format!("{number:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let fraction_digits = mantissa.split_once('.').map_or(0, |(_, digits)| digits.len());
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..=15).contains(&exponent) {
        let decimals = fraction_digits.saturating_add_signed(-exponent as isize).max(1);
        return format!("{number:.decimals$}");
    }
    let rounded = format!("{number:.fraction_digits$e}");
    let mantissa = rounded.split_once('e').map_or("", |(mantissa, _)| mantissa);
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}
