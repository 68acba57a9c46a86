//! Detects what a file contains from its beginning.

use std::path::Path;

use csv::ReaderBuilder;
use serde_json::{Map, Value};

use crate::{
    data::{line_reader::LineReader, split::Split},
    tasks::{
        classification::{table::Format, table_kind::has_texts},
        description::OTHER_NAMES_OF_DEV,
        tagging::{rules::Rules, tag::Tag},
    },
    text::normalizer::is_blank,
};

/// Number of lines with words to examine.
const LINES: usize = 50;

/// Keys and columns that only files of questions have.
const OF_QUESTIONS: [&str; 6] = [
    "context",
    "paragraphs",
    "data",
    "qas",
    "header",
    "story_text",
];

/// What a file contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    Questions,
    Texts,
    Words,
    Unknown,
}

impl Contents {
    /// Examines the beginning of a file; unreadable files are unknown.
    pub fn of(path: &Path, split: Split) -> Self {
        look(path, split).unwrap_or(Self::Unknown)
    }
}

fn look(path: &Path, split: Split) -> Option<Contents> {
    let mut lines = LineReader::open(path).ok()?;
    let first = lines.skip_blanks().ok()??;
    let json = match first {
        b'{' => lines.next_line().ok()??.1.to_owned(),
        b'[' => first_element(&lines.rest().ok()?)?,
        _ => return of_text(lines, path, split),
    };
    let Ok(object) = serde_json::from_str::<Map<String, Value>>(&json) else {
        // A document that spans lines, or a damaged row, recognised by its keys.
        let has = |keys: &[&str]| keys.iter().any(|key| json.contains(&format!("\"{key}\"")));
        let is_row = !has(&OF_QUESTIONS) && has(&["text", "sentence", "label"]);
        return is_row.then_some(Contents::Texts);
    };
    let names: Vec<String> = object.keys().cloned().collect();
    if of_questions(&names) {
        return Some(Contents::Questions);
    }
    let words = ["tokens", "words"];
    if words
        .iter()
        .any(|key| matches!(object.get(*key), Some(Value::Array(_))))
    {
        return Some(Contents::Words);
    }
    // The reader of tables reports a missing column.
    let is_table = has_texts(&names, Format::Json, split) || has_label(&names);
    is_table.then_some(Contents::Texts)
}

/// Returns whether a column is named like a label, and none like a part of a question.
fn has_label(names: &[String]) -> bool {
    let labels = ["label", "labels", "score"];
    names.iter().any(|name| labels.contains(&name.as_str())) && !asks(names)
}

/// Returns whether a column is named like a part of a question.
fn asks(names: &[String]) -> bool {
    let parts = ["question", "answers"];
    names.iter().any(|name| parts.contains(&name.as_str()))
}

/// Returns the first element of a JSON list.
fn first_element(list: &str) -> Option<String> {
    let behind = list.strip_prefix('[')?;
    let mut values = serde_json::Deserializer::from_str(behind).into_iter::<Map<String, Value>>();
    let object = values.next()?.ok()?;
    serde_json::to_string(&object).ok()
}

fn of_questions(names: &[String]) -> bool {
    names
        .iter()
        .any(|name| OF_QUESTIONS.contains(&name.as_str()))
}

/// Returns the columns of a header with semicolons or tabs as separators.
fn by_other_separators(header: &str) -> Vec<String> {
    let cells = header.split([';', '\t']);
    cells
        .map(|cell| cell.trim().trim_matches('"').to_owned())
        .collect()
}

/// Detects the contents of a file that is not JSON: a table, or one word per line.
fn of_text(mut lines: LineReader, path: &Path, split: Split) -> Option<Contents> {
    let first = lines.next_line().ok()??.1.to_owned();
    let format = Format::of(path).ok();
    let names: Vec<String> = match format {
        Some(Format::Tsv) => first
            .split('\t')
            .map(|name| name.trim().to_owned())
            .collect(),
        Some(Format::Csv) => match header(&first) {
            // The reader of questions reports the wrong separator.
            Some(names) if names.len() == 1 && of_questions(&by_other_separators(&first)) => {
                return Some(Contents::Questions);
            }
            Some(names) => names,
            // A damaged header.
            None if OF_QUESTIONS.iter().any(|part| first.contains(part)) => return None,
            None => return Some(Contents::Texts),
        },
        _ => header(&first)?,
    };
    if of_questions(&names) {
        return Some(Contents::Questions);
    }
    if let Some(format @ (Format::Tsv | Format::Csv)) = format
        && has_texts(&names, format, split)
    {
        return Some(Contents::Texts);
    }
    // Nothing else is csv, and the reader of tables reports a missing column.
    let is_table = match format {
        Some(Format::Csv) => !asks(&names),
        Some(Format::Tsv) => has_label(&names),
        _ => false,
    };
    if is_table {
        return Some(Contents::Texts);
    }
    let mut words = usize::from(is_word(&first)?);
    while let Ok(Some((_, line))) = lines.next_line() {
        words += usize::from(is_word(line)?);
        if words >= LINES {
            break;
        }
    }
    (words > 0).then_some(Contents::Words)
}

/// Parses the cells of a csv header.
fn header(line: &str) -> Option<Vec<String>> {
    let mut rows = ReaderBuilder::new()
        .has_headers(false)
        .from_reader(line.as_bytes());
    let row = rows.records().next()?.ok()?;
    Some(row.iter().map(|name| name.trim().to_owned()).collect())
}

/// Returns whether a line has a word and a tag; `None` if it cannot be part of a file of tagged
/// words.
fn is_word(line: &str) -> Option<bool> {
    let cells: Vec<&str> = line
        .split(is_blank)
        .filter(|cell| !cell.is_empty())
        .collect();
    match cells.as_slice() {
        [] => Some(false),
        ["-DOCSTART-", ..] => Some(false),
        [_, .., tag] => Tag::parse(tag, Rules::Usual).ok().map(|_| true),
        [_] => None,
    }
}

/// Returns the split of a file according to its name.
pub(super) fn split_of(path: &Path) -> Option<Split> {
    let name = path.file_name()?.to_str()?;
    let stem = name.split('.').next()?;
    match OTHER_NAMES_OF_DEV.contains(&stem) {
        true => Some(Split::Dev),
        false => stem.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_shows_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text, expected) in [
            ("a.json", "{\"data\": []}", Contents::Questions),
            (
                "a.jsonl",
                "{\"id\": 1, \"context\": \"\"}\n",
                Contents::Questions,
            ),
            (
                "a.csv",
                "id,context,question,answers\n",
                Contents::Questions,
            ),
            ("a.json", "{\n\"version\": 1}", Contents::Unknown),
            ("a.csv", "label,text\n1,a\n", Contents::Texts),
            ("a.tsv", "sentence1\tsentence2\tlabel\n", Contents::Texts),
            (
                "a.json",
                " [{\"text\": \"a\", \"label\": 1},",
                Contents::Texts,
            ),
            (
                "a.jsonl",
                "{\"tokens\": [\"a\"], \"tags\": [\"O\"]}\n",
                Contents::Words,
            ),
            (
                "a.conll",
                "\nAda NNP B-PER\n-DOCSTART-\n\n, , O\n",
                Contents::Words,
            ),
            ("a.tsv", "Ada\tB-PER\n", Contents::Words),
            ("a.txt", "label,text\n", Contents::Unknown),
            ("a.csv", "body,label\n", Contents::Texts),
            ("a.csv", "body,\"lab\nel\n", Contents::Texts),
            ("a.tsv", "body\tlabel\n", Contents::Texts),
            (
                "a.jsonl",
                "{\"body\": \"a\", \"label\": 1}\n",
                Contents::Texts,
            ),
            (
                "a.jsonl",
                "{\"text\": \"a\", \"label\": \n",
                Contents::Texts,
            ),
            ("a.csv", "id,passage,question,answers\n", Contents::Unknown),
            (
                "a.csv",
                "story_id;question;story_text\n",
                Contents::Questions,
            ),
            ("a.csv", "\"id\"\t\"context\"\n", Contents::Questions),
            ("a.csv", "metadata\n1\n", Contents::Texts),
            ("a.txt", "some prose\n", Contents::Unknown),
            ("a.txt", "", Contents::Unknown),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            assert_eq!(
                Contents::of(&path, Split::Train),
                expected,
                "{name}: {text}"
            );
        }
        // A test file has no labels.
        let path = folder.path().join("test.csv");
        std::fs::write(&path, "text\na\n").unwrap();
        assert_eq!(split_of(&path), Some(Split::Test));
        assert_eq!(Contents::of(&path, Split::Test), Contents::Texts);
        assert_eq!(
            Contents::of(Path::new("none.csv"), Split::Test),
            Contents::Unknown
        );
        assert_eq!(split_of(Path::new("validation.jsonl.gz")), Some(Split::Dev));
        assert_eq!(split_of(Path::new("mine.csv")), None);
    }
}
