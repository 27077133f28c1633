//! The reader: a descent over the bytes of the text that remembers where it is.

use super::{NON_FINITE, Value};
use crate::pretrained::Read;
use std::collections::BTreeMap;

/// Configurations have two levels; the bound keeps a hostile file from exhausting the stack.
const MAX_DEPTH: usize = 128;

pub(super) struct Parser<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Parser<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, position: 0 }
    }

    /// One value and nothing after it.
    pub fn document(&mut self) -> Read<Value> {
        let value = self.value(0)?;
        self.skip_whitespace();
        if self.position == self.text.len() { Ok(value) } else { Err("text after the end of the value".into()) }
    }

    /// Where reading stopped, counted from 1.
    pub fn line_and_column(&self) -> (usize, usize) {
        let before = self.text.get(..self.position).unwrap_or(self.text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    }

    fn value(&mut self, depth: usize) -> Read<Value> {
        self.skip_whitespace();
        if depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} levels of nesting"));
        }
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            _ => self.word().or_else(|| self.number()).ok_or_else(|| "expected a value".into()),
        }
    }

    fn object(&mut self, depth: usize) -> Read<Value> {
        let mut entries = BTreeMap::new();
        self.position += 1;
        if self.next_is(b'}') {
            return Ok(Value::Object(entries));
        }
        loop {
            self.skip_whitespace();
            if self.peek() != Some(b'"') {
                return Err("expected a key in double quotes".into());
            }
            let key = self.string()?;
            if !self.next_is(b':') {
                return Err("expected `:` after the key".into());
            }
            entries.insert(key, self.value(depth + 1)?);
            if self.next_is(b'}') {
                return Ok(Value::Object(entries));
            }
            if !self.next_is(b',') {
                return Err("expected `,` or `}`".into());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Read<Value> {
        let mut items = Vec::new();
        self.position += 1;
        if self.next_is(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.next_is(b']') {
                return Ok(Value::Array(items));
            }
            if !self.next_is(b',') {
                return Err("expected `,` or `]`".into());
            }
        }
    }

    fn word(&mut self) -> Option<Value> {
        let constants = [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))];
        let numbers = NON_FINITE.map(|(name, number)| (name, Value::Float(number)));
        let (name, value) = constants.into_iter().chain(numbers).find(|(name, _)| self.rest().starts_with(name))?;
        self.position += name.len();
        Some(value)
    }

    /// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`; with a fraction or an exponent it is a float.
    fn number(&mut self) -> Option<Value> {
        let rest = self.rest();
        let sign = usize::from(rest.starts_with('-'));
        let whole = match rest.as_bytes().get(sign) {
            Some(b'0') => 1,
            _ => digits_at(rest, sign),
        };
        if whole == 0 {
            return None;
        }
        let integer_end = sign + whole;
        let end = exponent_end(rest, fraction_end(rest, integer_end));
        let literal = rest.get(..end)?;
        self.position += end;
        if end > integer_end {
            return literal.parse().ok().map(Value::Float);
        }
        Some(Value::Integer(if literal == "-0" { "0" } else { literal }.to_owned()))
    }

    /// A string, from its opening quote on.
    fn string(&mut self) -> Read<String> {
        self.position += 1;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').ok_or("the string has no end")?;
            text.push_str(rest.get(..plain).unwrap_or_default());
            self.position += plain;
            match self.peek() {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err("a control character in a string must be escaped".into()),
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        let letter = self.text.as_bytes().get(self.position + 1).copied();
        let character = match letter {
            Some(same @ (b'"' | b'\\' | b'/')) => char::from(same),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err("unknown escape in a string".into()),
        };
        self.position += 2;
        Ok(character)
    }

    /// `\uXXXX`, or two of them where the first is a high surrogate.
    fn unicode_escape(&mut self) -> Read<char> {
        let first = self.hexadecimal()?;
        let units = match first {
            0xD800..=0xDBFF if self.rest().starts_with("\\u") => vec![first, self.hexadecimal()?],
            _ => vec![first],
        };
        match char::decode_utf16(units).next() {
            Some(Ok(character)) => Ok(character),
            _ => Err("half of a surrogate pair in a string".into()),
        }
    }

    fn hexadecimal(&mut self) -> Read<u16> {
        let digits = self.rest().get(2..6).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        self.position += if unit.is_some() { 6 } else { 0 };
        unit.ok_or_else(|| "expected four hexadecimal digits after `\\u`".into())
    }

    /// Whether the next character that is not white space is `byte`; steps over it if so.
    fn next_is(&mut self, byte: u8) -> bool {
        self.skip_whitespace();
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }
}

/// How many decimal digits stand at `start`.
fn digits_at(text: &str, start: usize) -> usize {
    text.bytes().skip(start).take_while(u8::is_ascii_digit).count()
}

fn fraction_end(text: &str, start: usize) -> usize {
    match text.as_bytes().get(start) {
        Some(b'.') if digits_at(text, start + 1) > 0 => start + 1 + digits_at(text, start + 1),
        _ => start,
    }
}

fn exponent_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    if !matches!(bytes.get(start), Some(b'e' | b'E')) {
        return start;
    }
    let sign = usize::from(matches!(bytes.get(start + 1), Some(b'+' | b'-')));
    match digits_at(text, start + 1 + sign) {
        0 => start,
        digits => start + 1 + sign + digits,
    }
}
