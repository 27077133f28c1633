//! The coded data of a scan, bit by bit.

use super::marker;

pub struct Bits<'a> {
    data: &'a [u8],
    position: usize,
    /// The next bits, at the upper end.
    held: u64,
    count: u32,
    /// How many of them stand in for data that are not there.
    invented: u32,
}

impl<'a> Bits<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0, held: 0, count: 0, invented: 0 }
    }

    /// Bytes that were read; a marker begins there, or the data end.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Whether bits were taken that are not in the data.
    pub fn exhausted(&self) -> bool {
        self.count < self.invented
    }

    /// The next `count` bits, at most 16; zeros behind the end.
    #[inline]
    pub fn peek(&mut self, count: u32) -> u32 {
        if self.count < 16 {
            self.fill();
        }
        (self.held >> (64 - count)) as u32
    }

    #[inline]
    pub fn skip(&mut self, count: u32) {
        self.held <<= count;
        self.count -= count;
    }

    /// The next `count` bits as a number, 1 to 16 of them.
    #[inline]
    pub fn take(&mut self, count: u32) -> u32 {
        let value = self.peek(count);
        self.skip(count);
        value
    }

    pub fn bit(&mut self) -> bool {
        self.take(1) == 1
    }

    /// A number of `count` bits whose upper half is positive (T.81, F.2.2.1).
    #[inline]
    pub fn signed(&mut self, count: u32) -> i32 {
        if count == 0 {
            return 0;
        }
        let value = self.take(count) as i32;
        if value >> (count - 1) == 0 { value - (1 << count) + 1 } else { value }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let byte = match self.data.get(self.position) {
                Some(0xff) if self.data.get(self.position + 1) == Some(&0) => {
                    self.position += 2;
                    0xff
                }
                // Any number of these bytes may stand before a marker.
                Some(0xff) if self.data.get(self.position + 1) == Some(&0xff) => {
                    self.position += 1;
                    continue;
                }
                Some(&byte) if byte != 0xff => {
                    self.position += 1;
                    byte
                }
                _ => {
                    self.invented += 8;
                    0
                }
            };
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// Goes on behind the next restart marker; false where another marker comes first.
    pub fn restart(&mut self) -> bool {
        (self.held, self.count, self.invented) = (0, 0, 0);
        let rest = self.data.get(self.position..).unwrap_or_default();
        let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff);
        match rest.windows(2).position(is_marker) {
            Some(begin) if (marker::RST0..=marker::RST7).contains(&rest[begin + 1]) => {
                self.position += begin + 2;
                true
            }
            _ => false,
        }
    }
}
