//! Which data set a file is of, told from its first line.

use std::path::Path;

use serde::{Deserialize, de::IgnoredAny};

use super::{Error, source::Lines};

/// Characters of an unknown file in the message about it.
const SHOWN: usize = 40;

/// The form of a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object with the key `data`: SQuAD 1.1 or 2.0, or QuAC.
    Json,
    /// JSON lines, plain or gzip.
    Mrqa,
    /// NewsQA's tokenised csv.
    NewsQa,
}

/// The keys that tell an MRQA line from a SQuAD file of one line.
#[derive(Deserialize)]
struct FirstLine {
    header: Option<IgnoredAny>,
    context: Option<IgnoredAny>,
}

/// Recognises a file.
///
/// # Errors
/// When it cannot be read, or is none of those.
pub fn recognise(path: &Path) -> Result<Format, Error> {
    let mut lines = Lines::open(path)?;
    let gzip = lines.gzip();
    let unknown = |found: String| Error::Unrecognised {
        file: path.display().to_string(),
        found,
    };
    while let Some((_, line)) = lines.next_line()? {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let object = line.starts_with('{');
        if object
            && let Ok(FirstLine { header, context }) = serde_json::from_str(line)
            && (header.is_some() || context.is_some())
        {
            return Ok(Format::Mrqa);
        }
        if gzip {
            return Err(unknown(
                "a gzip archive of something else than MRQA's lines; unpack it with gunzip first"
                    .to_owned(),
            ));
        }
        if object {
            return Ok(Format::Json);
        }
        if line
            .split(',')
            .any(|name| name.trim_matches('"') == "story_id")
        {
            return Ok(Format::NewsQa);
        }
        let begin: String = line.chars().take(SHOWN).collect();
        return Err(unknown(format!("a first line that begins with {begin:?}")));
    }
    Err(unknown("an empty file".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Format, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        std::fs::write(&path, text).unwrap();
        recognise(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn files_are_told_by_their_first_line() {
        assert_eq!(of("{\"version\": \"1.1\", \"data\": []}"), Ok(Format::Json));
        assert_eq!(of("\u{FEFF}\n{\n  \"data\": ["), Ok(Format::Json));
        let context = r#"{"id": "", "context": "header", "qas": []}"#;
        assert_eq!(of(context), Ok(Format::Mrqa));
        assert_eq!(of("{\"header\": {}}\n"), Ok(Format::Mrqa));
        let columns = "\"story_id\",story_text,question,answer_token_ranges\n";
        assert_eq!(of(columns), Ok(Format::NewsQa));
    }

    #[test]
    fn other_files_are_refused() {
        assert!(of(" \n\n").unwrap_err().contains("an empty file"));
        let message = of("[1, 2]").unwrap_err();
        assert!(message.contains("begins with \"[1, 2]\""), "{message}");
    }
}
