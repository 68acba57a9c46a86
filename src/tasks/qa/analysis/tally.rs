//! Counts how many of some questions are answered correctly.

use std::collections::BTreeMap;

use serde::Serialize;

use super::judgement::Judgement;

/// Counts over some questions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Tally {
    pub total: usize,
    /// Exact matches.
    pub right: usize,
    /// Exact matches, and answers that contain a gold answer or are contained in one.
    pub right_relaxed: usize,
    /// Sum of the F1 of all questions, each in [0, 1].
    pub f1: f64,
}

impl Tally {
    pub fn wrong(&self) -> usize {
        self.total - self.right
    }

    /// Returns the exact matches in per cent; 0 if there are no questions.
    pub fn exact_percent(&self) -> f64 {
        percent(self.right as f64, self.total)
    }

    pub fn relaxed_percent(&self) -> f64 {
        percent(self.right_relaxed as f64, self.total)
    }

    pub fn f1_percent(&self) -> f64 {
        percent(self.f1, self.total)
    }
}

/// Returns `part` of `whole` in per cent; 0 if `whole` is 0.
pub fn percent(part: f64, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        100.0 * part / whole as f64
    }
}

impl<'a> FromIterator<&'a Judgement> for Tally {
    fn from_iter<I: IntoIterator<Item = &'a Judgement>>(judgements: I) -> Self {
        let mut tally = Self::default();
        for judgement in judgements {
            tally.add(judgement);
        }
        tally
    }
}

impl Tally {
    fn add(&mut self, judgement: &Judgement) {
        self.total += 1;
        self.right += usize::from(judgement.right);
        self.right_relaxed += usize::from(judgement.right_relaxed);
        self.f1 += judgement.f1;
    }
}

/// Returns one tally per key.
pub fn by_key<'a, K: Ord>(
    judgements: impl Iterator<Item = (K, &'a Judgement)>,
) -> BTreeMap<K, Tally> {
    let mut tallies: BTreeMap<K, Tally> = BTreeMap::new();
    for (key, judgement) in judgements {
        tallies.entry(key).or_default().add(judgement);
    }
    tallies
}
