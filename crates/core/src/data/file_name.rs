//! Names of files as systems have them: on Unix any bytes, not only UTF-8.
//!
//! JavaScript writes a byte that belongs to no UTF-8 as the lone surrogate U+DC00 + byte, as Python does
//! ([PEP 383](https://peps.python.org/pep-0383/)), so that every name is a string and none is lost.

use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use std::ffi::OsString;
use std::fmt;

/// A name from JSON, lone surrogates included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    bytes: Vec<u8>,
}

impl FileName {
    /// As messages show it.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// As the system wants it.
    #[cfg(unix)]
    pub fn into_os(self) -> OsString {
        std::os::unix::ffi::OsStringExt::from_vec(self.bytes)
    }

    #[cfg(not(unix))]
    pub fn into_os(self) -> OsString {
        self.shown().into()
    }

    /// A lone surrogate U+DC80 to U+DCFF, which serde_json hands over as the three bytes that UTF-8 would have for it,
    /// becomes the byte that it stands for.
    fn from_wtf8(mut text: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(text.len());
        while let Some((&first, rest)) = text.split_first() {
            (text, _) = match *text {
                [0xed, high @ 0xb2..=0xb3, low @ 0x80..=0xbf, ..] => {
                    (&text[3..], bytes.push(((high & 3) << 6) | (low & 0x3f)))
                }
                _ => (rest, bytes.push(first)),
            };
        }
        Self { bytes }
    }
}

impl<'de> Deserialize<'de> for FileName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = FileName;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("the name of a file")
            }

            fn visit_bytes<E: serde::de::Error>(self, text: &[u8]) -> Result<FileName, E> {
                let name = FileName::from_wtf8(text);
                if name.bytes.contains(&0) { Err(E::custom("a name with a zero byte")) } else { Ok(name) }
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<FileName, E> {
                self.visit_bytes(text.as_bytes())
            }
        }
        deserializer.deserialize_bytes(Name).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(json: &str) -> FileName {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_lone_surrogate_is_the_byte_that_it_stands_for() {
        assert_eq!(name(r#""caf\udce9.png""#).bytes, b"caf\xe9.png");
        assert_eq!(name(r#""\udc80\udcff""#).bytes, [0x80, 0xff]);
        assert_eq!(name(r#""caf\udce9.png""#).shown(), "caf\u{fffd}.png");
    }

    #[test]
    fn other_names_stay_as_they_are() {
        for text in ["a.png", "café/😀.png", "\u{d7ff}\u{e000}"] {
            assert_eq!(name(&serde_json::to_string(text).unwrap()).shown(), text);
        }
        assert_eq!(name(r#""\ud83d\ude00""#).shown(), "😀");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for json in ["1", "null", r#""a\u0000b""#] {
            assert!(serde_json::from_str::<FileName>(json).is_err(), "{json}");
        }
    }
}
