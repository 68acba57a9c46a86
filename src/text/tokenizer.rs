//! The tokenizer: text → vocabulary ids, using BERT's basic tokenizer and WordPiece.
//!
//! Special tokens that occur in a text are treated as ordinary text: `[SEP]` becomes `[`, `sep`,
//! `]`.

use std::path::Path;

use super::{
    normalizer::{Normalizer, for_each_basic_token},
    vocab::Vocab,
    word_cache::WordCache,
    wordpiece::WordPiece,
};
use crate::data::error::Error;

/// Converts text to ids of a vocabulary.
///
/// # Examples
///
/// ```
/// use electra::text::{tokenizer::Tokenizer, vocab::Vocab};
///
/// let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\nplay\n##ing\n", "vocab.txt")?;
/// // Lower case, as in every released model.
/// let tokenizer = Tokenizer::new(vocab, true);
/// let ids = tokenizer.tokenize("Playing chess");
/// assert_eq!(ids, [4, 5, 1]);
/// assert_eq!(tokenizer.tokens(&ids), ["play", "##ing", "[UNK]"]);
/// # Ok::<(), electra::data::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tokenizer {
    vocab: Vocab,
    wordpiece: WordPiece,
    normalizer: Normalizer,
}

/// Tokenised words and the tokens of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordTokens {
    /// Token ids of all words, `[tokens]`.
    pub ids: Vec<u32>,
    /// Word index of each token, `[tokens]`, non-decreasing.
    pub words: Vec<u32>,
    /// First token of each word, `[words]`. For a word without tokens, this is the next word's
    /// first token.
    pub first_tokens: Vec<usize>,
}

impl Tokenizer {
    /// Creates a tokenizer. The normalizer must match the model's pre-training; a `bool` stands for
    /// the reference's `do_lower_case` (true for every released model).
    pub fn new(vocab: Vocab, normalizer: impl Into<Normalizer>) -> Self {
        Tokenizer {
            wordpiece: WordPiece::new(&vocab),
            vocab,
            normalizer: normalizer.into(),
        }
    }

    /// Creates a tokenizer with the vocabulary in `path`.
    ///
    /// # Errors
    /// As for [`Vocab::read`].
    pub fn read(path: &Path, normalizer: impl Into<Normalizer>) -> Result<Self, Error> {
        Ok(Self::new(Vocab::read(path)?, normalizer))
    }

    pub fn vocab(&self) -> &Vocab {
        &self.vocab
    }

    /// Returns how text is normalised before it is split into pieces.
    pub fn normalizer(&self) -> Normalizer {
        self.normalizer
    }

    /// Returns the ids of a text's tokens, without `[CLS]` and `[SEP]`.
    pub fn tokenize(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        self.tokenize_into(text, self.normalizer, &mut ids);
        ids
    }

    /// Appends the ids of a text's tokens, several times faster on long texts; the cache must not
    /// be shared with another tokenizer.
    pub fn tokenize_with(&self, text: &str, cache: &mut WordCache, ids: &mut Vec<u32>) {
        for_each_basic_token(text, self.normalizer, |token| {
            cache.pieces(&self.wordpiece, token, ids);
        });
    }

    fn tokenize_into(&self, text: &str, normalizer: Normalizer, ids: &mut Vec<u32>) {
        for_each_basic_token(text, normalizer, |token| {
            self.wordpiece.pieces(token, ids);
        });
    }

    /// Returns the ids of a question, truncated to `max_query_length`.
    pub fn tokenize_question(&self, question: &str, max_query_length: usize) -> Vec<u32> {
        let mut ids = self.tokenize(question);
        ids.truncate(max_query_length);
        ids
    }

    /// Tokenises each word separately.
    pub fn tokenize_words(&self, text: &[String]) -> WordTokens {
        self.tokenize_words_as(text, self.normalizer)
    }

    /// Tokenises each word separately, normalising it with `normalizer`.
    pub fn tokenize_words_as(&self, text: &[String], normalizer: Normalizer) -> WordTokens {
        // English has about 1.3 tokens per word.
        let expected = text.len() * 3 / 2;
        let mut ids = Vec::with_capacity(expected);
        let mut words = Vec::with_capacity(expected);
        let mut first_tokens = Vec::with_capacity(text.len());
        for (index, word) in (0u32..).zip(text) {
            first_tokens.push(ids.len());
            self.tokenize_into(word, normalizer, &mut ids);
            words.resize(ids.len(), index);
        }
        WordTokens {
            ids,
            words,
            first_tokens,
        }
    }

    /// Returns the tokens of ids, for display and for answer texts; an id outside the vocabulary
    /// becomes `[UNK]`.
    pub fn tokens(&self, ids: &[u32]) -> Vec<&str> {
        ids.iter()
            .map(|&id| self.vocab.token(id).unwrap_or("[UNK]"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenizer() -> Tokenizer {
        let vocab =
            "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\nold\n##er\noak\n.\n(\n[\n]\nsep\ncls\nfor\n##est\n第";
        Tokenizer::new(Vocab::parse(vocab, "v").unwrap(), true)
    }

    #[test]
    fn pieces_of_each_basic_token() {
        let tokenizer = tokenizer();
        assert_eq!(
            tokenizer.tokens(&tokenizer.tokenize(" The OLDER oak.(Forest)第")),
            [
                "the", "old", "##er", "oak", ".", "(", "for", "##est", "[UNK]", "第"
            ]
        );
        assert!(tokenizer.tokenize(" \u{200B}").is_empty());
        assert_eq!(tokenizer.tokens(&[99]), ["[UNK]"]);
    }

    #[test]
    fn a_cache_changes_nothing() {
        let tokenizer = tokenizer();
        let mut cache = WordCache::default();
        for text in ["the older oak.", "", "older 第oldforest zzz the", "THE zzz"] {
            let mut ids = vec![7];
            tokenizer.tokenize_with(text, &mut cache, &mut ids);
            assert_eq!(ids[1..], tokenizer.tokenize(text), "{text}");
        }
        // More words than the cache keeps.
        let word = |number: usize| format!("old{}", "er".repeat(number % 7) + &number.to_string());
        for number in (0..70_000).chain([0, 69_999]) {
            let (text, mut ids) = (word(number), Vec::new());
            tokenizer.tokenize_with(&text, &mut cache, &mut ids);
            assert_eq!(ids, tokenizer.tokenize(&text));
        }
    }

    #[test]
    fn special_tokens_in_a_text_are_text() {
        let tokenizer = tokenizer();
        assert_eq!(
            tokenizer.tokens(&tokenizer.tokenize("[SEP][CLS]")),
            ["[", "sep", "]", "[", "cls", "]"]
        );
    }

    #[test]
    fn questions_are_cut() {
        let tokenizer = tokenizer();
        assert_eq!(tokenizer.tokenize_question("the older oak", 2), [4, 5]);
        assert!(tokenizer.tokenize_question("", 2).is_empty());
    }

    #[test]
    fn words_without_tokens_keep_their_place() {
        let words = ["the", "\u{200B}", "older", "oak.", "\u{200B}"].map(str::to_owned);
        let tokens = tokenizer().tokenize_words(&words);
        assert_eq!(tokens.ids, [4, 5, 6, 7, 8]);
        assert_eq!(tokens.words, [0, 2, 2, 3, 3]);
        assert_eq!(tokens.first_tokens, [0, 1, 1, 3, 5]);
    }

    #[test]
    fn each_word_is_tokenised_alone() {
        // Sigma is final at its word's end, and a no-break space stays inside its word.
        let words = ["the\u{A0}oak".to_owned()];
        assert_eq!(tokenizer().tokenize_words(&words).ids, [4, 7]);
    }

    #[test]
    fn words_are_normalised_as_asked() {
        let words = ["ÖLD".to_owned(), "第第".to_owned()];
        let normalizer = Normalizer {
            lower_case: true,
            strip_accents: true,
            split_ideographs: false,
        };
        // A cased vocabulary has none of these letters; unsplit ideographs form one word.
        let vocab = tokenizer().vocab().clone();
        let cased = Tokenizer::new(vocab, false);
        assert_eq!(cased.tokenize_words(&words).ids, [1, 16, 16]);
        assert_eq!(cased.tokenize_words_as(&words, normalizer).ids, [5, 1]);
    }
}
