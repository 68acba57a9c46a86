//! The results of a pass over examples: a guess for each slot and a score for each token; and the token
//! counts by which losses are divided.

use super::part::Part;

/// Token counts of a whole batch, by which losses are divided.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counts {
    pub slots: usize,
    pub candidates: usize,
    pub tokens: usize,
}

/// The results for one example.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    pub slots: Vec<SeenSlot>,
    /// The loss of each eligible token; two towers only.
    pub cloze: Vec<f32>,
    /// Empty without a discriminator.
    pub tokens: Vec<SeenToken>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeenSlot {
    pub original: u32,
    /// The generator's first choice.
    pub best: u32,
    /// The sampled token.
    pub drawn: u32,
    /// `−log` of the original's probability.
    pub loss: f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeenToken {
    /// Whether the discriminator should call it replaced.
    pub label: bool,
    /// Whether it differs from the original.
    pub is_replaced: bool,
    pub logit: f32,
}

impl Counts {
    pub fn of(parts: &[Part]) -> Self {
        let examples = || parts.iter().flat_map(|part| &part.examples);
        Self {
            slots: examples().map(|it| it.slots.len()).sum(),
            candidates: examples()
                .flat_map(|it| &it.candidates)
                .filter(|&&is_one| is_one)
                .count(),
            tokens: examples().map(|it| it.tokens()).sum(),
        }
    }
}
