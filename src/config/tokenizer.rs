//! Builds the tokenizer that a configuration describes.

use std::path::Path;

use super::Config;
use crate::{
    data::error::Error,
    text::{normalizer::Normalizer, tokenizer::Tokenizer, vocab::Vocab},
};

impl Config {
    /// Builds the model's tokenizer with the vocabulary in `path`.
    ///
    /// # Errors
    /// As for [`Vocab::read`] and [`Vocab::check_size`].
    pub fn tokenizer(&self, path: &Path) -> Result<Tokenizer, Error> {
        self.tokenizer_of(Vocab::read(path)?, path)
    }

    /// Builds the model's tokenizer with a vocabulary that was read from `file`, possibly an
    /// archive.
    ///
    /// # Errors
    /// As for [`Vocab::check_size`].
    pub fn tokenizer_of(&self, vocab: Vocab, file: &Path) -> Result<Tokenizer, Error> {
        vocab.check_size(file, self.encoder().vocab_size)?;
        // For a run that trains, the configuration warns instead, since it knows what the
        // checkpoint states.
        if self.do_lower_case
            && !self.do_train
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
            lower_case: self.do_lower_case,
            strip_accents: self.strip_accents.unwrap_or(self.do_lower_case),
            split_ideographs: self.tokenize_chinese_chars,
        };
        Ok(Tokenizer::new(vocab, normalizer))
    }
}
