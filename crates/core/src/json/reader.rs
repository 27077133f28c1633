//! Options from a JSON value, by way of serde, with refusals that know where they are and what came.

use super::Refusal;
use serde::Deserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, map};
use std::slice;

/// One value, with what may stand in it.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    value: &'a Value,
    /// Whether null stands for an option that has no value.
    takes_null: bool,
}

type Read<T> = Result<T, Refusal>;

impl<'a> Reader<'a> {
    pub fn new(value: &'a Value) -> Self {
        Self { value, takes_null: true }
    }

    pub fn without_null(value: &'a Value) -> Self {
        Self { value, takes_null: false }
    }

    fn refused<T>(self, expected: &str) -> Read<T> {
        Err(Refusal::value(expected).got(self.value))
    }

    /// The value's own `result`: a refusal says what came.
    fn said<T>(self, result: Read<T>) -> Read<T> {
        result.map_err(|refusal| refusal.got(self.value))
    }

    fn number<'de, V: Visitor<'de>>(self, expected: &str, visitor: V) -> Read<V::Value> {
        let Value::Number(number) = self.value else { return self.refused(expected) };
        let result = match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), _, _) => visitor.visit_u64(number),
            (_, Some(number), _) => visitor.visit_i64(number),
            (_, _, Some(number)) => visitor.visit_f64(number),
            _ => return self.refused(expected),
        };
        self.said(result)
    }
}

macro_rules! numbers {
    ($expected:literal: $($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
            self.number($expected, visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.value {
            Value::Null => self.said(visitor.visit_unit()),
            Value::Bool(value) => self.said(visitor.visit_bool(*value)),
            Value::Number(_) => self.number("a number", visitor),
            Value::String(text) => self.said(visitor.visit_str(text)),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
        }
    }

    numbers! { "a number": deserialize_f32 deserialize_f64 }
    numbers! { "an integer": deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 }
    numbers! { "an integer of at least 0": deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.value {
            Value::Bool(value) => self.said(visitor.visit_bool(*value)),
            _ => self.refused("true or false"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.value {
            Value::String(text) => self.said(visitor.visit_str(text)),
            _ => self.refused("a string"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.value {
            Value::Null if self.takes_null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Read<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.value {
            Value::Array(items) => self.said(visitor.visit_seq(Items { items: items.iter(), index: 0 })),
            _ => self.refused("an array"),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Read<V::Value> {
        match self.value {
            Value::Array(items) if items.len() == length => self.deserialize_seq(visitor),
            _ => self.refused(&format!("an array of {length} values")),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, length: usize, visitor: V) -> Read<V::Value> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.value {
            Value::Object(entries) => self.said(visitor.visit_map(Entries::new(entries, self.takes_null))),
            _ => self.refused("an object"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        match self.value {
            Value::String(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            value => Err(Refusal::choice(names).got(value)),
        }
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct identifier ignored_any
    }
}

struct Items<'a> {
    items: slice::Iter<'a, Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(Reader::new(item)).map(Some).map_err(|refusal| refusal.got(item).at(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'a> {
    entries: map::Iter<'a>,
    current: Option<(&'a String, &'a Value)>,
    takes_null: bool,
}

impl<'a> Entries<'a> {
    fn new(entries: &'a Map<String, Value>, takes_null: bool) -> Self {
        Self { entries: entries.iter(), current: None, takes_null }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Read<Option<K::Value>> {
        self.current = self.entries.next();
        let Some((key, _)) = self.current else { return Ok(None) };
        seed.deserialize(key.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Read<V::Value> {
        let Some((key, value)) = self.current else { return Err(de::Error::custom("a key before its value")) };
        seed.deserialize(Reader { value, takes_null: self.takes_null })
            .map_err(|refusal| refusal.got(value).inside(key))
    }
}
