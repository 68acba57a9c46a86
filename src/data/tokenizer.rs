//! The tokenizer: text → vocabulary ids, as BERT's basic tokenizer and WordPiece give them.
//!
//! Special tokens that stand in a text are ordinary text here: `[SEP]` is `[`, `sep`, `]`.

use std::path::Path;

use super::{
    error::Error,
    normalizer::{Normalizer, for_each_basic_token},
    vocab::Vocab,
    wordpiece::WordPiece,
};
use crate::{config::Config, tasks::qa::example::Passage};

/// A vocabulary and the way to it.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    vocab: Vocab,
    wordpiece: WordPiece,
    normalizer: Normalizer,
}

/// A tokenised passage: which tokens each word became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassageTokens {
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

    /// Reads the vocabulary for the model that `config` describes.
    ///
    /// # Errors
    /// As [`Vocab::read`] and [`Vocab::check_size`].
    pub fn for_model(path: &Path, config: &Config) -> Result<Self, Error> {
        Self::of_vocab(Vocab::read(path)?, path, config)
    }

    /// The same with a vocabulary that `file`, perhaps an archive, held.
    ///
    /// # Errors
    /// As [`Vocab::check_size`].
    pub fn of_vocab(vocab: Vocab, file: &Path, config: &Config) -> Result<Self, Error> {
        vocab.check_size(file, config.encoder().vocab_size)?;
        // Of a run that trains, the configuration tells it, which knows what the checkpoint states.
        if config.do_lower_case
            && !config.do_train
            && let Some(found) = vocab.capitals()
        {
            let (stated, file) = (file.with_file_name("config.json"), file.display());
            let advice = match stated.is_file() {
                true => format!("set \"do_lower_case\" to false in {}", stated.display()),
                false => "give --set do_lower_case=false".to_owned(),
            };
            log::warn!("{file}: {found}; {advice} if the model was pre-trained on cased text");
        }
        let normalizer = Normalizer {
            lower_case: config.do_lower_case,
            strip_accents: config.strip_accents.unwrap_or(config.do_lower_case),
            split_ideographs: config.tokenize_chinese_chars,
        };
        Ok(Self::new(vocab, normalizer))
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
        self.tokenize_into(text, &mut ids);
        ids
    }

    fn tokenize_into(&self, text: &str, ids: &mut Vec<u32>) {
        for_each_basic_token(text, self.normalizer, |token| {
            self.wordpiece.pieces(token, ids);
        });
    }

    /// The ids of a question, cut to `max_query_length`.
    pub fn tokenize_question(&self, question: &str, max_query_length: usize) -> Vec<u32> {
        let mut ids = self.tokenize(question);
        ids.truncate(max_query_length);
        ids
    }

    /// Tokenises each word of a passage on its own.
    pub fn tokenize_passage(&self, passage: &Passage) -> PassageTokens {
        // English passages have about 1.3 tokens a word.
        let expected = passage.words.len() * 3 / 2;
        let mut ids = Vec::with_capacity(expected);
        let mut words = Vec::with_capacity(expected);
        let mut first_tokens = Vec::with_capacity(passage.words.len());
        for (index, word) in (0u32..).zip(&passage.words) {
            first_tokens.push(ids.len());
            self.tokenize_into(word, &mut ids);
            words.resize(ids.len(), index);
        }
        PassageTokens {
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
        let passage = Passage::new("the \u{200B} older oak. \u{200B}");
        let tokens = tokenizer().tokenize_passage(&passage);
        assert_eq!(tokens.ids, [4, 5, 6, 7, 8]);
        assert_eq!(tokens.words, [0, 2, 2, 3, 3]);
        assert_eq!(tokens.first_tokens, [0, 1, 1, 3, 5]);
    }

    #[test]
    fn each_word_is_tokenised_alone() {
        // Sigma is final at its word's end, and a no-break space stays inside its word.
        let passage = Passage::new("the\u{A0}oak");
        assert_eq!(passage.words.len(), 1);
        assert_eq!(tokenizer().tokenize_passage(&passage).ids, [4, 7]);
    }
}
