//! Metrics of one batch or of many, as the reference's evaluation defines them.
//!
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/run_pretraining.py#L105-L165>

use std::collections::BTreeMap;

use super::seen::{Seen, SeenToken};
use crate::config::PretrainConfig;

/// Number of thresholds for the area under the curve.
const THRESHOLDS: usize = 200;

/// The reference adds this to token counts before it divides by them.
const SOME: f64 = 1e-6;

/// Sums over batches.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    slots: f64,
    best_right: f64,
    drawn_right: f64,
    /// Slots whose sampled token differs from the original.
    slots_replaced: f64,
    slot_loss: f64,
    examples: f64,
    example_loss: f64,
    /// Tokens by label and by the discriminator's decision, `[label][decision]`.
    tokens: [[f64; 2]; 2],
    /// Tokens by label and by the number of thresholds below their probability.
    above: [Vec<f64>; 2],
    token_loss: f64,
    replaced: f64,
    batches: f64,
    total_loss: f64,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            slots: 0.0,
            best_right: 0.0,
            drawn_right: 0.0,
            slots_replaced: 0.0,
            slot_loss: 0.0,
            examples: 0.0,
            example_loss: 0.0,
            tokens: [[0.0; 2]; 2],
            above: [(); 2].map(|()| vec![0.0; THRESHOLDS + 1]),
            token_loss: 0.0,
            replaced: 0.0,
            batches: 0.0,
            total_loss: 0.0,
        }
    }
}

/// −1e-7, 1/199, …, 198/199, 1 + 1e-7 in single precision.
fn threshold(number: usize) -> f32 {
    match number {
        0 => -1e-7,
        199 => (1.0_f64 + 1e-7) as f32,
        number => (number as f64 / 199.0) as f32,
    }
}

impl SeenToken {
    pub fn probability(self) -> f32 {
        1.0 / (1.0 + (-self.logit).exp())
    }

    /// Binary cross-entropy with logits.
    fn loss(self) -> f64 {
        let logit = f64::from(self.logit);
        let label = f64::from(u8::from(self.label));
        logit.max(0.0) - logit * label + (-logit.abs()).exp().ln_1p()
    }
}

impl Figures {
    /// Adds one slot: its loss, and whether the most likely and the sampled token are right.
    pub fn slot(&mut self, loss: f32, best_right: bool, drawn_right: bool) {
        self.slots += 1.0;
        self.slot_loss += f64::from(loss);
        self.best_right += f64::from(u8::from(best_right));
        self.drawn_right += f64::from(u8::from(drawn_right));
    }

    /// Adds one token: its label, its probability, and the discriminator's decision.
    pub fn token(&mut self, label: bool, probability: f32, says: bool) {
        self.tokens[usize::from(label)][usize::from(says)] += 1.0;
        self.compared(label, probability, 1.0);
    }

    /// Adds padding, which the reference counts in the area under the curve: label 0, probability 0.
    pub fn padding(&mut self, tokens: usize) {
        self.compared(false, 0.0, tokens as f64);
    }

    /// Adds an example's loss, the mean over its tokens.
    pub fn example(&mut self, loss: f64) {
        self.examples += 1.0;
        self.example_loss += loss;
    }

    /// Adds a batch's total loss.
    pub fn batch(&mut self, total_loss: f64) {
        self.batches += 1.0;
        self.total_loss += total_loss;
    }

    fn compared(&mut self, label: bool, probability: f32, tokens: f64) {
        let above = (0..THRESHOLDS).take_while(|&number| probability > threshold(number));
        self.above[usize::from(label)][above.count()] += tokens;
    }

    /// Adds examples padded to `width` tokens; 0 ignores padding.
    pub fn add(&mut self, seen: &[Seen], width: usize) {
        for seen in seen {
            for slot in &seen.slots {
                let right = slot.drawn == slot.original;
                self.slot(slot.loss, slot.best == slot.original, right);
                self.slots_replaced += f64::from(u8::from(!right));
            }
            if seen.tokens.is_empty() {
                continue;
            }
            for &token in &seen.tokens {
                self.token(token.label, token.probability(), token.logit > 0.0);
                self.replaced += f64::from(u8::from(token.is_replaced));
            }
            let loss: f64 = seen.tokens.iter().map(|token| token.loss()).sum();
            self.token_loss += loss;
            self.example(loss / (seen.tokens.len() as f64 + SOME));
            self.padding(width.saturating_sub(seen.tokens.len()));
        }
    }

    /// Adds the sums of other batches.
    pub fn join(&mut self, other: &Self) {
        let Self {
            slots,
            best_right,
            drawn_right,
            slots_replaced,
            slot_loss,
            examples,
            example_loss,
            tokens,
            above,
            token_loss,
            replaced,
            batches,
            total_loss,
        } = self;
        for (sum, more) in [
            (slots, other.slots),
            (best_right, other.best_right),
            (drawn_right, other.drawn_right),
            (slots_replaced, other.slots_replaced),
            (slot_loss, other.slot_loss),
            (examples, other.examples),
            (example_loss, other.example_loss),
            (token_loss, other.token_loss),
            (replaced, other.replaced),
            (batches, other.batches),
            (total_loss, other.total_loss),
        ] {
            *sum += more;
        }
        let pairs = tokens.iter_mut().flatten();
        for (sum, more) in pairs.zip(other.tokens.iter().flatten()) {
            *sum += more;
        }
        let pairs = above.iter_mut().flatten();
        for (sum, more) in pairs.zip(other.above.iter().flatten()) {
            *sum += more;
        }
    }

    /// Precision: the share of the tokens called replaced that are.
    pub fn precision(&self) -> f64 {
        let [[_, false_positives], [_, true_positives]] = self.tokens;
        part(true_positives, true_positives + false_positives)
    }

    /// Recall: the share of the replaced tokens that are called so.
    pub fn recall(&self) -> f64 {
        let [_, [false_negatives, true_positives]] = self.tokens;
        part(true_positives, true_positives + false_negatives)
    }

    pub fn masked_lm_loss(&self) -> f64 {
        self.slot_loss / self.slots
    }

    pub fn masked_lm_accuracy(&self) -> f64 {
        part(self.best_right, self.slots)
    }

    /// The share of the slots whose sampled token differs from the original.
    pub fn replaced(&self) -> f64 {
        part(self.slots_replaced, self.slots)
    }

    /// The share of all tokens that were replaced.
    pub fn replaced_of_all(&self) -> f64 {
        part(self.replaced, self.tokens.iter().flatten().sum())
    }

    /// The area under the ROC curve of the discriminator's probabilities.
    pub fn auc(&self) -> f64 {
        let counts =
            |label: usize, number: usize| -> f64 { self.above[label][number + 1..].iter().sum() };
        let all = [0, 1].map(|label| self.above[label].iter().sum::<f64>());
        let rates = (0..THRESHOLDS).map(|number| {
            let [fp, tp] = [counts(0, number), counts(1, number)];
            [fp / (all[0] + SOME), (tp + SOME) / (all[1] + SOME)]
        });
        let rates: Vec<[f64; 2]> = rates.collect();
        let slices = rates.windows(2);
        slices
            .map(|pair| (pair[0][0] - pair[1][0]) * (pair[0][1] + pair[1][1]) / 2.0)
            .sum()
    }

    /// The names and values that the reference's evaluation prints.
    pub fn by_name(&self, config: &PretrainConfig) -> BTreeMap<&'static str, f64> {
        let mut figures = BTreeMap::from([
            ("loss", self.total_loss / self.batches),
            ("masked_lm_accuracy", self.masked_lm_accuracy()),
            ("masked_lm_loss", self.masked_lm_loss()),
        ]);
        if !config.has_discriminator() {
            return figures;
        }
        let sampled = part(self.drawn_right, self.slots);
        figures.insert("sampled_masked_lm_accuracy", sampled);
        if config.disc_weight > 0.0 {
            let [[true_negatives, _], [_, true_positives]] = self.tokens;
            let right = true_negatives + true_positives;
            let all = self.tokens.iter().flatten().sum();
            figures.extend([
                ("disc_loss", self.example_loss / self.examples),
                ("disc_auc", self.auc()),
                ("disc_accuracy", part(right, all)),
                ("disc_precision", self.precision()),
                ("disc_recall", self.recall()),
            ]);
        }
        figures
    }
}

/// A ratio; 0 if the denominator is 0.
fn part(of: f64, all: f64) -> f64 {
    if all > 0.0 { of / all } else { 0.0 }
}

/// The losses of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Losses {
    pub total: f64,
    pub masked_lm: f64,
    /// Only with two towers.
    pub cloze: Option<f64>,
    pub discriminator: Option<f64>,
}

impl Losses {
    /// The losses of a whole batch.
    pub fn of(seen: &[Seen], config: &PretrainConfig) -> Self {
        let mean = |values: &mut dyn Iterator<Item = f64>| {
            let (sum, count) =
                values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
            sum / (count + SOME)
        };
        let slots = || seen.iter().flat_map(|seen| &seen.slots);
        let masked_lm = mean(&mut slots().map(|slot| f64::from(slot.loss)));
        let cloze = config.two_tower_generator.then(|| {
            let losses = seen.iter().flat_map(|seen| &seen.cloze);
            mean(&mut losses.map(|&loss| f64::from(loss)))
        });
        let discriminator = config.has_discriminator().then(|| {
            let tokens = seen.iter().flat_map(|seen| &seen.tokens);
            mean(&mut tokens.map(|token| token.loss()))
        });
        Self {
            total: config.gen_weight * cloze.unwrap_or(masked_lm)
                + config.disc_weight * discriminator.unwrap_or(0.0),
            masked_lm,
            cloze,
            discriminator,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_order_has_the_whole_area_and_none_has_half() {
        let mut figures = Figures::default();
        for number in 0..100 {
            figures.token(false, number as f32 / 400.0, false);
            figures.token(true, 1.0 - number as f32 / 400.0, true);
        }
        assert!((figures.auc() - 1.0).abs() < 1e-6, "{}", figures.auc());
        // Padding ranks below everything: it makes a poor discriminator look better.
        let mut figures = Figures::default();
        for number in 0..200 {
            figures.token(number % 2 == 0, number as f32 / 200.0, false);
        }
        let poor = figures.auc();
        assert!((poor - 0.5).abs() < 0.01, "{poor}");
        figures.padding(300);
        assert!(figures.auc() > 0.8, "{}", figures.auc());
    }

    #[test]
    fn precision_and_recall_by_hand_and_over_batches() {
        let mut first = Figures::default();
        for (label, says, tokens) in [(true, true, 3), (true, false, 5), (false, true, 1)] {
            (0..tokens).for_each(|_| first.token(label, 0.6, says));
        }
        assert_eq!((first.precision(), first.recall()), (3.0 / 4.0, 3.0 / 8.0));
        let mut second = Figures::default();
        second.token(true, 0.2, false);
        second.token(false, 0.1, false);
        second.slot(2.0, true, false);
        second.batch(7.0);
        // Nothing is called replaced: 0, as in the reference.
        assert_eq!((second.precision(), second.recall()), (0.0, 0.0));
        let mut both = first.clone();
        both.join(&second);
        assert_eq!((both.precision(), both.recall()), (3.0 / 4.0, 3.0 / 9.0));
        assert_eq!(both.tokens, [[1.0, 1.0], [6.0, 3.0]]);
        assert_eq!(
            (both.masked_lm_accuracy(), both.masked_lm_loss()),
            (1.0, 2.0)
        );
        assert_eq!((both.batches, both.total_loss), (1.0, 7.0));
        let above = |figures: &Figures| figures.above.iter().flatten().sum::<f64>();
        assert_eq!(above(&both), 11.0);
    }

    #[test]
    fn a_score_of_0_says_that_nothing_was_replaced() {
        let token = |logit, label| SeenToken {
            label,
            is_replaced: label,
            logit,
        };
        let seen = Seen {
            tokens: vec![token(0.0, true), token(1.0, true), token(-1.0, false)],
            ..Seen::default()
        };
        let mut figures = Figures::default();
        figures.add(&[seen], 3);
        assert_eq!(figures.tokens, [[1.0, 0.0], [1.0, 1.0]]);
        // ln 2, and twice ln(1 + 1/e).
        let expected = (2.0_f64.ln() + 2.0 * (-1.0_f64).exp().ln_1p()) / (3.0 + SOME);
        assert!((figures.example_loss - expected).abs() < 1e-9);
    }
}
