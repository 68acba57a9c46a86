//! The randomness of a step: dropout, and the numbers used to sample tokens. Each is a function of the seed,
//! the step and the position in the batch.

use super::{
    part::Part,
    random::{Purpose, Stream},
};
use crate::model::dropout::{Mode, StepSeed};

/// The randomness of a part of a step.
#[derive(Debug, Clone, Copy)]
pub struct Chance {
    pub seed: u64,
    pub step: u64,
    /// Whether dropout is on.
    pub drops: bool,
}

impl Chance {
    /// The dropout mode of a network, by its number.
    pub(super) fn mode(self, network: u32) -> Mode {
        match self.drops {
            false => Mode::Predict,
            true => Mode::Train(StepSeed::new(self.seed, self.step).of_network(network)),
        }
    }

    /// Two uniform numbers for each slot, in steps of 2⁻²³: far enough below 1 that the product with a number
    /// is less than that number.
    pub(super) fn uniform(self, part: &Part) -> Vec<[f32; 2]> {
        const STEPS: f64 = (1 << 23) as f64;
        let mut uniform = Vec::new();
        for (place, masked) in (part.first_place..).zip(&part.examples) {
            let mut stream = Stream::new(self.seed, Purpose::Samples, self.step, place as u64);
            let mut number = || ((stream.uniform() * STEPS).floor() / STEPS) as f32;
            uniform.extend(masked.slots.iter().map(|_| [number(), number()]));
        }
        uniform
    }
}
