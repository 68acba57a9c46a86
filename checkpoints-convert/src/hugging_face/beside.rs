//! The small files beside a checkpoint's weights that state what no tensor's shape does. Their
//! bytes are kept as found and parsed into settings and a vocabulary only on demand, so that a
//! checkpoint with a bad one can still be inspected.

use super::config::{self, Settings};
use super::tokenizer::{self, Tokenizer};
use super::tokenizer_file;
use super::{
    ADDED_TOKENS_FILE, CONFIG_FILE, Error, MAX_JSON_BYTES, MAX_VOCABULARY_BYTES,
    SPECIAL_TOKENS_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE, VOCABULARY_FILE,
};

/// Suffixes of the names that Google's code and others give the configuration of a TensorFlow
/// model.
const CONFIGURATIONS: [&str; 4] = [
    CONFIG_FILE,
    "bert_config.json",
    "electra_config.json",
    "discriminator_config.json",
];

/// Returns the bytes of a file, limited to the given number; `None` if it does not exist.
type Read<'a, E> = dyn FnMut(&str, u64) -> Result<Option<Vec<u8>>, E> + 'a;

/// The files that were found, each with its name in error messages.
#[derive(Default)]
pub(crate) struct Beside {
    /// All files present that may be the configuration.
    configurations: Vec<Found>,
    tokenizer_config: Option<Found>,
    tokenizer: Option<Found>,
    special_tokens: Option<Found>,
    added_tokens: Option<Found>,
    vocabulary: Option<Found>,
}

struct Found {
    file: String,
    bytes: Vec<u8>,
}

impl Beside {
    /// Reads the relevant files among `names`, the files of the checkpoint's folder. `read` returns
    /// the bytes of one file, up to a limit, and `display` its name in error messages.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn read<E>(
        names: &[String],
        display: &dyn Fn(&str) -> String,
        read: &mut Read<E>,
    ) -> Result<Self, E> {
        let mut found = |name: &str, limit: u64| -> Result<Option<Found>, E> {
            let file = display(name);
            Ok(read(name, limit)?.map(|bytes| Found { file, bytes }))
        };
        let mut configurations = Vec::new();
        let is_configuration =
            |name: &&String| CONFIGURATIONS.iter().any(|end| name.ends_with(end));
        // Normally there are a handful; a folder with more is not genuine.
        for name in names.iter().filter(is_configuration).take(8) {
            configurations.extend(found(name, MAX_JSON_BYTES)?);
        }
        Ok(Self {
            configurations,
            tokenizer_config: found(TOKENIZER_CONFIG_FILE, MAX_JSON_BYTES)?,
            tokenizer: found(TOKENIZER_FILE, MAX_JSON_BYTES)?,
            special_tokens: found(SPECIAL_TOKENS_FILE, MAX_JSON_BYTES)?,
            added_tokens: found(ADDED_TOKENS_FILE, MAX_JSON_BYTES)?,
            vocabulary: found(VOCABULARY_FILE, MAX_VOCABULARY_BYTES)?,
        })
    }

    /// Returns the configuration beside a TensorFlow checkpoint, and its file's name in error
    /// messages.
    ///
    /// # Errors
    /// If it describes a model with a different computation.
    pub fn settings(&self) -> Result<Option<(&str, Settings)>, Error> {
        for found in &self.configurations {
            if let Some(settings) = Settings::parse_beside(&found.file, &found.bytes)? {
                return Ok(Some((&found.file, settings)));
            }
        }
        Ok(None)
    }

    /// Returns the tokenizer settings in the files; `class` is the tokenizer class in the
    /// configuration.
    ///
    /// # Errors
    /// If the tokenizer is not one that this project reproduces, or the files contradict each
    /// other.
    pub fn tokenizer(&self, class: Option<(&str, &str)>) -> Result<Tokenizer, Error> {
        let stated = tokenizer::Stated {
            class,
            settings: parsed(self.tokenizer_config.as_ref())?,
            special: parsed(self.special_tokens.as_ref())?,
            added: parsed(self.added_tokens.as_ref())?.unwrap_or_default(),
            file: self.tokenizer_file()?,
        };
        Tokenizer::new(&|name| self.display(name), &stated)
    }

    /// Returns the files that state whether text is lower-cased, as named in error messages.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn case_files(&self) -> Result<Vec<String>, Error> {
        let mut files = Vec::new();
        if let Some(found) = &self.tokenizer_config
            && found.parse::<tokenizer::Settings>()?.says_case()
        {
            files.push(found.file.clone());
        }
        let normalizer = match (self.tokenizer_file()?, &self.tokenizer) {
            (Some(file), Some(found)) => file.check(&found.file)?.map(|said| (said, found)),
            _ => None,
        };
        if let Some((said, found)) = normalizer
            && said.lowercase.is_some()
        {
            files.push(found.file.clone());
        }
        Ok(files)
    }

    /// Returns the bytes of `vocab.txt`, or the vocabulary that `tokenizer.json` gives instead.
    ///
    /// # Errors
    /// If neither is a vocabulary, or the two differ.
    pub fn vocabulary(&self) -> Result<Option<Vec<u8>>, Error> {
        let file = self.tokenizer_file()?;
        if let Some(vocabulary) = &self.vocabulary {
            if let Some(file) = file {
                file.check_vocabulary(&|name| self.display(name), &vocabulary.bytes)?;
            }
            return Ok(Some(vocabulary.bytes.clone()));
        }
        match file {
            None => Ok(None),
            Some(file) => match file.vocabulary() {
                Some(words) => Ok(Some(words)),
                None => Err(Error::Numbers {
                    file: self.display(TOKENIZER_FILE),
                }),
            },
        }
    }

    fn tokenizer_file(&self) -> Result<Option<tokenizer_file::File>, Error> {
        parsed(self.tokenizer.as_ref())
    }

    /// Returns the name of a file in error messages.
    fn display(&self, name: &str) -> String {
        let found = match name {
            TOKENIZER_CONFIG_FILE => &self.tokenizer_config,
            TOKENIZER_FILE => &self.tokenizer,
            SPECIAL_TOKENS_FILE => &self.special_tokens,
            ADDED_TOKENS_FILE => &self.added_tokens,
            _ => &self.vocabulary,
        };
        found
            .as_ref()
            .map_or_else(|| name.to_owned(), |found| found.file.clone())
    }
}

/// Parses a file, if it exists.
fn parsed<T: serde::de::DeserializeOwned>(found: Option<&Found>) -> Result<Option<T>, Error> {
    found.map(Found::parse).transpose()
}

impl Found {
    fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        config::parse(&self.file, &self.bytes)
    }
}
