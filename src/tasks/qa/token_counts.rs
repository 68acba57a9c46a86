//! Counts the tokens of a file's text, and how many of them the vocabulary does not know.
//!
//! A question is counted once, and with it each token of its passage, however many windows contain
//! it: the share describes what the model reads. It reveals a vocabulary of another language or
//! another model before a run is spent on it.

use std::{fmt, ops::AddAssign};

use serde::Serialize;

use super::feature::{Feature, MAX_WINDOWS};

/// Share of `[UNK]` above which the vocabulary hardly suits the text: English text in its own
/// model's vocabulary has below 0.1 %.
const MOST_UNKNOWN: f64 = 0.05;

/// Fewer may be an emoji or two in a short text.
const FEWEST_UNKNOWN: usize = 5;

/// Token counts of questions and passages, without special tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TokenCounts {
    pub tokens: usize,
    /// Those that are `[UNK]`.
    pub unknown: usize,
}

impl TokenCounts {
    /// Counts the tokens of features, each passage token in the window that sees it best.
    pub fn of(features: &[Feature], unk_id: u32) -> Self {
        let mut counts = Self::default();
        for feature in features {
            let questions = &feature.input_ids[1..feature.question_length - 1];
            // The windows of an example are numbered from 0.
            if feature.feature_id % MAX_WINDOWS as u64 == 0 {
                counts += Self::of_ids(questions, unk_id);
            }
            let passage = feature.input_ids[feature.question_length..].iter();
            for (&id, &best) in passage.zip(&feature.max_context) {
                counts.tokens += usize::from(best);
                counts.unknown += usize::from(best && id == unk_id);
            }
        }
        counts
    }

    /// Counts token ids.
    pub fn of_ids(ids: &[u32], unk_id: u32) -> Self {
        Self {
            tokens: ids.len(),
            unknown: ids.iter().filter(|&&id| id == unk_id).count(),
        }
    }

    /// Returns the share of unknown tokens, from 0 to 1; 0 if there are no tokens.
    pub fn unknown_share(&self) -> f64 {
        self.unknown as f64 / self.tokens.max(1) as f64
    }

    /// Returns a warning if the vocabulary hardly suits the text.
    pub fn warning(&self) -> Option<String> {
        let foreign = self.unknown >= FEWEST_UNKNOWN && self.unknown_share() > MOST_UNKNOWN;
        foreign.then(|| {
            format!(
                "{self}: the vocabulary knows too little of this text; check that vocab.txt is \
                 the model's own, that do_lower_case is what the model was trained with, and that \
                 the model speaks the text's language"
            )
        })
    }
}

impl AddAssign for TokenCounts {
    fn add_assign(&mut self, other: Self) {
        self.tokens += other.tokens;
        self.unknown += other.unknown;
    }
}

/// `12 of 340 tokens are [UNK] (3.53 %)`.
impl fmt::Display for TokenCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} tokens are [UNK] ({:.2} %)",
            self.unknown,
            self.tokens,
            100.0 * self.unknown_share()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        data::split::Split,
        tasks::qa::{
            example::Examples,
            feature::{FeatureOptions, featurize},
        },
        text::{tokenizer::Tokenizer, vocab::Vocab},
    };

    fn counted(question: &str, passage: &str, max_seq_length: usize) -> TokenCounts {
        let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb", "v").unwrap();
        let tokenizer = Tokenizer::new(vocab, true);
        let options = FeatureOptions {
            max_seq_length,
            doc_stride: 2,
            max_query_length: 3,
            split: Split::Dev,
        };
        let examples = Examples::of_one(question, passage);
        let features = featurize(&examples, &tokenizer, &options).unwrap();
        TokenCounts::of(&features, tokenizer.vocab().unk_id())
    }

    #[test]
    fn overlapping_windows_count_a_token_once() {
        let whole = TokenCounts {
            tokens: 10,
            unknown: 4,
        };
        // The question's fourth token is cut off.
        for max_seq_length in [20, 10, 9] {
            assert_eq!(
                counted("a x b y", "a x b a x x b", max_seq_length),
                whole,
                "{max_seq_length}"
            );
        }
        assert_eq!(counted("", "", 20), TokenCounts::default());
    }

    #[test]
    fn a_foreign_vocabulary_is_told() {
        let counts = |unknown| TokenCounts {
            tokens: 100,
            unknown,
        };
        assert_eq!(counts(5).warning(), None);
        assert_eq!(TokenCounts::default().warning(), None);
        let few = TokenCounts {
            tokens: 8,
            unknown: 4,
        };
        assert_eq!(few.warning(), None);
        let warning = counts(6).warning().unwrap();
        assert!(
            warning.starts_with("6 of 100 tokens are [UNK] (6.00 %)")
                && warning.contains("vocab.txt"),
            "{warning}"
        );
    }
}
