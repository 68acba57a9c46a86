//! The vocabulary in which a data check counts tokens: that of the released models, or another.

use std::path::Path;

use serde_json::Value;

use crate::{
    data::error::Error,
    text::{normalizer::Normalizer, tokenizer::Tokenizer, vocab::Vocab},
};

/// A vocabulary, with the letter case of its model.
pub struct CheckVocab {
    pub tokenizer: Tokenizer,
    /// Which one it is, if it was given.
    pub told: Option<String>,
}

impl CheckVocab {
    /// The vocabulary in a file or in a model's folder, whose `config.json` tells its letter case; without
    /// either that of the released models.
    ///
    /// # Errors
    /// As [`Vocab::read`].
    pub fn open(given: Option<&Path>) -> Result<Self, Error> {
        let Some(given) = given else {
            return Ok(Self {
                tokenizer: Tokenizer::new(Vocab::released()?, true),
                told: None,
            });
        };
        let file = match given.is_dir() {
            true => given.join("vocab.txt"),
            false => given.to_owned(),
        };
        let vocab = Vocab::read(&file)?;
        let normalizer = normalizer(&file.with_file_name("config.json"));
        let case = match normalizer.lower_case {
            true => "lower case",
            false => "cased",
        };
        Ok(Self {
            tokenizer: Tokenizer::new(vocab, normalizer),
            told: Some(format!("{}, {case}", file.display())),
        })
    }
}

/// What becomes of letters by a model's `config.json`; without one, as in the released models.
fn normalizer(config: &Path) -> Normalizer {
    let read = std::fs::read(config).ok();
    let config: Value = read
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let flag = |key: &str| config[key].as_bool();
    let lower_case = flag("do_lower_case").unwrap_or(true);
    Normalizer {
        lower_case,
        strip_accents: flag("strip_accents").unwrap_or(lower_case),
        split_ideographs: flag("tokenize_chinese_chars").unwrap_or(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_s_folder_tells_its_letter_case() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nAda\nada");
        let ids = |given: &Path| {
            let vocab = CheckVocab::open(Some(given)).unwrap();
            (vocab.tokenizer.tokenize("Ada"), vocab.told.unwrap())
        };
        let (found, told) = ids(folder.path());
        assert_eq!(found, [5]);
        assert!(told.ends_with("vocab.txt, lower case"), "{told}");
        put("config.json", r#"{"do_lower_case": false}"#);
        for given in [folder.path(), &folder.path().join("vocab.txt")] {
            let (found, told) = ids(given);
            assert_eq!(found, [4]);
            assert!(told.ends_with("vocab.txt, cased"), "{told}");
        }
        assert!(CheckVocab::open(Some(&folder.path().join("none"))).is_err());
    }
}
