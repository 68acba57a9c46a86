//! The tokenizer: text → vocabulary ids, as BERT's basic tokenizer and WordPiece give them.
//!
//! Special tokens that stand in a text are ordinary text here: `[SEP]` is `[`, `sep`, `]`.

use std::path::Path;

use super::{
    normalizer::{Normalizer, for_each_basic_token},
    vocab::Vocab,
    word_cache::WordCache,
    wordpiece::WordPiece,
};
use crate::data::error::Error;

/// A vocabulary and the way to it.
///
/// # Examples
///
/// ```
/// use electra::text::{tokenizer::Tokenizer, vocab::Vocab};
///
/// let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\nplay\n##ing\n", "vocab.txt")?;
/// // Lower case, as every released model has it.
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

/// Tokenised words: which tokens each became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordTokens {
    /// Token ids of all words, `[tokens]`.
    pub ids: Vec<u32>,
    /// Word of each token, `[tokens]`, never descending.
    pub words: Vec<u32>,
    /// First token of each word, `[words]`. A word may have no token; then this is the next
    /// word's first one.
    pub first_tokens: Vec<usize>,
}

impl Tokenizer {
    /// The normalizer must be what the model was pre-trained with; a `bool` stands for the
    /// reference's `do_lower_case` (true for every released model).
    pub fn new(vocab: Vocab, normalizer: impl Into<Normalizer>) -> Self {
        Tokenizer {
            wordpiece: WordPiece::new(&vocab),
            vocab,
            normalizer: normalizer.into(),
        }
    }

    /// A tokenizer with the vocabulary in `path`.
    ///
    /// # Errors
    /// As [`Vocab::read`].
    pub fn read(path: &Path, normalizer: impl Into<Normalizer>) -> Result<Self, Error> {
        Ok(Self::new(Vocab::read(path)?, normalizer))
    }

    pub fn vocab(&self) -> &Vocab {
        &self.vocab
    }

    /// What becomes of a text before it is cut into pieces.
    pub fn normalizer(&self) -> Normalizer {
        self.normalizer
    }

    /// The ids of a text's tokens, without `[CLS]` and `[SEP]`.
    pub fn tokenize(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        self.tokenize_into(text, self.normalizer, &mut ids);
        ids
    }

    /// Appends the ids of a text's tokens, a few times as fast in a long text; the cache is one that this
    /// tokenizer alone uses.
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

    /// The ids of a question, cut to `max_query_length`.
    pub fn tokenize_question(&self, question: &str, max_query_length: usize) -> Vec<u32> {
        let mut ids = self.tokenize(question);
        ids.truncate(max_query_length);
        ids
    }

    /// Tokenises each word on its own.
    pub fn tokenize_words(&self, text: &[String]) -> WordTokens {
        self.tokenize_words_as(text, self.normalizer)
    }

    /// Tokenises each word on its own, its letters as `normalizer` has them.
    pub fn tokenize_words_as(&self, text: &[String], normalizer: Normalizer) -> WordTokens {
        // English has about 1.3 tokens a word.
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

    /// The tokens of ids, for people and for answer texts; an id outside the vocabulary is
    /// `[UNK]`.
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
        // More words than it keeps.
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
        // Cased, which finds none of these letters; ideographs side by side are one word.
        let vocab = tokenizer().vocab().clone();
        let cased = Tokenizer::new(vocab, false);
        assert_eq!(cased.tokenize_words(&words).ids, [1, 16, 16]);
        assert_eq!(cased.tokenize_words_as(&words, normalizer).ids, [5, 1]);
    }
}
