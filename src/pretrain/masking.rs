//! Which tokens of an example the generator must guess: chosen anew for every batch.
//!
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/pretrain/pretrain_helpers.py>

use super::{
    error::Error,
    random::{Purpose, Stream},
    settings::check_mask,
};
use crate::text::vocab::Vocab;

/// Share of the chosen tokens that become `[MASK]`; the others stay.
const REPLACED: f64 = 0.85;

/// How many tokens are masked, and which are eligible.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Masking {
    mask_prob: f64,
    max_predictions: usize,
    cls: u32,
    sep: u32,
    mask: u32,
}

/// A sampled position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub position: usize,
    /// The original id, which is the target.
    pub original: u32,
    /// Whether `[MASK]` replaces it in the generator's input. A position sampled twice is replaced if either
    /// slot says so.
    pub is_replaced: bool,
}

impl Masking {
    /// # Errors
    /// If the vocabulary has no `[MASK]`.
    pub fn new(
        mask_prob: f64,
        max_seq_length: usize,
        vocab: &Vocab,
        vocab_file: &str,
    ) -> Result<Self, Error> {
        Ok(Self {
            mask_prob,
            max_predictions: max_predictions(mask_prob, max_seq_length),
            cls: vocab.cls_id(),
            sep: vocab.sep_id(),
            mask: check_mask(vocab, vocab_file)?,
        })
    }

    /// The maximum number of slots in an example, `max_predictions_per_seq`.
    pub fn max_predictions(&self) -> usize {
        self.max_predictions
    }

    pub fn mask_id(&self) -> u32 {
        self.mask
    }

    /// The number of slots in an example of this many tokens, `[CLS]` and `[SEP]` included.
    pub fn slots(&self, tokens: usize) -> usize {
        slots(self.mask_prob, self.max_predictions, tokens)
    }

    /// The eligible positions.
    pub fn candidates(&self, ids: &[u32]) -> impl Iterator<Item = usize> {
        let special = [self.cls, self.sep, self.mask];
        let ids = ids.iter().enumerate();
        ids.filter(move |(_, id)| !special.contains(id))
            .map(|(position, _)| position)
    }

    /// Whether each token is eligible.
    pub fn is_candidate(&self, ids: &[u32]) -> Vec<bool> {
        let mut is_candidate = vec![false; ids.len()];
        self.candidates(ids)
            .for_each(|position| is_candidate[position] = true);
        is_candidate
    }

    /// Samples the slots of the example at `place` in a step's batch. Positions are sampled with replacement,
    /// so an example often has fewer distinct ones. An example without an eligible token has no slot; the
    /// reference's loss is NaN then.
    pub fn draw(&self, ids: &[u32], seed: u64, step: u64, place: u64) -> Vec<Slot> {
        let candidates: Vec<usize> = self.candidates(ids).collect();
        if candidates.is_empty() {
            return Vec::new();
        }
        let mut stream = Stream::new(seed, Purpose::Masks, step, place);
        (0..self.slots(ids.len()))
            .map(|_| {
                let position = candidates[stream.below(candidates.len() as u64) as usize];
                Slot {
                    position,
                    original: ids[position],
                    is_replaced: stream.uniform() < REPLACED,
                }
            })
            .collect()
    }
}

/// `max_predictions_per_seq` for these hyper-parameters.
pub fn max_predictions(mask_prob: f64, max_seq_length: usize) -> usize {
    ((mask_prob + 0.005) * max_seq_length as f64) as usize
}

/// The number of slots in an example of this many tokens: in f32, ties to even, at least one.
fn slots(mask_prob: f64, max_predictions: usize, tokens: usize) -> usize {
    let wanted = (tokens as f32 * mask_prob as f32).round_ties_even() as usize;
    // If there is no room, the reference asks for one and has none.
    wanted.max(1).min(max_predictions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masking(mask_prob: f64, max_seq_length: usize) -> Masking {
        let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n", "v").unwrap();
        Masking::new(mask_prob, max_seq_length, &vocab, "v").unwrap()
    }

    #[test]
    fn counts_are_those_of_single_precision() {
        // From the reference (pretrain/masking_counts.json); in f64, 190, 350 and 390 would differ.
        let masking = masking(0.15, 512);
        assert_eq!(masking.max_predictions(), 79);
        let lengths = [1, 3, 4, 10, 30, 128, 190, 350, 390, 512];
        let found = lengths.map(|length| masking.slots(length));
        assert_eq!(found, [1, 1, 1, 2, 4, 19, 29, 53, 59, 77]);
        assert_eq!(max_predictions(0.15, 128), 19);
        assert_eq!(max_predictions(0.1, 8), 0);
        assert_eq!(slots(0.1, 0, 8), 0);
    }

    #[test]
    fn special_tokens_are_no_candidates_but_unknown_ones_are() {
        let masking = masking(0.5, 8);
        let ids = [2, 5, 1, 3, 4, 6, 3];
        assert!(masking.candidates(&ids).eq([1, 2, 5]));
        assert_eq!(masking.draw(&[2, 3], 1, 0, 0), []);
        let slots = masking.draw(&ids, 1, 0, 0);
        // 3.5 rounds to even, 4.
        assert_eq!(slots.len(), 4);
        assert_eq!(slots, masking.draw(&ids, 1, 0, 0));
    }

    #[test]
    fn positions_are_drawn_with_replacement_and_mostly_masked() {
        let masking = masking(0.5, 8);
        let ids = [2, 5, 6, 3];
        let drawn: Vec<Vec<Slot>> = (0..5000)
            .map(|step| masking.draw(&ids, 9, step, 3))
            .collect();
        let slots: Vec<Slot> = drawn.iter().flatten().copied().collect();
        assert_eq!(slots.len(), 10_000);
        let share = |is: &dyn Fn(&Slot) -> bool| {
            slots.iter().filter(|slot| is(slot)).count() as f64 / slots.len() as f64
        };
        // Five standard deviations of 10,000, and of 5,000 pairs.
        let first = share(&|slot| slot.position == 1);
        assert!((first - 0.5).abs() < 0.025, "{first}");
        let replaced = share(&|slot| slot.is_replaced);
        assert!((replaced - 0.85).abs() < 0.018, "{replaced}");
        let twice = drawn
            .iter()
            .filter(|slots| slots[0].position == slots[1].position);
        let twice = twice.count() as f64 / drawn.len() as f64;
        assert!((twice - 0.5).abs() < 0.036, "{twice}");
        for slot in slots {
            assert_eq!(slot.original, ids[slot.position]);
        }
    }
}
