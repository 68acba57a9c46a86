//! The loss scale that keeps gradients within the range of f16.
//!
//! The loss is multiplied by it before the backward pass and the gradients are divided by it
//! afterwards. If a gradient overflows, the scale is halved and the step's update skipped; after
//! enough steps without overflow, it is doubled.

use serde::{Deserialize, Serialize};

/// Steps without an overflow after which the scale is doubled.
const PATIENCE: u32 = 1_000;

/// f16 holds values up to 65,504; no larger scale could help a gradient of 1.
const LARGEST: f64 = 65_536.0;

/// A scale that adapts to the gradients; a power of two, so that scaling is exact.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossScale {
    pub factor: f64,
    /// Steps since the scale last changed.
    steady: u32,
    /// Updates skipped so far.
    pub skipped: u64,
}

impl Default for LossScale {
    fn default() -> Self {
        Self {
            factor: 1_024.0,
            steady: 0,
            skipped: 0,
        }
    }
}

impl LossScale {
    /// Records a step without overflow.
    pub fn fitted(&mut self) {
        self.steady += 1;
        if self.steady >= PATIENCE && self.factor < LARGEST {
            self.factor *= 2.0;
            self.steady = 0;
        }
    }

    /// Records a step whose gradients overflowed. Returns whether a smaller scale may help.
    pub fn overflowed(&mut self) -> bool {
        self.factor /= 2.0;
        self.steady = 0;
        self.skipped += 1;
        self.factor >= 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_halves_at_an_overflow_and_doubles_after_a_thousand_steps() {
        let mut scale = LossScale::default();
        assert!(scale.overflowed());
        assert_eq!((scale.factor, scale.skipped), (512.0, 1));
        for _ in 0..999 {
            scale.fitted();
        }
        assert_eq!(scale.factor, 512.0);
        scale.fitted();
        assert_eq!(scale.factor, 1_024.0);
        for _ in 0..20_000 {
            scale.fitted();
        }
        assert_eq!(scale.factor, LARGEST);
    }

    #[test]
    fn it_gives_up_below_one() {
        let mut scale = LossScale::default();
        let halvings = (0..20).take_while(|_| scale.overflowed()).count();
        assert_eq!(halvings, 10);
    }
}
