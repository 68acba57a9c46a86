//! The results of a pass over examples: a guess for each slot and a score for each token; and the token
//! counts by which losses are divided.

use super::part::{Masked, Part};

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

impl Seen {
    /// Adds this as words to a list, as ranks exchange them.
    pub fn write(&self, words: &mut Vec<u32>) {
        let lengths = [self.slots.len(), self.cloze.len(), self.tokens.len()];
        words.extend(lengths.map(|length| length as u32));
        for slot in &self.slots {
            words.extend([slot.original, slot.best, slot.drawn, slot.loss.to_bits()]);
        }
        words.extend(self.cloze.iter().map(|loss| loss.to_bits()));
        for token in &self.tokens {
            let marks = u32::from(token.label) + 2 * u32::from(token.is_replaced);
            words.extend([marks, token.logit.to_bits()]);
        }
    }

    /// Takes the next of a list of words; `None` at its end.
    pub fn read(words: &mut impl Iterator<Item = u32>) -> Option<Self> {
        let mut seen = Self::default();
        let lengths = [words.next()?, words.next()?, words.next()?];
        for _ in 0..lengths[0] {
            seen.slots.push(SeenSlot {
                original: words.next()?,
                best: words.next()?,
                drawn: words.next()?,
                loss: f32::from_bits(words.next()?),
            });
        }
        for _ in 0..lengths[1] {
            seen.cloze.push(f32::from_bits(words.next()?));
        }
        for _ in 0..lengths[2] {
            let (marks, logit) = (words.next()?, words.next()?);
            seen.tokens.push(SeenToken {
                label: marks & 1 > 0,
                is_replaced: marks & 2 > 0,
                logit: f32::from_bits(logit),
            });
        }
        Some(seen)
    }
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
        Self::of_examples(parts.iter().flat_map(|part| &part.examples))
    }

    pub fn of_examples<'a>(examples: impl Iterator<Item = &'a Masked> + Clone) -> Self {
        let examples = || examples.clone();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_as_words_is_read_again() {
        let token = |label, is_replaced, logit| SeenToken {
            label,
            is_replaced,
            logit,
        };
        let seen = [
            Seen {
                slots: vec![SeenSlot {
                    original: 5,
                    best: 7,
                    drawn: 9,
                    loss: 0.25,
                }],
                cloze: vec![1.5, -0.0],
                tokens: vec![token(true, false, -3.5), token(false, true, 1e-30)],
            },
            Seen::default(),
            Seen {
                tokens: vec![token(true, true, f32::INFINITY)],
                ..Seen::default()
            },
        ];
        let mut words = Vec::new();
        seen.iter().for_each(|seen| seen.write(&mut words));
        let mut words = words.into_iter();
        let read: Vec<Seen> = std::iter::from_fn(|| Seen::read(&mut words)).collect();
        assert_eq!(read, seen);
    }
}
