//! Blues, coppers and hairstreaks: small butterflies with large bodies.

use super::super::chance::Chance;
use super::super::palette::*;
use super::super::shape::Outline;
use super::super::species::{Species, WingPlan, forewing, hindwing};

fn small_forewing(chance: &mut Chance) -> Outline {
    forewing((33.0, 0.95), (-10.0, 0.75), [0.06, 0.1, 0.05], [0.38, 0.56], chance)
}

/// Polyommatus: blue or brown with a dark margin and a white fringe.
pub fn blue(chance: &mut Chance) -> Species {
    let ground =
        chance.pick([VIOLET, BLUE, SKY, BLUE, VIOLET, BROWN]).mix(GREY, chance.between(0.0, 0.35)).vary(chance);
    let dark = UMBER.mix(GREY, chance.between(0.0, 0.4));
    let depth = chance.between(0.05, 0.3);
    let fore = WingPlan::new(small_forewing(chance), ground)
        .basal(ground.mix(SKY, 0.4), 0.6, 0.5)
        .distal(ground.lit(0.75), 0.4, 0.5)
        .veins(dark, 0.008, 0.5)
        .border(dark, depth + 0.05, depth)
        .border(WHITE.mix(GREY, 0.3), 0.025, 0.025)
        .spot(dark, (0.52, 0.15), 0.022);
    let hind = WingPlan::new(hindwing(0.66, (66.0, 0.66), 0.2, chance), ground)
        .basal(ground.mix(SKY, 0.4), 0.6, 0.5)
        .veins(dark, 0.008, 0.5)
        .border(dark, depth * 0.7, depth * 0.5)
        .row(chance.pick([dark, ORANGE]), 0.9, (0.2, 0.9), 6, 0.02)
        .border(WHITE.mix(GREY, 0.3), 0.025, 0.025);
    stout(Species::new(fore, hind).with_hair(GREY))
}

/// Lycaena: copper forewings with black spots, dark hindwings with a copper margin.
pub fn copper(chance: &mut Chance) -> Species {
    let ground = ORANGE.mix(chance.pick([AMBER, RED]), chance.between(0.0, 0.5)).vary(chance);
    let dark = UMBER.mix(BLACK, chance.between(0.0, 0.6));
    let fore = WingPlan::new(small_forewing(chance), ground)
        .row(dark, 0.38, (0.2, 0.2), 1, 0.035)
        .row(dark, 0.54, (0.1, 0.1), 1, 0.035)
        .row(dark, 0.7, (0.05, 0.95), 6, 0.033)
        .border(dark, chance.between(0.12, 0.2), 0.13)
        .costa(dark, 0.03);
    let plain = chance.odds(0.4);
    let hind = WingPlan::new(
        hindwing(0.64, (66.0, 0.66), 0.2, chance).scalloped(5.0, 0.03),
        if plain { ground } else { dark },
    )
    .basal(dark, 0.4, 0.8)
    .row(dark, 0.6, (0.1, 0.9), 5, 0.03)
    .waved_border(ground, 0.2, 0.24, 0.04)
    .border(dark, 0.06, 0.06);
    stout(Species::new(fore, hind).with_hair(BROWN))
}

/// Thecla: dark brown with an orange or blue flash, short tails.
pub fn hairstreak(chance: &mut Chance) -> Species {
    let dark = chance.pick([UMBER, BROWN, BLACK]).vary(chance);
    let flash = chance.pick([ORANGE, VIOLET, BLUE, AMBER]).vary(chance);
    let fore = WingPlan::new(small_forewing(chance), dark)
        .basal(flash, chance.between(0.4, 0.9), chance.between(0.4, 1.0))
        .patches(flash, (0.6, 0.1), (0.6, 0.8), chance.pick([0.0, 0.16]), 3)
        .veins(dark, 0.012, 0.7)
        .border(dark, 0.18, 0.12);
    let hind =
        WingPlan::new(hindwing(0.6, (70.0, 0.68), 0.16, chance).tailed(0.78, chance.between(0.06, 0.14), 0.025), dark)
            .basal(flash, chance.between(0.2, 0.8), chance.between(0.2, 0.9))
            .veins(dark, 0.012, 0.7)
            .border(dark, 0.1, 0.1)
            .spot(ORANGE, (0.88, 0.85), 0.03);
    stout(Species::new(fore, hind).with_hair(dark.mix(GREY, 0.4)))
}

fn stout(mut species: Species) -> Species {
    species.body.girth = 0.085;
    species.body.abdomen = 0.46;
    species
}
