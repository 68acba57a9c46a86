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
        let normalizer = normalizer(given);
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

/// Positions of the model whose vocabulary is given, if its `config.json` tells them, be it that of a record
/// or of Hugging Face.
pub fn positions(given: &Path) -> Option<usize> {
    let config = config(given);
    let told = [&config["model"], &config]
        .into_iter()
        .find_map(|of| of["max_position_embeddings"].as_u64());
    told.and_then(|told| usize::try_from(told).ok())
}

/// The `config.json` in a model's folder, or beside a vocabulary; nothing if none can be read.
fn config(given: &Path) -> Value {
    let file = match given.is_dir() {
        true => given.join("config.json"),
        false => given.with_file_name("config.json"),
    };
    let text = std::fs::read(file).ok();
    text.and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}

/// What becomes of letters by a model's `config.json`; without one, as in the released models.
fn normalizer(given: &Path) -> Normalizer {
    let config = config(given);
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
