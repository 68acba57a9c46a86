//! Tests how a device converts f32 to f16.
//!
//! WGSL leaves open how a value between two f16 values is rounded and what happens on overflow.
//! Training in f16 relies on IEEE 754 behaviour: rounding to nearest keeps sums free of drift, and
//! overflow produces an infinity that loss scaling detects.

use burn::{
    Tensor,
    tensor::{Device, FloatDType},
};
use serde::{Deserialize, Serialize};

use super::DeviceError;

/// Observed behaviour of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HalfConversion {
    /// Rounds to nearest, ties to even.
    pub rounds: bool,
    /// Overflow produces infinity.
    pub overflows: bool,
}

/// Distance between f16 values just above 1.
const STEP: f32 = 1.0 / 1024.0;

/// Values and their f16 equivalents.
const ROUNDED: [(f32, f32); 6] = [
    (1.0 + 0.5 * STEP + STEP / 4096.0, 1.0 + STEP),
    (1.0 + 0.5 * STEP, 1.0),
    (1.0 + 1.5 * STEP, 1.0 + 2.0 * STEP),
    (-1.0 - 0.75 * STEP, -1.0 - STEP),
    (1.0 + 0.25 * STEP, 1.0),
    (65_519.0, 65_504.0),
];
const OVERFLOWN: [(f32, f32); 3] = [
    (70_000.0, f32::INFINITY),
    (-70_000.0, f32::NEG_INFINITY),
    (1e30, f32::INFINITY),
];

impl HalfConversion {
    /// Tests a device, which must support f16.
    ///
    /// # Errors
    /// If the device does not respond.
    pub fn of(device: &Device) -> Result<Self, DeviceError> {
        let pairs = [&ROUNDED[..], &OVERFLOWN].concat();
        let values: Vec<f32> = pairs.iter().map(|pair| pair.0).collect();
        let made = Tensor::<1>::from_floats(&values[..], device)
            .cast(FloatDType::F16)
            .cast(FloatDType::F32);
        let made = made.into_data().try_to_vec().map_err(DeviceError::new)?;
        Ok(Self::seen(&made))
    }

    fn seen(made: &[f32]) -> Self {
        let is = |made: &[f32], pairs: &[(f32, f32)]| {
            made.iter().zip(pairs).all(|(made, pair)| *made == pair.1)
        };
        let (rounded, overflown) = made.split_at(ROUNDED.len());
        Self {
            rounds: is(rounded, &ROUNDED),
            overflows: is(overflown, &OVERFLOWN),
        }
    }

    /// Describes how it deviates from what training relies on, and what to do about it.
    pub fn fault(self) -> Option<&'static str> {
        match (self.rounds, self.overflows) {
            (true, true) => None,
            (false, true) => Some(
                "f32 to f16 is not rounded to nearest, so that training in f16 may drift; give \
                 --precision f32",
            ),
            (_, false) => Some(
                "f32 to f16 does not overflow to infinity, so that loss scaling misses overflows \
                 and training in f16 may go wrong unseen; give --precision f32",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_rounds_and_overflows_as_ieee_754_has_it() {
        let found = HalfConversion::of(&Device::flex()).unwrap();
        assert_eq!(found.fault(), None, "{found:?}");
    }

    #[test]
    fn truncation_and_saturation_are_told() {
        let seen = |convert: &dyn Fn(f32) -> f32| {
            let values = ROUNDED.iter().chain(&OVERFLOWN);
            let made: Vec<f32> = values.map(|pair| convert(pair.0)).collect();
            HalfConversion::seen(&made)
        };
        let nearest = |value: f32| match ROUNDED.iter().chain(&OVERFLOWN).find(|p| p.0 == value) {
            Some(pair) => pair.1,
            None => value,
        };
        // An f16 has 13 fewer mantissa bits than an f32.
        let cut = |value: f32| f32::from_bits(value.to_bits() & !0x1fff);
        assert_eq!(seen(&nearest).fault(), None);
        let truncates = seen(&|value| match value.abs() < 65_520.0 {
            true => cut(value),
            false => nearest(value),
        });
        assert!(!truncates.rounds && truncates.overflows);
        assert!(truncates.fault().unwrap().contains("--precision f32"));
        let saturates = seen(&|value| nearest(value).clamp(-65_504.0, 65_504.0));
        assert!(saturates.rounds && !saturates.overflows);
        assert!(saturates.fault().unwrap().contains("loss scaling"));
    }
}
