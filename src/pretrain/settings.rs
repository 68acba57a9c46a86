//! The settings with which examples were built: their file records them, and an interrupted build resumes
//! only with the same ones.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::Error;
use crate::{
    counted::counted,
    text::{tokenizer::Tokenizer, vocab::Vocab},
};

/// What the examples in a file depend on, besides the corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub max_seq_length: usize,
    pub blanks_separate_docs: bool,
    pub do_lower_case: bool,
    pub do_strip_accents: bool,
    pub seed: u64,
    /// Checksum of the recorded draws that replaced the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
    pub vocabulary: Vocabulary,
}

/// The vocabulary of the ids in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vocabulary {
    pub tokens: usize,
    /// Of the tokens, each followed by a line feed.
    pub sha256: String,
    pub cls: u32,
    pub sep: u32,
}

impl Vocabulary {
    pub fn of(vocab: &Vocab) -> Self {
        let mut sum = Sha256::new();
        for id in 0..vocab.len() {
            sum.update(vocab.token(id as u32).unwrap_or_default());
            sum.update(b"\n");
        }
        Self {
            tokens: vocab.len(),
            sha256: hexadecimal(&sum.finalize()),
            cls: vocab.cls_id(),
            sep: vocab.sep_id(),
        }
    }
}

/// Checks that text can be masked with the vocabulary; [`Vocab`] has checked the other special tokens.
///
/// # Errors
/// If it has no `[MASK]`.
pub fn check_mask(vocab: &Vocab, file: &str) -> Result<u32, Error> {
    let advice = "use a vocabulary of BERT's kind, or make one of your corpus with electra vocab";
    vocab.id("[MASK]").ok_or_else(|| {
        Error::Data(crate::data::Error::Vocab {
            file: file.to_owned(),
            problem: format!(
                "expected a line [MASK], found none in {}",
                counted(vocab.len(), "line")
            ),
            advice,
        })
    })
}

impl Settings {
    pub fn new(
        tokenizer: &Tokenizer,
        max_seq_length: usize,
        blanks_separate_docs: bool,
        seed: u64,
    ) -> Self {
        let normalizer = tokenizer.normalizer();
        Self {
            max_seq_length,
            blanks_separate_docs,
            do_lower_case: normalizer.lower_case,
            do_strip_accents: normalizer.strip_accents,
            seed,
            replay: None,
            vocabulary: Vocabulary::of(tokenizer.vocab()),
        }
    }

    /// The difference from `other`, for people.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let text = |given: bool| given.to_string();
        let pairs = [
            (
                "max_seq_length",
                self.max_seq_length.to_string(),
                other.max_seq_length.to_string(),
            ),
            (
                "blanks_separate_docs",
                text(self.blanks_separate_docs),
                text(other.blanks_separate_docs),
            ),
            (
                "do_lower_case",
                text(self.do_lower_case),
                text(other.do_lower_case),
            ),
            (
                "do_strip_accents",
                text(self.do_strip_accents),
                text(other.do_strip_accents),
            ),
            ("seed", self.seed.to_string(), other.seed.to_string()),
        ];
        let mut differing: Vec<String> = pairs
            .into_iter()
            .filter(|(_, own, other)| own != other)
            .map(|(name, own, other)| format!("{name} {own}, not {other}"))
            .collect();
        if self.replay != other.replay {
            differing.push("other recorded draws".to_owned());
        }
        if self.vocabulary != other.vocabulary {
            let (own, other) = (self.vocabulary.tokens, other.vocabulary.tokens);
            differing.push(match own == other {
                true => "a vocabulary of other tokens".to_owned(),
                false => format!("a vocabulary of {own} tokens, not {other}"),
            });
        }
        (!differing.is_empty()).then(|| differing.join("; "))
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(vocab: &str) -> Settings {
        let vocab = Vocab::parse(vocab, "v").unwrap();
        Settings::new(&Tokenizer::new(vocab, true), 128, true, 1)
    }

    const VOCAB: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n";

    #[test]
    fn a_vocabulary_is_known_by_its_tokens() {
        let own = settings(VOCAB);
        let same = settings("[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\nthe\n\n");
        assert_eq!(own, same);
        // printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n' | sha256sum
        assert_eq!(
            own.vocabulary.sha256,
            "fd4c97618db73337ce83bce333cdf4a1020a054717f1504cd00949abb67fde84"
        );
        let other = settings(&VOCAB.replace("the", "of"));
        assert_eq!(
            own.difference(&other).unwrap(),
            "a vocabulary of other tokens"
        );
    }

    #[test]
    fn what_differs_is_named() {
        let own = settings(VOCAB);
        assert_eq!(own.difference(&own), None);
        let other = Settings {
            max_seq_length: 64,
            seed: 2,
            ..own.clone()
        };
        assert_eq!(
            own.difference(&other).unwrap(),
            "max_seq_length 128, not 64; seed 1, not 2"
        );
    }

    #[test]
    fn a_vocabulary_without_mask_is_refused() {
        let vocab = Vocab::parse(&VOCAB.replace("[MASK]", "x"), "v").unwrap();
        let message = check_mask(&vocab, "my/vocab.txt").unwrap_err().to_string();
        assert!(
            message.contains("my/vocab.txt") && message.contains("[MASK]"),
            "{message}"
        );
    }
}
