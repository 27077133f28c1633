//! Moths: narrow or broad brown wings on a thick body.

use super::super::chance::Chance;
use super::super::palette::*;
use super::super::species::{Species, WingPlan, forewing, hindwing};

/// Sphingids: long pointed forewings, small hindwings.
pub fn hawkmoth(chance: &mut Chance) -> Species {
    let ground = chance.pick([TAN, BROWN, GREY, OLIVE, ORANGE]).mix(TAN, 0.4).vary(chance);
    let dark = ground.lit(0.6);
    let fore = WingPlan::new(forewing((20.0, 1.0), (-16.0, 0.47), [0.04, 0.01, 0.05], [0.31, 0.6], chance), ground)
        .basal(dark, 0.35, 0.6)
        .band(dark, (0.5, -0.5), (0.55, 1.2), 0.08)
        .band(ground.mix(CREAM, 0.4), (0.62, -0.4), (0.7, 1.1), 0.04)
        .band(dark, (0.8, -0.2), (0.8, 1.1), 0.06)
        .spot(dark, (0.42, 0.1), 0.025)
        .veins(dark, 0.01, 0.4)
        .speckles(dark, 30, 0.01, chance);
    let flash = ground.mix(chance.pick([ROSE, ORANGE, STRAW, ground]), chance.between(0.2, 0.9));
    let hind = WingPlan::new(hindwing(0.52, (50.0, 0.42), 0.14, chance), flash)
        .basal(flash.lit(0.8), 0.4, 0.6)
        .band(dark, (0.7, -0.2), (0.7, 1.1), 0.1)
        .border(dark, 0.08, 0.08);
    Species::new(fore, hind).furred(ground.lit(0.9))
}

/// Noctuids and geometrids: mottled triangles over plain hindwings.
pub fn owlet(chance: &mut Chance) -> Species {
    let ground = chance.pick([BROWN, TAN, GREY, STRAW, OLIVE, UMBER]).vary(chance);
    let dark = ground.lit(0.62);
    let pale = ground.mix(CREAM, 0.45);
    let fore = WingPlan::new(forewing((26.0, 0.95), (-16.0, 0.67), [0.03, 0.08, 0.05], [0.36, 0.6], chance), ground)
        .band(dark, (0.3, -0.6), (0.3, 1.2), 0.05)
        .band(pale, (0.36, -0.6), (0.35, 1.2), 0.03)
        .patches(dark, (0.68, -0.3), (0.6, 1.1), 0.06, 7)
        .patches(pale, (0.78, -0.2), (0.72, 1.1), 0.04, 7)
        .spot(pale, (0.5, 0.1), 0.04)
        .spot(dark, (0.5, 0.1), 0.022)
        .speckles(dark, 40, 0.012, chance)
        .speckles(pale, 25, 0.01, chance)
        .border(dark, 0.05, 0.05);
    let under = ground.mix(chance.pick([STRAW, GREY, AMBER, CREAM]), chance.between(0.3, 0.9));
    let hind = WingPlan::new(hindwing(0.62, (60.0, 0.58), 0.18, chance), under)
        .distal(dark, 0.35, 0.8)
        .veins(dark, 0.008, 0.4)
        .border(dark, 0.05, 0.05);
    Species::new(fore, hind).furred(ground)
}
