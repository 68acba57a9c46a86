//! How the words of a sentence become tokens.

use crate::{
    tasks::tagging::{error::Error, rules::Rules},
    text::{
        normalizer::Normalizer,
        tokenizer::{Tokenizer, WordTokens},
    },
};

/// How sentences become features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureOptions {
    pub max_seq_length: usize,
    pub rules: Rules,
}

/// Shortest sequence with a word: `[CLS]`, its token, `[SEP]`.
const SHORTEST: usize = 3;

impl FeatureOptions {
    pub(in crate::tasks::tagging) fn check(&self) -> Result<(), Error> {
        if self.max_seq_length >= SHORTEST {
            return Ok(());
        }
        Err(Error::Option {
            name: "max_seq_length",
            expected: "at least 3, for [CLS], a token and [SEP]",
            found: self.max_seq_length.to_string(),
        })
    }

    /// Returns how letters are normalised. The reference lower-cases tagged words whatever
    /// `do_lower_case` says, and does not put spaces around ideographs.
    pub(in crate::tasks::tagging) fn normalizer(&self, tokenizer: &Tokenizer) -> Normalizer {
        match self.rules {
            Rules::Reference => Normalizer {
                lower_case: true,
                strip_accents: true,
                split_ideographs: false,
            },
            Rules::Usual => tokenizer.normalizer(),
        }
    }

    /// The tokens of words. By the usual rules a word of which the tokenizer leaves nothing, such as a
    /// zero-width space alone, is `[UNK]`: it must not be learnt on the next word's token.
    pub(in crate::tasks::tagging) fn tokens(
        &self,
        words: &[String],
        tokenizer: &Tokenizer,
    ) -> WordTokens {
        self.tokens_and_empty(words, tokenizer).0
    }

    /// The same, and the places of the words that the tokenizer leaves nothing of.
    pub(in crate::tasks::tagging) fn tokens_and_empty(
        &self,
        words: &[String],
        tokenizer: &Tokenizer,
    ) -> (WordTokens, Vec<usize>) {
        let tokens = tokenizer.tokenize_words_as(words, self.normalizer(tokenizer));
        let is_empty = |word: &usize| own_tokens(&tokens, *word).is_empty();
        let empty: Vec<usize> = (0..words.len()).filter(is_empty).collect();
        let tokens = match self.rules {
            Rules::Usual if !empty.is_empty() => {
                each_with_a_token(&tokens, tokenizer.vocab().unk_id())
            }
            _ => tokens,
        };
        (tokens, empty)
    }
}

/// The tokens with an `[UNK]` for each word that has none.
fn each_with_a_token(tokens: &WordTokens, unk: u32) -> WordTokens {
    let count = tokens.first_tokens.len();
    let mut filled = WordTokens {
        ids: Vec::new(),
        words: Vec::new(),
        first_tokens: Vec::with_capacity(count),
    };
    for word in 0..count {
        filled.first_tokens.push(filled.ids.len());
        match &tokens.ids[own_tokens(tokens, word)] {
            [] => filled.ids.push(unk),
            ids => filled.ids.extend_from_slice(ids),
        }
        filled.words.resize(filled.ids.len(), word as u32);
    }
    filled
}

/// The tokens of a word, among all.
pub(super) fn own_tokens(tokens: &WordTokens, word: usize) -> std::ops::Range<usize> {
    first_token(tokens, word)..first_token(tokens, word + 1)
}

/// The first token of a word, or the end of all tokens behind the last word.
pub(super) fn first_token(tokens: &WordTokens, word: usize) -> usize {
    tokens
        .first_tokens
        .get(word)
        .copied()
        .unwrap_or(tokens.ids.len())
}
