//! The examples of a step and their masked tokens, on the host; all of a step or a part of it.

use std::sync::Arc;

use burn::tensor::Device;

use super::{example::Example, masking::Slot};
use crate::{
    kernels::lookup::Ids,
    model::ModelInput,
    packed::sequences::{Sequences, Sight},
};

/// One example with its slots.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Masked {
    pub example: Example,
    pub slots: Vec<Slot>,
    /// Whether each token was eligible for masking; two towers learn from all of these.
    pub candidates: Vec<bool>,
    /// The token that a recorded run put in each slot.
    pub recorded: Option<Vec<u32>>,
}

/// Examples that are computed together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Part {
    pub examples: Vec<Masked>,
    /// Position of the first in the step's whole batch.
    pub first_place: usize,
}

/// An example with the sampled tokens in its slots.
#[derive(Debug, Clone, PartialEq)]
pub struct Corrupted {
    pub ids: Vec<u32>,
    /// Whether there is a slot at each token.
    pub is_masked: Vec<bool>,
    /// Whether each token differs from the original.
    pub is_replaced: Vec<bool>,
}

impl Masked {
    pub fn tokens(&self) -> usize {
        self.example.ids.len()
    }

    /// The ids that the generator reads.
    pub fn generator_ids(&self, mask: u32) -> Vec<u32> {
        let mut ids = self.example.ids.clone();
        // The reference's method of writing into a sequence never writes to the first token.
        let slots = self.slots.iter();
        for slot in slots.filter(|slot| slot.is_replaced && slot.position > 0) {
            ids[slot.position] = mask;
        }
        ids
    }

    /// The example with `drawn` in its slots. If slots share a position, it receives the mean of their token
    /// ids, rounded down, as in the reference: some third token.
    pub fn corrupted(&self, drawn: &[u32]) -> Corrupted {
        let mut sums = vec![(0_u64, 0_u64); self.tokens()];
        for (slot, &token) in self.slots.iter().zip(drawn) {
            let (sum, count) = &mut sums[slot.position];
            *sum += u64::from(token);
            *count += 1;
        }
        sums[..1.min(self.tokens())].fill((0, 0));
        let written = sums.iter().zip(&self.example.ids);
        let ids: Vec<u32> = written
            .map(|(&(sum, count), &id)| match count {
                0 => id,
                count => (sum / count) as u32,
            })
            .collect();
        Corrupted {
            is_replaced: ids
                .iter()
                .zip(&self.example.ids)
                .map(|(new, old)| new != old)
                .collect(),
            is_masked: sums.iter().map(|&(_, count)| count > 0).collect(),
            ids,
        }
    }
}

impl Part {
    pub fn lengths(&self) -> Vec<usize> {
        self.examples.iter().map(Masked::tokens).collect()
    }

    pub fn tokens(&self) -> usize {
        self.examples.iter().map(Masked::tokens).sum()
    }

    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.examples.iter().flat_map(|masked| &masked.slots)
    }

    /// The packed row of each slot.
    pub fn slot_rows(&self) -> Arc<[u32]> {
        let mut first = 0;
        let mut rows = Vec::new();
        for masked in &self.examples {
            let slots = masked.slots.iter();
            rows.extend(slots.map(|slot| (first + slot.position) as u32));
            first += masked.tokens();
        }
        rows.into()
    }

    /// Splits values of all slots into those of each example.
    pub fn by_example<'a, T>(&self, mut of_slots: &'a [T]) -> Vec<&'a [T]> {
        let examples = self.examples.iter();
        examples
            .map(|masked| {
                let (own, rest) = of_slots.split_at(masked.slots.len());
                of_slots = rest;
                own
            })
            .collect()
    }

    /// The generator's input.
    pub fn masked_input(&self, mask: u32, device: &Device) -> ModelInput {
        let ids = self.examples.iter().map(|it| it.generator_ids(mask));
        self.input(ids.collect(), Sight::Whole, None, device)
    }

    /// A tower's input: the original examples, padded to `padded_to` tokens if padding counts.
    pub fn tower_input(
        &self,
        sight: Sight,
        padded_to: Option<usize>,
        device: &Device,
    ) -> ModelInput {
        let ids = self.examples.iter().map(|it| it.example.ids.clone());
        self.input(ids.collect(), sight, padded_to, device)
    }

    /// The discriminator's input.
    pub fn corrupted_input(&self, corrupted: &[Corrupted], device: &Device) -> ModelInput {
        let ids = corrupted.iter().map(|it| it.ids.clone());
        self.input(ids.collect(), Sight::Whole, None, device)
    }

    fn input(
        &self,
        mut ids: Vec<Vec<u32>>,
        sight: Sight,
        padded_to: Option<usize>,
        device: &Device,
    ) -> ModelInput {
        let device = &device.clone().without_autodiff();
        if let Some(length) = padded_to {
            for ids in &mut ids {
                ids.resize(length.max(ids.len()), 0);
            }
        }
        let lengths: Vec<usize> = ids.iter().map(Vec::len).collect();
        let mut sequences = Sequences::new(&lengths, self.first_place).seeing(sight);
        if padded_to.is_some() {
            sequences = sequences.with_padding(&self.lengths());
        }
        let segments = self.examples.iter().zip(&lengths);
        let segments = segments.flat_map(|(masked, &length)| {
            // Padding is in segment 0.
            let second = masked.example.first..masked.tokens();
            (0..length).map(move |place| u32::from(second.contains(&place)))
        });
        let positions = lengths.iter().flat_map(|&length| 0..length as u32);
        let firsts = self.examples.iter().map(|it| it.example.first as u32);
        ModelInput {
            segment_ids: Ids::new(segments.collect(), device),
            position_ids: Ids::new(positions.collect(), device),
            input_ids: Ids::new(ids.concat().into(), device),
            first_segments: firsts.collect(),
            sequences,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_that_share_a_place_leave_their_mean_there() {
        let slot = |position, is_replaced| Slot {
            position,
            original: 0,
            is_replaced,
        };
        let masked = Masked {
            example: Example {
                ids: vec![2, 7, 8, 3],
                first: 4,
            },
            slots: vec![slot(1, false), slot(2, false), slot(1, true), slot(0, true)],
            ..Masked::default()
        };
        assert_eq!(masked.generator_ids(4), [2, 4, 8, 3]);
        // (9 + 6) // 2 is 7, the original token; the first token stays.
        let corrupted = masked.corrupted(&[9, 8, 6, 9]);
        assert_eq!(corrupted.ids, [2, 7, 8, 3]);
        assert_eq!(corrupted.is_masked, [false, true, true, false]);
        assert_eq!(corrupted.is_replaced, [false; 4]);
        let corrupted = masked.corrupted(&[9, 8, 8, 9]);
        assert_eq!(corrupted.ids, [2, 8, 8, 3]);
        assert_eq!(corrupted.is_replaced, [false, true, false, false]);
    }

    #[test]
    fn rows_and_padding_stand_where_they_should() {
        let masked = |length: usize, first, positions: &[usize]| Masked {
            example: Example {
                ids: (10..10 + length as u32).collect(),
                first,
            },
            slots: positions
                .iter()
                .map(|&position| Slot {
                    position,
                    original: 0,
                    is_replaced: true,
                })
                .collect(),
            ..Masked::default()
        };
        let part = Part {
            examples: vec![masked(3, 2, &[1, 1]), masked(4, 4, &[2])],
            first_place: 5,
        };
        assert_eq!(part.slot_rows()[..], [1, 1, 5]);
        assert_eq!(part.by_example(&[7, 8, 9]), [&[7, 8][..], &[9]]);
        let input = part.tower_input(Sight::Ahead, Some(5), &Device::flex());
        assert_eq!(input.sequences.lengths().collect::<Vec<_>>(), [5, 5]);
        assert!(input.sequences.sees(0, 1, 2) && !input.sequences.sees(0, 1, 3));
        let segments = input
            .segment_ids
            .one_hot(2)
            .try_into_vec_as::<f32>()
            .unwrap();
        let second: Vec<f32> = segments.chunks(2).map(|kind| kind[1]).collect();
        assert_eq!(second, [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
