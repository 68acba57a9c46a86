//! What a pass made of examples: the guesses of each slot, the score of each token; and the numbers of
//! tokens that losses are divided by.

use super::part::Part;

/// Tokens of a whole batch that losses are divided by.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counts {
    pub slots: usize,
    pub candidates: usize,
    pub tokens: usize,
}

/// What was made of one example.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    pub slots: Vec<SeenSlot>,
    /// The loss of each token that could have been masked, of two towers.
    pub cloze: Vec<f32>,
    /// Empty if there is no discriminator.
    pub tokens: Vec<SeenToken>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeenSlot {
    pub original: u32,
    /// The generator's first choice.
    pub best: u32,
    /// What was drawn by its scores.
    pub drawn: u32,
    /// `−log` of the original's share.
    pub loss: f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeenToken {
    /// Whether the discriminator should say that it was replaced.
    pub label: bool,
    /// Whether it is another than it was.
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
