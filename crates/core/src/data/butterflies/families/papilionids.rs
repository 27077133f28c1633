//! Swallowtails and their kin: swallowtails, birdwings, apollos, cattlehearts.

use super::super::chance::Chance;
use super::super::palette::*;
use super::super::shape::Outline;
use super::super::species::{Species, WingPlan, forewing, hindwing};

fn long_forewing(chance: &mut Chance) -> Outline {
    forewing((40.0, 1.0), (1.0, 0.61), [0.06, 0.09, 0.05], [0.6, 0.75], chance)
}

/// Papilio machaon and glaucus: yellow with black borders and stripes, blue and red at the tail.
pub fn swallowtail(chance: &mut Chance) -> Species {
    let ground = chance.pick([LEMON, YELLOW, CREAM, YELLOW]).vary(chance);
    let dark = BLACK.vary(chance);
    let fore = WingPlan::new(long_forewing(chance), ground)
        .basal(dark, 0.32, 0.8)
        .band(dark, (0.42, -0.3), (0.4, 0.6), 0.07)
        .band(dark, (0.6, -0.25), (0.56, 0.4), 0.06)
        .veins(dark, 0.016, 0.9)
        .waved_border(dark, 0.22, 0.18, 0.02)
        .row(ground, 0.92, (0.06, 0.95), 8, 0.022)
        .costa(dark, 0.02);
    let tail = chance.between(0.18, 0.3);
    let hind = WingPlan::new(
        hindwing(0.62, (72.0, 0.68), 0.14, chance).scalloped(6.0, 0.05).tailed(0.68, tail, 0.035),
        ground,
    )
    .inner(dark, 0.05)
    .veins(dark, 0.014, 0.9)
    .waved_border(dark, 0.3, 0.28, 0.03)
    .streaks(BLUE.vary(chance).mix(dark, 0.3), 0.82, (0.2, 0.85), 6, 0.028, 0.6)
    .streaks(ground, 0.94, (0.08, 0.9), 7, 0.028, 0.6)
    .spot(RUST.vary(chance), (0.8, 0.97), 0.055);
    Species::new(fore, hind).with_hair(dark)
}

/// Troides: black forewings with pale rays, yellow hindwings.
pub fn birdwing(chance: &mut Chance) -> Species {
    let dark = SOOT.mix(UMBER, chance.between(0.0, 0.7)).vary(chance);
    let rays = dark.mix(chance.pick([GREY, STRAW, CREAM]), chance.between(0.1, 0.6));
    let gold = chance.pick([YELLOW, AMBER, YELLOW, CREAM, GREY]).vary(chance);
    let apex = (chance.around(38.0, 6.0), 1.0);
    let fore = WingPlan::new(forewing(apex, (0.0, 0.55), [0.07, 0.07, 0.05], [0.6, 0.75], chance), dark)
        .streaks(rays, 0.72, (0.1, 0.95), 8, 0.045, 4.5)
        .cell(dark.mix(rays, 0.4), 0.45)
        .veins(dark, 0.022, 1.0)
        .basal(dark, 0.3, 0.8);
    let spots = chance.odds(0.5);
    let hind = WingPlan::new(hindwing(0.56, (70.0, 0.62), 0.16, chance).scalloped(6.0, 0.04), gold)
        .veins(dark, 0.016, 0.9)
        .waved_border(dark, chance.between(0.14, 0.3), chance.between(0.1, 0.25), 0.05)
        .row(dark, 0.72, (0.2, 0.9), if spots { 6 } else { 0 }, 0.035)
        .inner(dark, 0.06);
    Species::new(fore, hind).with_hair(AMBER)
}

/// Ornithoptera: a bright band along the leading edge of the forewing, a bright hindwing.
pub fn green_birdwing(chance: &mut Chance) -> Species {
    let bright = chance.pick([GREEN, LIME, TEAL, AMBER, LIME, SKY]).vary(chance);
    let second = bright.mix(chance.pick([YELLOW, LEMON, bright]), 0.6);
    let dark = SOOT.vary(chance);
    let fore = WingPlan::new(forewing((38.0, 1.0), (6.0, 0.54), [0.07, 0.06, 0.05], [0.6, 0.75], chance), dark)
        .band(bright, (0.15, -0.5), (0.97, 0.02), 0.2)
        .band(bright, (0.5, 1.25), (0.9, 0.55), chance.between(0.05, 0.22))
        .costa(dark, 0.03)
        .veins(dark, 0.012, 0.6);
    let hind = WingPlan::new(hindwing(0.5, (66.0, 0.6), 0.15, chance), bright)
        .basal(second, 0.6, 0.9)
        .veins(dark, 0.012, 0.8)
        .row(dark, 0.78, (0.15, 0.85), chance.pick([0, 4, 5]), 0.028)
        .border(dark, 0.06, 0.09)
        .inner(dark, 0.05);
    Species::new(fore, hind).with_hair(YELLOW)
}

/// Parnassius: glassy white, black spots, red eyespots.
pub fn apollo(chance: &mut Chance) -> Species {
    let ground = WHITE.mix(chance.pick([CREAM, GREY, STRAW]), chance.between(0.0, 0.35));
    let dark = UMBER.mix(GREY, chance.between(0.0, 0.5));
    let red = chance.pick([RED, RUST, ROSE, AMBER]).vary(chance);
    let fore = WingPlan::new(forewing((38.0, 1.0), (-2.0, 0.63), [0.07, 0.1, 0.03], [0.6, 0.66], chance), ground)
        .distal(GREY, 0.6, chance.between(0.2, 0.6))
        .veins(dark, 0.01, 0.5)
        .basal(dark, 0.3, 0.6)
        .row(dark, 0.34, (-0.1, 0.3), 2, 0.042)
        .row(dark, 0.55, (-0.15, 0.3), 3, 0.036)
        .row(dark, 0.52, (0.9, 0.9), 1, 0.04)
        .patches(dark.mix(ground, 0.45), (0.84, 0.02), (0.8, 0.95), 0.05, 7);
    let hind = WingPlan::new(hindwing(0.62, (70.0, 0.64), 0.2, chance), ground)
        .inner(dark, chance.between(0.06, 0.14))
        .basal(dark, 0.3, 0.6)
        .veins(dark, 0.009, 0.45)
        .eyespot((0.52, 0.05), 0.06, dark, red)
        .eyespot((0.6, 0.5), 0.062, dark, red)
        .row(dark, 0.62, (0.85, 1.05), 2, 0.035)
        .row(dark.mix(ground, 0.4), 0.88, (0.2, 0.9), chance.pick([0, 5, 6]), 0.03);
    Species::new(fore, hind).with_hair(GREY)
}

/// Parides: black, a pale patch on the forewing, a red one on the hindwing.
pub fn cattleheart(chance: &mut Chance) -> Species {
    let dark = SOOT.mix(BROWN, chance.between(0.0, 0.7)).vary(chance);
    let pale = chance.pick([CREAM, SKY, LEMON, WHITE]);
    let red = chance.pick([RED, ROSE, RED, MAROON, CREAM]).vary(chance);
    let patch = (chance.between(0.4, 0.6), chance.between(0.5, 0.8));
    let fore = WingPlan::new(long_forewing(chance), dark)
        .distal(dark.mix(TAN, chance.between(0.2, 0.8)), 0.25, chance.between(0.2, 0.9))
        .streaks(dark.mix(GREY, chance.between(0.0, 0.5)), 0.78, (0.1, 0.95), 7, 0.035, 4.0)
        .veins(dark, 0.02, 1.0)
        .patches(pale, patch, (patch.0 + 0.05, 1.1), chance.pick([0.0, 0.1, 0.18]), 2);
    let outline = hindwing(0.54, (70.0, 0.64), 0.14, chance).scalloped(6.0, 0.09);
    let outline = if chance.odds(0.35) { outline.tailed(0.55, chance.between(0.1, 0.2), 0.03) } else { outline };
    let hind = WingPlan::new(outline, dark)
        .patches(red, (0.56, 0.3), (0.6, 1.05), chance.between(0.12, 0.28), chance.pick([3, 4, 5]))
        .row(red, 0.88, (0.3, 0.9), chance.pick([0, 0, 5]), 0.028);
    Species::new(fore, hind).with_hair(chance.pick([SOOT, RED]))
}

/// Graphium and Papilio with one pale band over both wings.
pub fn banded_swallowtail(chance: &mut Chance) -> Species {
    let dark = BLACK.mix(BROWN, chance.between(0.0, 0.6)).vary(chance);
    let band = chance.pick([CREAM, TEAL, WHITE, LEMON, SKY, GREEN]).vary(chance);
    let width = chance.between(0.1, 0.18);
    let fore = WingPlan::new(long_forewing(chance), dark)
        .veins(dark.lit(0.8), 0.014, 0.8)
        .patches(band, (0.85, 0.0), (0.55, 1.2), width, 8)
        .row(band, 0.93, (0.1, 0.95), chance.pick([0, 8]), 0.014);
    let outline =
        hindwing(0.58, (76.0, 0.68), 0.1, chance).scalloped(6.0, 0.07).tailed(0.7, chance.between(0.12, 0.3), 0.035);
    let hind = WingPlan::new(outline, dark)
        .band(band, (0.5, -0.3), (0.35, 1.2), width * 1.4)
        .row(chance.pick([RED, ROSE, band, AMBER]).vary(chance), 0.84, (0.3, 0.98), 5, 0.032)
        .veins(dark, 0.012, 0.8);
    Species::new(fore, hind).with_hair(dark)
}
