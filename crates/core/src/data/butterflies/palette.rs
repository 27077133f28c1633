//! The colours of scales, hairs and age.

use super::chance::Chance;

/// sRGB, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Colour {
    pub red: f32,
    pub green: f32,
    pub blue: f32,
}

const fn hex(code: u32) -> Colour {
    const fn level(code: u32, shift: u32) -> f32 {
        ((code >> shift) & 0xff) as f32 / 255.0
    }
    Colour { red: level(code, 16), green: level(code, 8), blue: level(code, 0) }
}

pub const SOOT: Colour = hex(0x17120f);
pub const BLACK: Colour = hex(0x211b17);
pub const UMBER: Colour = hex(0x43342a);
pub const BROWN: Colour = hex(0x644a34);
pub const TAN: Colour = hex(0x9f7f58);
pub const STRAW: Colour = hex(0xd2b98a);
pub const CREAM: Colour = hex(0xeee3c8);
pub const WHITE: Colour = hex(0xf1eee8);
pub const GREY: Colour = hex(0xa8a198);
pub const YELLOW: Colour = hex(0xd6ae3c);
pub const LEMON: Colour = hex(0xd0c86a);
pub const AMBER: Colour = hex(0xcf8d33);
pub const ORANGE: Colour = hex(0xc66a28);
pub const RUST: Colour = hex(0xa6491d);
pub const RED: Colour = hex(0xa93a31);
pub const ROSE: Colour = hex(0xd98378);
pub const MAROON: Colour = hex(0x6f2a24);
pub const VIOLET: Colour = hex(0x8583ad);
pub const BLUE: Colour = hex(0x5a80b2);
pub const SKY: Colour = hex(0x9fc0d2);
pub const TEAL: Colour = hex(0x66a096);
pub const GREEN: Colour = hex(0x75a04c);
pub const LIME: Colour = hex(0xaeb945);
pub const OLIVE: Colour = hex(0x6f6a3a);

impl Colour {
    /// `share` 0 gives this colour, 1 the other.
    pub fn mix(self, other: Self, share: f32) -> Self {
        let between = |a: f32, b: f32| a + (b - a) * share;
        Self {
            red: between(self.red, other.red),
            green: between(self.green, other.green),
            blue: between(self.blue, other.blue),
        }
    }

    /// Lighter above 1, darker below.
    pub fn lit(self, light: f32) -> Self {
        let level = |value: f32| (value * light).clamp(0.0, 1.0);
        Self { red: level(self.red), green: level(self.green), blue: level(self.blue) }
    }

    /// The same colour on another specimen: lighter or darker, warmer or colder.
    pub fn vary(self, chance: &mut Chance) -> Self {
        let warmth = chance.around(0.0, 0.05);
        let green = chance.around(0.0, 0.035);
        let light = chance.around(1.0, 0.2);
        Self { red: self.red + warmth, green: self.green + green, blue: self.blue - warmth }.lit(light)
    }
}
