//! Loss scaling (Micikevicius et al. 2018, arXiv:1710.03740, section 3.2). Most gradients of float16 would be below 6·10⁻⁸, its
//! smallest number; so the loss is multiplied by a power of two before the backward pass, and the gradients are divided by it.

use serde::{Deserialize, Serialize};

/// The factor, found while a model trains, with the constants of torch's `GradScaler`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossScale {
    factor: f32,
    /// In a row, with gradients that were all finite.
    good_passes: u32,
}

/// So many passes with finite gradients come before a larger factor.
const GROWTH_INTERVAL: u32 = 2000;

impl Default for LossScale {
    fn default() -> Self {
        Self { factor: 65536.0, good_passes: 0 }
    }
}

impl LossScale {
    /// Whether the rules of growing and shrinking can lead here: by doubling and halving, from a power of two to another.
    pub fn is_possible(self) -> bool {
        self.factor >= 1.0 && self.factor.is_finite() && self.good_passes < GROWTH_INTERVAL
    }

    pub fn factor(self) -> f32 {
        self.factor
    }

    /// After a pass with finite gradients. After 2000 of them a larger factor is tried.
    pub fn count_good_pass(&mut self) {
        self.good_passes += 1;
        if self.good_passes == GROWTH_INTERVAL {
            *self = Self { factor: self.factor * 2.0, good_passes: 0 };
        }
    }

    /// After a pass whose gradients were too large; none where the factor is not what makes them so.
    pub fn smaller(self) -> Option<Self> {
        (self.factor > 1.0).then_some(Self { factor: self.factor / 2.0, good_passes: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_after_two_thousand_good_passes_and_shrinks_at_once() {
        let mut scale = LossScale::default();
        (0..1999).for_each(|_| scale.count_good_pass());
        assert_eq!(scale.factor(), 65536.0);
        scale.count_good_pass();
        assert_eq!(scale.factor(), 131072.0);
        let mut smaller = scale.smaller().unwrap();
        assert_eq!(smaller.factor(), 65536.0);
        while let Some(next) = smaller.smaller() {
            smaller = next;
        }
        assert_eq!(smaller.factor(), 1.0);
        assert!(smaller.is_possible());
    }

    #[test]
    fn what_the_rules_do_not_lead_to_is_told() {
        for (factor, good_passes) in [(f32::NAN, 0), (f32::INFINITY, 0), (0.0, 0), (-2.0, 0), (1.0, GROWTH_INTERVAL)] {
            assert!(!LossScale { factor, good_passes }.is_possible(), "{factor} {good_passes}");
        }
    }
}
