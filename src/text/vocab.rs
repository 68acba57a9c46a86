//! A vocabulary: `vocab.txt`, one token per line; the line number, from 0, is the id.
//!
//! Reads like BERT's loader: lines end only at `\n`, surrounding whitespace is not part of the
//! token, and if a token occurs twice its last line counts. Trailing blank lines, which editors
//! leave behind, are not tokens: no text could produce them.

use std::collections::HashMap;
use std::path::Path;

use super::normalizer::is_blank;
use crate::{
    counted::counted,
    data::{error::Error, source::read_text},
};

const ADVICE: &str = "use the vocab.txt that came with the pre-trained model, one token a line";

const RELEASED: &str = include_str!("../../assets/vocab.txt");

/// In a lower-cased vocabulary, fewer than one token in this many has a capital letter.
const FEW_CAPITALS: usize = 20;

/// Longest token shown in a warning, in characters.
const SHOWN_TOKEN: usize = 40;

/// Tokens and their ids.
#[derive(Debug, Clone)]
pub struct Vocab {
    tokens: Vec<String>,
    ids: HashMap<String, u32>,
    /// `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`.
    special: [u32; 4],
}

impl Vocab {
    /// Returns the vocabulary of every released English model, which is built into the program.
    ///
    /// # Errors
    /// Never: the built-in vocabulary is complete.
    pub fn released() -> Result<Self, Error> {
        Self::parse(RELEASED, "the program's vocabulary")
    }

    /// Reads a `vocab.txt`.
    ///
    /// # Errors
    /// If the file cannot be read, is not UTF-8, is empty, or lacks `[PAD]`, `[UNK]`, `[CLS]` or
    /// `[SEP]`.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(&read_text(path)?, &path.display().to_string())
    }

    /// Parses the bytes of a `vocab.txt` from `file`, which may be an archive.
    ///
    /// # Errors
    /// As for [`Vocab::read`].
    pub fn from_bytes(bytes: &[u8], file: &Path) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|error| Error::Vocab {
            file: file.display().to_string(),
            problem: format!(
                "expected UTF-8 text, found other bytes at byte {} of its vocab.txt",
                error.valid_up_to()
            ),
            advice: ADVICE,
        })?;
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        Self::parse(text, &file.display().to_string())
    }

    /// Parses the text of a `vocab.txt`; errors name `file`.
    ///
    /// # Errors
    /// As for [`Vocab::read`].
    pub fn parse(text: &str, file: &str) -> Result<Self, Error> {
        let broken = |problem: String| Error::Vocab {
            file: file.to_owned(),
            problem,
            advice: ADVICE,
        };
        let whole = text.trim_end_matches(is_blank);
        if whole.is_empty() {
            return Err(broken("it holds no token".to_owned()));
        }
        let after = text[whole.len()..].bytes().filter(|&b| b == b'\n').count();
        if after > 1 {
            log::warn!(
                "{file}: ignored {} at the end, which would be no token",
                counted(after - 1, "blank line")
            );
        }
        let tokens: Vec<String> = whole
            .split('\n')
            .map(|line| line.trim_matches(is_blank).to_owned())
            .collect();
        if u32::try_from(tokens.len()).is_err() {
            return Err(broken(format!("{} lines", tokens.len())));
        }
        let mut ids = HashMap::with_capacity(tokens.len());
        let mut first = None;
        for (id, token) in (0u32..).zip(&tokens) {
            if let Some(former) = ids.insert(token.clone(), id) {
                first.get_or_insert((token, former + 1, id + 1));
            }
        }
        if let Some((token, former, line)) = first {
            let token = shorten(token);
            match tokens.len() - ids.len() {
                1 => log::warn!(
                    "{file}: token {token:?} is on lines {former} and {line}; the last one counts"
                ),
                repeated => log::warn!(
                    "{file}: {repeated} lines repeat a token, the first of them line {line} with \
                     {token:?} of line {former}; of each token the last line counts"
                ),
            }
        }
        let special = |token: &str| {
            ids.get(token).copied().ok_or_else(|| {
                broken(format!(
                    "expected a line {token}, found none in {}",
                    counted(tokens.len(), "line")
                ))
            })
        };
        let special = [
            special("[PAD]")?,
            special("[UNK]")?,
            special("[CLS]")?,
            special("[SEP]")?,
        ];
        Ok(Vocab {
            tokens,
            ids,
            special,
        })
    }

    /// Checks the number of tokens against the model's embeddings; it may be lower.
    ///
    /// # Errors
    /// If there are more tokens than embeddings.
    pub fn check_size(&self, file: &Path, vocab_size: usize) -> Result<(), Error> {
        let file = file.display();
        if self.len() > vocab_size {
            return Err(Error::Vocab {
                file: file.to_string(),
                problem: format!(
                    "it holds {}, but the model has embeddings for {vocab_size} (vocab_size)",
                    counted(self.len(), "token")
                ),
                advice: ADVICE,
            });
        }
        if self.len() < vocab_size {
            log::warn!(
                "{file}: {}, where the model has embeddings for {vocab_size}; a truncated file \
                 or one of another model gives poor answers",
                counted(self.len(), "token")
            );
        }
        Ok(())
    }

    /// Applies [`capitals`] to these tokens.
    pub(crate) fn capitals(&self) -> Option<String> {
        capitals(self.tokens.iter().map(String::as_str))
    }

    /// Returns the number of ids, which is the number of lines without trailing blank ones.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Always false: an empty vocabulary is rejected.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Returns the token's id, or `None` if the vocabulary lacks it.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    /// Returns the token of an id, or `None` if the id is out of range.
    pub fn token(&self, id: u32) -> Option<&str> {
        self.tokens
            .get(usize::try_from(id).ok()?)
            .map(String::as_str)
    }

    /// Iterates over all tokens with the ids that a lookup returns.
    pub(super) fn ids(&self) -> impl Iterator<Item = (&str, u32)> {
        self.ids.iter().map(|(token, &id)| (token.as_str(), id))
    }

    #[cfg(test)]
    fn pad_id(&self) -> u32 {
        self.special[0]
    }

    pub fn unk_id(&self) -> u32 {
        self.special[1]
    }

    pub fn cls_id(&self) -> u32 {
        self.special[2]
    }

    pub fn sep_id(&self) -> u32 {
        self.special[3]
    }
}

/// Warns if many of a vocabulary's tokens have capital letters, which lower-cased text never
/// contains.
pub fn capitals<'a>(tokens: impl Iterator<Item = &'a str>) -> Option<String> {
    let in_brackets = |token: &str| token.starts_with('[') && token.ends_with(']');
    let (mut capitals, mut all) = (0, 0);
    for token in tokens.map(|token| token.trim_matches(is_blank)) {
        all += 1;
        capitals += usize::from(token.chars().any(char::is_uppercase) && !in_brackets(token));
    }
    (capitals * FEW_CAPITALS > all).then(|| {
        format!("{capitals} of {all} tokens have capitals, which lower-cased text never reaches")
    })
}

/// Describes the first difference between the vocabulary in the text `own` and that in `other`;
/// `None` if they have the same tokens in the same order.
pub fn difference(own: &str, other: &str) -> Option<String> {
    let tokens = |text| -> Vec<&str> {
        let text = str::strip_prefix(text, '\u{FEFF}').unwrap_or(text);
        let lines = text.trim_end_matches(is_blank).split('\n');
        lines.map(|line| line.trim_matches(is_blank)).collect()
    };
    let (own, other) = (tokens(own), tokens(other));
    if own.len() != other.len() {
        let (own, other) = (own.len(), other.len());
        return Some(format!("{own} tokens in its vocabulary, not {other}"));
    }
    let line = own.iter().zip(&other).position(|(a, b)| a != b)?;
    let (own, other) = (shorten(own[line]), shorten(other[line]));
    let line = line + 1;
    Some(format!(
        "{own:?} on line {line} of its vocabulary, not {other:?}"
    ))
}

fn shorten(token: &str) -> String {
    match token.char_indices().nth(SHOWN_TOKEN) {
        Some((end, _)) => format!("{}…", &token[..end]),
        None => token.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_line_numbers_and_whitespace_is_stripped() {
        let vocab =
            Vocab::parse("[PAD]\r\n[UNK] \n\n[CLS]\t\n[SEP]\nthe\nthe\u{2028}of", "v").unwrap();
        assert_eq!(vocab.len(), 7);
        assert_eq!(
            [
                vocab.pad_id(),
                vocab.unk_id(),
                vocab.cls_id(),
                vocab.sep_id()
            ],
            [0, 1, 3, 4]
        );
        assert_eq!(vocab.id("the"), Some(5));
        assert_eq!(vocab.id("the\u{2028}of"), Some(6));
        assert_eq!(vocab.token(2), Some(""));
        assert_eq!(vocab.token(7), None);
        assert_eq!(vocab.id("of"), None);
    }

    #[test]
    fn the_last_of_two_equal_tokens_counts() {
        let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\nx\ny\nx\n", "v").unwrap();
        assert_eq!(vocab.id("x"), Some(6));
        assert_eq!(vocab.token(4), Some("x"));
    }

    #[test]
    fn vocabularies_are_compared_by_their_tokens() {
        let own = "[PAD]\n[UNK]\nthe\n";
        for same in ["[PAD]\r\n[UNK]\r\nthe", "\u{FEFF}[PAD]\n[UNK]\nthe\n\n \n"] {
            assert_eq!(difference(own, same), None, "{same:?}");
        }
        assert_eq!(
            difference(own, "[PAD]\nthe\n[UNK]").unwrap(),
            "\"[UNK]\" on line 2 of its vocabulary, not \"the\""
        );
        assert_eq!(
            difference(own, "[PAD]\n[UNK]").unwrap(),
            "3 tokens in its vocabulary, not 2"
        );
    }

    #[test]
    fn many_capitals_are_told() {
        let few = ["[PAD]", "The"].into_iter().chain(["the"; 38]);
        assert_eq!(capitals(few), None);
        assert_eq!(
            capitals(["[PAD]", "The", "the"].into_iter()).unwrap(),
            "1 of 3 tokens have capitals, which lower-cased text never reaches"
        );
    }

    #[test]
    fn blank_lines_at_the_end_are_no_tokens() {
        let text = "[PAD]\n[UNK]\n\n[CLS]\n[SEP]\nx";
        for end in ["", "\n", "\n\n", "\r\n \r\n\t\n", &"\n".repeat(1000)] {
            let vocab = Vocab::parse(&format!("{text}{end}"), "v").unwrap();
            assert_eq!((vocab.len(), vocab.id("x")), (6, Some(5)), "{end:?}");
            vocab.check_size(Path::new("v"), 6).unwrap();
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for text in ["", "\n", " \n\n"] {
            let message = Vocab::parse(text, "some/vocab.txt")
                .unwrap_err()
                .to_string();
            assert!(
                message.contains("some/vocab.txt") && message.contains("no token"),
                "{message}"
            );
        }
        for token in ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] {
            let text = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nx\n".replace(token, "y");
            let message = Vocab::parse(&text, "some/vocab.txt")
                .unwrap_err()
                .to_string();
            assert!(
                message.contains("some/vocab.txt") && message.contains(token),
                "{message}"
            );
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vocab.txt");
        std::fs::write(&path, b"[PAD]\n[UNK]\n\xFF\xFE\n").unwrap();
        let message = Vocab::read(&path).unwrap_err().to_string();
        assert!(
            message.contains("vocab.txt") && message.contains("line 3"),
            "{message}"
        );
        assert!(Vocab::read(&folder.path().join("none.txt")).is_err());
    }
}
