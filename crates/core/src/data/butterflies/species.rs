//! What one specimen is: its wings with everything on them, and its body.

use super::chance::Chance;
use super::families::{lycaenids, moths, nymphalids, papilionids, pierids};
use super::palette::{BROWN, Colour, SOOT, UMBER};
use super::pattern::{Band, Eyespot, Mark, Row};
use super::shape::{Outline, Tail};

pub struct Species {
    pub fore: WingPlan,
    pub hind: WingPlan,
    pub body: Body,
}

/// An outline, its ground colour, and the marks from the lowest layer up.
#[derive(Debug, Clone)]
pub struct WingPlan {
    pub outline: Outline,
    pub ground: Colour,
    pub marks: Vec<Mark>,
}

/// Sizes in forewing lengths.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    pub colour: Colour,
    pub hair: Colour,
    /// Half the width of the thorax.
    pub girth: f32,
    pub abdomen: f32,
    pub antenna: f32,
    /// How far the tips of the antennae are apart, in their lengths, halved.
    pub splay: f32,
    /// Half the width of the antenna's club; moths have none.
    pub club: f32,
}

impl Species {
    pub fn new(fore: WingPlan, hind: WingPlan) -> Self {
        let body = Body {
            colour: SOOT.mix(UMBER, 0.4),
            hair: UMBER,
            girth: 0.062,
            abdomen: 0.42,
            antenna: 0.42,
            splay: 0.45,
            club: 0.011,
        };
        Self { fore, hind, body }
    }

    pub fn with_hair(mut self, hair: Colour) -> Self {
        self.body.hair = hair;
        self.body.colour = self.body.colour.mix(hair, 0.3);
        self
    }

    /// Thick and furry, thin antennae.
    pub fn furred(mut self, hair: Colour) -> Self {
        self.body =
            Body { colour: hair.mix(BROWN, 0.3), hair, girth: 0.1, abdomen: 0.5, antenna: 0.28, splay: 0.7, club: 0.0 };
        self
    }
}

/// How often a kind is drawn, and the function that draws one.
type Kind = (u32, fn(&mut Chance) -> Species);

const KINDS: [Kind; 25] = [
    (5, papilionids::swallowtail),
    (5, papilionids::birdwing),
    (4, papilionids::green_birdwing),
    (6, papilionids::apollo),
    (6, papilionids::cattleheart),
    (4, papilionids::banded_swallowtail),
    (5, nymphalids::monarch),
    (4, nymphalids::admiral),
    (4, nymphalids::peacock),
    (5, nymphalids::fritillary),
    (4, nymphalids::satyr),
    (4, nymphalids::marbled_white),
    (4, nymphalids::morpho),
    (5, nymphalids::longwing),
    (4, nymphalids::blue_tiger),
    (4, nymphalids::tortoiseshell),
    (5, pierids::white),
    (2, pierids::orange_tip),
    (3, pierids::clouded_yellow),
    (2, pierids::brimstone),
    (5, lycaenids::blue),
    (4, lycaenids::copper),
    (3, lycaenids::hairstreak),
    (3, moths::hawkmoth),
    (3, moths::owlet),
];

pub fn draw_species(chance: &mut Chance) -> Species {
    let total: u32 = KINDS.iter().map(|(weight, _)| weight).sum();
    let mut ticket = (chance.unit() * total as f32) as u32;
    let mut drawn = KINDS[0].1;
    for (weight, kind) in KINDS {
        drawn = kind;
        if ticket < weight {
            break;
        }
        ticket -= weight;
    }
    let mut species = drawn(chance);
    species.body.splay *= chance.between(0.5, 1.6);
    species.body.antenna *= chance.between(0.7, 1.05);
    species
}

/// Layers are added in the order of painting.
impl WingPlan {
    pub fn new(outline: Outline, ground: Colour) -> Self {
        Self { outline, ground, marks: Vec::new() }
    }

    fn with(mut self, mark: Mark) -> Self {
        self.marks.push(mark);
        self
    }

    pub fn basal(self, colour: Colour, reach: f32, opacity: f32) -> Self {
        self.with(Mark::Basal { colour, reach, opacity })
    }

    pub fn distal(self, colour: Colour, start: f32, opacity: f32) -> Self {
        self.with(Mark::Distal { colour, start, opacity })
    }

    pub fn border(self, colour: Colour, lead: f32, trail: f32) -> Self {
        self.with(Mark::Border { colour, lead, trail, wave: 0.0 })
    }

    pub fn waved_border(self, colour: Colour, lead: f32, trail: f32, wave: f32) -> Self {
        self.with(Mark::Border { colour, lead, trail, wave })
    }

    /// From one (u, v) to another.
    pub fn band(self, colour: Colour, from: (f32, f32), to: (f32, f32), width: f32) -> Self {
        self.with(Mark::Band(Band { colour, from, to, width, cells: 0 }))
    }

    /// A band that the veins cut into patches.
    pub fn patches(self, colour: Colour, from: (f32, f32), to: (f32, f32), width: f32, cells: usize) -> Self {
        self.with(Mark::Band(Band { colour, from, to, width, cells }))
    }

    pub fn row(self, colour: Colour, u: f32, span: (f32, f32), count: usize, radius: f32) -> Self {
        self.with(Mark::Row(Row { colour, u, span, count, radius, stretch: 1.0 }))
    }

    /// Spots drawn out along the veins (above 1) or across (below 1).
    pub fn streaks(self, colour: Colour, u: f32, span: (f32, f32), count: usize, radius: f32, stretch: f32) -> Self {
        self.with(Mark::Row(Row { colour, u, span, count, radius, stretch }))
    }

    pub fn spot(self, colour: Colour, (u, v): (f32, f32), radius: f32) -> Self {
        self.row(colour, u, (v, v), 1, radius)
    }

    pub fn eyespot(self, at: (f32, f32), radius: f32, ring: Colour, iris: Colour) -> Self {
        self.with(Mark::Eyespot(Eyespot { at, radius, ring, iris }))
    }

    pub fn cell(self, colour: Colour, size: f32) -> Self {
        self.with(Mark::Cell { colour, size })
    }

    pub fn veins(self, colour: Colour, width: f32, opacity: f32) -> Self {
        self.with(Mark::Veins { colour, width, opacity })
    }

    pub fn costa(self, colour: Colour, width: f32) -> Self {
        self.with(Mark::Costa { colour, width })
    }

    pub fn inner(self, colour: Colour, width: f32) -> Self {
        self.with(Mark::Inner { colour, width })
    }

    pub fn speckles(self, colour: Colour, count: usize, radius: f32, chance: &mut Chance) -> Self {
        let dot = |_| [chance.between(0.2, 0.97), chance.between(-0.2, 1.2), radius * chance.between(0.5, 1.5)];
        let dots = (0..count).map(dot).collect();
        self.with(Mark::Speckles { colour, dots })
    }
}

impl Outline {
    pub fn scalloped(self, teeth: f32, depth: f32) -> Self {
        Self { scallops: (teeth, depth), ..self }
    }

    pub fn tailed(self, at: f32, length: f32, width: f32) -> Self {
        Self { tail: Some(Tail { at, length, width }), ..self }
    }

    /// Small differences between two of the same kind.
    pub fn vary(self, chance: &mut Chance) -> Self {
        let mut corner =
            |(degrees, length): (f32, f32)| (chance.around(degrees, 4.0), length * chance.around(1.0, 0.06));
        Self { lead: corner(self.lead), trail: corner(self.trail), ..self }
    }
}

/// Forewings: the apex up and out, the inner edge level.
pub fn forewing(
    apex: (f32, f32),
    tornus: (f32, f32),
    bulges: [f32; 3],
    rounding: [f32; 2],
    chance: &mut Chance,
) -> Outline {
    Outline { lead: apex, trail: tornus, bulges, rounding, scallops: (0.0, 0.0), tail: None }.vary(chance)
}

/// Hindwings: a fan from level to steeply down.
pub fn hindwing(width: f32, (degrees, depth): (f32, f32), margin: f32, chance: &mut Chance) -> Outline {
    let bulges = [0.1, margin, 0.06];
    let outline = Outline {
        lead: (-10.0, 0.96 * width),
        trail: (-degrees, 0.95 * depth),
        bulges,
        rounding: [0.5, 0.35],
        scallops: (0.0, 0.0),
        tail: None,
    };
    outline.vary(chance)
}

#[cfg(test)]
mod tests {
    use super::super::shape::Wing;
    use super::*;

    #[test]
    fn every_kind_has_four_wings_that_can_be_cut_out() {
        for (number, (_, kind)) in KINDS.iter().enumerate() {
            for index in 0..50 {
                let species = kind(&mut Chance::new(number as u64, index));
                for plan in [&species.fore, &species.hind] {
                    let wing = Wing::new(&plan.outline);
                    assert!(wing.path().is_some(), "kind {number}");
                    let reach = wing.contour().iter().map(|point| point.length()).fold(0.0, f32::max);
                    assert!((0.35..1.25).contains(&reach), "kind {number}: {reach}");
                }
            }
        }
    }

    #[test]
    fn kinds_are_drawn_as_often_as_their_weights_say() {
        // Moths are the only ones without clubs on their antennae.
        let moths = (0..2000).filter(|&index| draw_species(&mut Chance::new(0, index)).body.club == 0.0).count();
        let total: u32 = KINDS.iter().map(|(weight, _)| weight).sum();
        let expected = 2000.0 * 6.0 / total as f32;
        assert!((moths as f32 - expected).abs() < 40.0, "{moths} of 2000 are moths, expected {expected}");
    }
}
