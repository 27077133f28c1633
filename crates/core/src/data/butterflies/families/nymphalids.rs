//! Brush-footed butterflies: milkweeds, admirals, fritillaries, browns, morphos, longwings.

use super::super::chance::Chance;
use super::super::palette::*;
use super::super::shape::Outline;
use super::super::species::{Species, WingPlan, forewing, hindwing};

fn angular_forewing(chance: &mut Chance) -> Outline {
    forewing((34.0, 0.96), (-6.0, 0.71), [0.06, 0.0, 0.05], [0.36, 0.54], chance).scalloped(5.0, 0.025)
}

fn round_forewing(chance: &mut Chance) -> Outline {
    forewing((34.0, 0.94), (-6.0, 0.71), [0.07, 0.1, 0.05], [0.54, 0.6], chance)
}

fn broad_hindwing(chance: &mut Chance) -> Outline {
    hindwing(0.66, (68.0, 0.68), 0.17, chance).scalloped(6.0, 0.035)
}

/// Danaus: orange, black veins, white dots in a black border.
pub fn monarch(chance: &mut Chance) -> Species {
    let ground = ORANGE.mix(chance.pick([AMBER, RUST, TAN]), chance.between(0.0, 0.6)).vary(chance);
    let dark = BLACK.vary(chance);
    let vein = chance.between(0.018, 0.034);
    let fore = WingPlan::new(forewing((30.0, 1.0), (-8.0, 0.63), [0.06, 0.02, 0.05], [0.47, 0.6], chance), ground)
        .veins(dark, vein, 1.0)
        .border(dark, 0.34, 0.13)
        .costa(dark, 0.035)
        .patches(ground.mix(CREAM, 0.5), (0.72, 0.0), (0.74, 0.3), 0.09, 3)
        .row(WHITE, 0.92, (0.05, 0.95), 9, 0.014)
        .row(WHITE, 0.86, (0.1, 0.5), 4, 0.018);
    let hind = WingPlan::new(hindwing(0.64, (66.0, 0.64), 0.18, chance), ground)
        .veins(dark, vein, 1.0)
        .border(dark, 0.14, 0.14)
        .row(WHITE, 0.93, (0.05, 0.95), 10, 0.013);
    Species::new(fore, hind).with_hair(dark)
}

/// Vanessa atalanta: dark, one orange band across the forewing and along the hind margin.
pub fn admiral(chance: &mut Chance) -> Species {
    let dark = BLACK.mix(UMBER, chance.between(0.2, 1.0)).vary(chance);
    let band = chance.pick([ORANGE, RED, AMBER, WHITE]).vary(chance);
    let fore = WingPlan::new(angular_forewing(chance), dark)
        .basal(UMBER, 0.5, 0.7)
        .band(band, (0.42, -0.35), (0.8, 0.95), chance.between(0.11, 0.17))
        .patches(WHITE, (0.7, -0.1), (0.76, 0.25), 0.09, 2)
        .row(WHITE, 0.88, (0.02, 0.4), 4, 0.02)
        .veins(dark, 0.008, 0.5);
    let hind = WingPlan::new(broad_hindwing(chance), dark.mix(UMBER, 0.3))
        .waved_border(band, 0.02, 0.17, 0.02)
        .row(dark, 0.91, (0.35, 0.85), 5, 0.022)
        .basal(UMBER, 0.6, 0.6);
    Species::new(fore, hind).with_hair(UMBER)
}

/// Aglais io and Junonia: a big eyespot on every wing.
pub fn peacock(chance: &mut Chance) -> Species {
    let ground = chance.pick([MAROON, RUST, BROWN, RED, TAN]).vary(chance);
    let dark = BLACK.vary(chance);
    let iris = chance.pick([BLUE, VIOLET, SKY, MAROON]).vary(chance);
    let ring = chance.pick([CREAM, STRAW, AMBER, ROSE]);
    let fore = WingPlan::new(angular_forewing(chance), ground)
        .border(dark.mix(ground, 0.4), 0.12, 0.1)
        .band(dark, (0.42, -0.4), (0.45, 0.15), 0.1)
        .band(ring, (0.55, -0.35), (0.6, 0.0), 0.07)
        .eyespot((0.76, 0.08), chance.between(0.1, 0.14), ring, iris)
        .row(ring, 0.82, (0.4, 0.8), 3, 0.015)
        .veins(dark, 0.008, 0.4);
    let hind = WingPlan::new(broad_hindwing(chance), ground)
        .basal(UMBER, 0.6, 0.8)
        .border(GREY.mix(UMBER, 0.5), 0.13, 0.12)
        .eyespot((0.66, 0.18), chance.between(0.12, 0.16), ring, iris)
        .eyespot((0.68, 0.75), chance.pick([0.0, 0.07, 0.09]), ring, iris);
    Species::new(fore, hind).with_hair(RUST)
}

/// Argynnis: orange, rows of black spots.
pub fn fritillary(chance: &mut Chance) -> Species {
    let ground = ORANGE.mix(chance.pick([AMBER, RUST, TAN]), chance.between(0.2, 0.8)).vary(chance);
    let dark = BLACK.mix(UMBER, chance.between(0.0, 0.8));
    let size = chance.between(0.8, 1.25);
    let fore = WingPlan::new(round_forewing(chance), ground)
        .basal(UMBER, 0.4, 0.6)
        .streaks(dark, 0.3, (0.0, 0.35), 2, 0.032 * size, 0.5)
        .streaks(dark, 0.46, (-0.1, 0.35), 3, 0.034 * size, 0.5)
        .patches(dark, (0.6, -0.1), (0.56, 1.05), 0.05 * size, 7)
        .row(dark, 0.77, (0.02, 1.0), 7, 0.026 * size)
        .row(dark, 0.89, (0.0, 1.0), 8, 0.022 * size)
        .veins(dark, 0.01, 0.6)
        .border(dark, 0.05, 0.045);
    let hind = WingPlan::new(broad_hindwing(chance), ground)
        .basal(UMBER, 0.45, 0.9)
        .patches(dark, (0.5, -0.1), (0.5, 1.05), 0.05 * size, 6)
        .row(dark, 0.72, (0.05, 1.0), 6, 0.027 * size)
        .row(dark, 0.87, (0.0, 1.0), 7, 0.023 * size)
        .veins(dark, 0.008, 0.5)
        .border(dark, 0.05, 0.05);
    Species::new(fore, hind).with_hair(BROWN)
}

/// Satyrines: brown, a paler band, small eyespots.
pub fn satyr(chance: &mut Chance) -> Species {
    let ground = chance.pick([UMBER, BROWN, TAN, OLIVE]).mix(UMBER, 0.3).vary(chance);
    let band = ground.mix(chance.pick([AMBER, ORANGE, STRAW, CREAM]), chance.between(0.3, 0.85));
    let eye = chance.between(0.035, 0.06);
    let fore = WingPlan::new(round_forewing(chance), ground)
        .basal(UMBER, 0.6, 0.5)
        .patches(band, (0.74, -0.05), (0.68, 1.05), chance.between(0.1, 0.2), 6)
        .eyespot((0.76, 0.15), eye, band, BLACK)
        .eyespot((0.72, 0.65), chance.pick([0.0, eye]), band, BLACK)
        .veins(ground.lit(0.7), 0.01, 0.6)
        .border(ground.lit(0.75), 0.06, 0.06);
    let hind = WingPlan::new(broad_hindwing(chance), ground)
        .basal(UMBER, 0.5, 0.6)
        .patches(band, (0.7, 0.0), (0.66, 1.0), chance.between(0.05, 0.17), 6)
        .eyespot((0.7, 0.6), chance.pick([0.0, eye]), band, BLACK)
        .speckles(ground.lit(0.7), 25, 0.012, chance)
        .border(ground.lit(0.75), 0.06, 0.06);
    Species::new(fore, hind).with_hair(UMBER)
}

/// Melanargia: white fields in a dark net.
pub fn marbled_white(chance: &mut Chance) -> Species {
    let ground = CREAM.mix(WHITE, chance.unit()).vary(chance);
    let dark = BLACK.mix(UMBER, chance.between(0.2, 1.0)).vary(chance);
    let fore = WingPlan::new(round_forewing(chance), ground)
        .basal(dark, 0.3, 0.8)
        .patches(dark, (0.55, -0.2), (0.5, 1.1), 0.11, 4)
        .veins(dark, 0.022, 0.9)
        .waved_border(dark, 0.22, 0.16, 0.06)
        .row(ground, 0.93, (0.05, 0.95), 8, 0.02);
    let hind = WingPlan::new(broad_hindwing(chance), ground)
        .basal(dark, 0.25, 0.8)
        .band(dark, (0.5, -0.2), (0.42, 1.1), 0.08)
        .veins(dark, 0.016, 0.8)
        .waved_border(dark, 0.2, 0.2, 0.05)
        .row(ground, 0.92, (0.05, 0.95), 8, 0.022);
    Species::new(fore, hind).with_hair(GREY)
}

/// Morpho: metallic blue in a dark border.
pub fn morpho(chance: &mut Chance) -> Species {
    let blue = chance.pick([BLUE, SKY, BLUE, VIOLET, TEAL]).vary(chance);
    let dark = BLACK.mix(UMBER, chance.between(0.0, 0.5));
    let depth = chance.between(0.08, 0.3);
    let fore = WingPlan::new(forewing((38.0, 0.97), (-6.0, 0.68), [0.08, 0.05, 0.05], [0.5, 0.65], chance), blue)
        .basal(blue.lit(0.55), 0.5, 0.7)
        .distal(blue.mix(WHITE, 0.35), 0.4, 0.5)
        .veins(dark, 0.008, 0.4)
        .border(dark, depth + 0.06, depth)
        .costa(dark, 0.03)
        .row(WHITE, 0.93, (0.1, 0.9), chance.pick([0, 7]), 0.014);
    let hind = WingPlan::new(hindwing(0.64, (70.0, 0.66), 0.18, chance).scalloped(6.0, 0.04), blue)
        .basal(blue.lit(0.6), 0.5, 0.7)
        .inner(UMBER.mix(GREY, 0.4), 0.09)
        .veins(dark, 0.008, 0.4)
        .border(dark, depth * 0.8, depth * 0.8);
    Species::new(fore, hind).with_hair(SOOT)
}

/// Heliconius: long dark wings with a red or yellow bar.
pub fn longwing(chance: &mut Chance) -> Species {
    let dark = SOOT.mix(UMBER, chance.between(0.0, 0.5)).vary(chance);
    let bar = chance.pick([RED, YELLOW, ORANGE, CREAM, WHITE]).vary(chance);
    let second = chance.pick([bar, CREAM, ORANGE, LEMON, BLUE]).vary(chance);
    let fore = WingPlan::new(forewing((24.0, 1.0), (-16.0, 0.51), [0.07, 0.09, 0.03], [0.67, 0.78], chance), dark)
        .patches(bar, (0.62, -0.3), (0.66, 0.8), chance.between(0.1, 0.2), 4)
        .row(second, 0.85, (0.0, 0.3), chance.pick([0, 2, 3]), 0.024)
        .band(second, (0.1, 0.4), (0.45, 0.5), chance.pick([0.0, 0.12, 0.2]))
        .veins(dark, 0.014, 0.8);
    let rays = chance.odds(0.4);
    let hind = WingPlan::new(hindwing(0.6, (58.0, 0.5), 0.16, chance), dark)
        .streaks(second, 0.6, (0.1, 0.9), if rays { 7 } else { 0 }, 0.04, 5.0)
        .band(bar, (0.45, -0.1), (0.5, 1.0), if rays { 0.0 } else { chance.between(0.06, 0.16) })
        .row(second, 0.9, (0.1, 0.9), chance.pick([0, 8]), 0.013);
    Species::new(fore, hind).with_hair(SOOT)
}

/// Tirumala and Parantica: pale blue streaks between dark veins.
pub fn blue_tiger(chance: &mut Chance) -> Species {
    let dark = BLACK.mix(BROWN, chance.between(0.0, 0.8)).vary(chance);
    let pale = chance.pick([SKY, CREAM, WHITE, TEAL]).mix(GREY, chance.between(0.0, 0.3));
    let fore = WingPlan::new(forewing((30.0, 1.0), (-10.0, 0.63), [0.06, 0.05, 0.05], [0.54, 0.66], chance), dark)
        .cell(pale, 0.42)
        .streaks(pale, 0.36, (0.75, 1.25), 3, 0.045, 5.0)
        .streaks(pale, 0.66, (0.05, 0.95), 6, 0.034, 2.4)
        .row(pale, 0.84, (0.02, 0.95), 8, 0.018)
        .row(pale, 0.94, (0.02, 0.95), 11, 0.01);
    let hind = WingPlan::new(hindwing(0.64, (66.0, 0.62), 0.18, chance), dark)
        .cell(pale, 0.5)
        .streaks(pale, 0.45, (0.3, 1.2), 5, 0.05, 5.0)
        .row(pale, 0.8, (0.02, 0.95), 8, 0.022)
        .row(pale, 0.92, (0.02, 0.95), 10, 0.012);
    Species::new(fore, hind).with_hair(dark)
}

/// Aglais urticae, Vanessa cardui: orange with black and cream blocks along the leading edge.
pub fn tortoiseshell(chance: &mut Chance) -> Species {
    let ground = chance.pick([ORANGE, RUST, TAN, AMBER]).mix(ORANGE, 0.5).vary(chance);
    let dark = BLACK.vary(chance);
    let cream = CREAM.mix(AMBER, chance.between(0.0, 0.5));
    let fore = WingPlan::new(angular_forewing(chance), ground)
        .basal(UMBER, 0.3, 0.9)
        .band(dark, (0.3, -0.6), (0.32, 0.25), 0.1)
        .band(cream, (0.42, -0.5), (0.43, 0.2), 0.08)
        .band(dark, (0.55, -0.4), (0.56, 0.2), 0.11)
        .band(cream, (0.67, -0.3), (0.69, 0.15), 0.07)
        .border(dark, chance.between(0.15, 0.3), 0.1)
        .row(dark, 0.6, (0.5, 0.7), 2, 0.035)
        .spot(dark, (0.45, 0.95), 0.055)
        .row(WHITE, 0.86, (0.02, 0.2), 2, 0.02);
    let hind = WingPlan::new(broad_hindwing(chance), ground)
        .basal(UMBER.mix(BLACK, 0.4), 0.5, 1.0)
        .row(dark, 0.74, (0.1, 0.9), chance.pick([0, 5]), 0.026)
        .border(dark, 0.12, 0.12)
        .streaks(BLUE.mix(GREY, 0.4), 0.92, (0.1, 0.9), 7, 0.02, 0.5);
    Species::new(fore, hind).with_hair(RUST.mix(UMBER, 0.5))
}
