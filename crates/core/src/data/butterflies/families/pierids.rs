//! Whites and yellows.

use super::super::chance::Chance;
use super::super::palette::*;
use super::super::shape::Outline;
use super::super::species::{Species, WingPlan, forewing, hindwing};

fn white_forewing(chance: &mut Chance) -> Outline {
    forewing((34.0, 0.96), (-6.0, 0.71), [0.06, 0.07, 0.05], [0.41, 0.56], chance)
}

fn smooth_hindwing(chance: &mut Chance) -> Outline {
    hindwing(0.68, (68.0, 0.68), 0.19, chance)
}

/// Pieris: white with dark tips.
pub fn white(chance: &mut Chance) -> Species {
    let ground = WHITE.mix(chance.pick([CREAM, SKY, LEMON, GREY]), chance.between(0.05, 0.4));
    let dark = BLACK.mix(GREY, chance.between(0.0, 0.5));
    let spot = chance.pick([0.0, 0.035, 0.05]);
    let fore = WingPlan::new(white_forewing(chance), ground)
        .basal(GREY.mix(UMBER, 0.3), 0.4, 0.7)
        .veins(dark, 0.009, chance.between(0.2, 0.9))
        .border(dark, chance.between(0.1, 0.3), 0.0)
        .spot(dark, (0.62, 0.3), spot)
        .spot(dark, (0.6, 0.75), spot);
    let hind = WingPlan::new(smooth_hindwing(chance), ground.mix(CREAM, 0.3))
        .basal(GREY.mix(UMBER, 0.3), 0.45, 0.7)
        .veins(dark, 0.008, chance.between(0.1, 0.7))
        .border(dark, chance.pick([0.0, 0.0, 0.06]), 0.0)
        .border(GREY, 0.02, 0.02);
    Species::new(fore, hind).with_hair(GREY)
}

/// Anthocharis: the outer third of the forewing orange.
pub fn orange_tip(chance: &mut Chance) -> Species {
    let ground = WHITE.mix(chance.pick([CREAM, LEMON]), chance.between(0.1, 0.6));
    let tip = chance.pick([ORANGE, AMBER, RED, YELLOW]).vary(chance);
    let dark = BLACK.mix(UMBER, 0.5);
    let fore = WingPlan::new(white_forewing(chance), ground)
        .basal(UMBER.mix(GREY, 0.4), 0.35, 0.8)
        .border(tip, chance.between(0.42, 0.55), 0.3)
        .border(dark, chance.between(0.12, 0.2), 0.03)
        .spot(dark, (0.52, 0.1), 0.03);
    let hind = WingPlan::new(smooth_hindwing(chance), ground)
        .basal(UMBER.mix(GREY, 0.5), 0.5, 0.8)
        .speckles(OLIVE.mix(GREY, 0.5), 22, 0.018, chance)
        .border(dark, 0.02, 0.02);
    Species::new(fore, hind).with_hair(GREY)
}

/// Colias: yellow or orange with a broad dark border.
pub fn clouded_yellow(chance: &mut Chance) -> Species {
    let ground = chance.pick([YELLOW, AMBER, LEMON, ORANGE]).vary(chance);
    let dark = UMBER.mix(BLACK, chance.unit());
    let depth = chance.between(0.14, 0.28);
    let fore = WingPlan::new(white_forewing(chance), ground)
        .basal(OLIVE.mix(UMBER, 0.4), 0.45, 0.7)
        .waved_border(dark, depth + 0.08, depth - 0.02, 0.02)
        .row(ground, 0.88, (0.1, 0.9), chance.pick([0, 5]), 0.02)
        .spot(dark, (0.55, 0.1), 0.03)
        .veins(dark, 0.007, 0.4);
    let hind = WingPlan::new(smooth_hindwing(chance), ground.mix(OLIVE, chance.between(0.0, 0.3)))
        .basal(OLIVE.mix(UMBER, 0.4), 0.55, 0.7)
        .border(dark, depth * 0.6, depth * 0.4)
        .spot(ground.mix(RUST, 0.5), (0.55, 0.4), 0.04);
    Species::new(fore, hind).with_hair(OLIVE.mix(LEMON, 0.4))
}

/// Gonepteryx: plain yellow-green, pointed wings.
pub fn brimstone(chance: &mut Chance) -> Species {
    let ground = LEMON.mix(chance.pick([LIME, YELLOW, CREAM]), chance.between(0.1, 0.7)).vary(chance);
    let rim = ground.mix(BROWN, 0.5);
    let fore = WingPlan::new(forewing((38.0, 0.94), (-8.0, 0.73), [0.1, -0.04, 0.05], [0.25, 0.54], chance), ground)
        .basal(OLIVE, 0.5, 0.6)
        .distal(ground.lit(1.1), 0.5, 0.4)
        .veins(ground.lit(0.8), 0.01, 0.6)
        .spot(ground.mix(RUST, 0.6), (0.55, 0.15), 0.02)
        .border(rim, 0.015, 0.015);
    let hind = WingPlan::new(smooth_hindwing(chance), ground)
        .basal(OLIVE, 0.6, 0.6)
        .veins(ground.lit(0.8), 0.01, 0.6)
        .spot(ground.mix(RUST, 0.6), (0.55, 0.4), 0.025)
        .border(rim, 0.015, 0.015);
    Species::new(fore, hind).with_hair(GREY.mix(LEMON, 0.3))
}
