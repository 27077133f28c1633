//! The bytes of a pickle that were not read yet.

use crate::pretrained::Read;

#[derive(Default, Clone, Copy)]
pub(super) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub fn new(pickle: &'a [u8]) -> Self {
        Self { rest: pickle }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    pub fn byte(&mut self) -> Read<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next bytes as one little-endian number.
    pub fn unsigned<const SIZE: usize>(&mut self) -> Read<u32> {
        Ok(self.array::<SIZE>()?.iter().rev().fold(0, |value, byte| (value << 8) | u32::from(*byte)))
    }

    /// The same as the length of what follows.
    pub fn length<const SIZE: usize>(&mut self) -> Read<usize> {
        let length = self.array::<SIZE>()?.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte));
        usize::try_from(length).map_err(|_| cut_off())
    }

    pub fn array<const SIZE: usize>(&mut self) -> Read<[u8; SIZE]> {
        let (array, rest) = self.rest.split_first_chunk().ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(*array)
    }

    pub fn bytes(&mut self, count: usize) -> Read<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Up to the next line feed, which is stepped over.
    pub fn line(&mut self) -> Read<&'a str> {
        let length = self.rest.iter().position(|byte| *byte == b'\n').ok_or_else(cut_off)?;
        let line = self.bytes(length)?;
        self.byte()?;
        std::str::from_utf8(line).map_err(|_| "a name is not UTF-8".into())
    }
}

fn cut_off() -> String {
    "the list of tensors is cut off".into()
}
