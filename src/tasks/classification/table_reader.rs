//! People's own tables → examples, and the labels that a train file has.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use super::{
    columns::{Columns, has_header},
    error::{Error, Place},
    example::{Example, Examples},
    labels::Labels,
    table::{self, Format, Row},
    task::{DEBUG_LINES, ReadOptions},
};
use crate::{
    data::split::Split,
    tasks::description::{Description, Kind},
};

/// Classes that a label's column may have where nobody names them; a column with more is most
/// likely one of texts or numbers.
const MOST_CLASSES: usize = 1000;

/// The labels of a train file, sorted: by value if all are whole numbers.
///
/// # Errors
/// When the file cannot be read, or has fewer than two labels.
pub(super) fn labels(train: &Path, description: &Description) -> Result<Labels, Error> {
    let mut names = BTreeSet::new();
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut rows = Rows::of(train, Split::Train, description)?;
    let file = rows.file.clone();
    rows.read(&mut |cells| {
        let label = cells.label(description.kind)?;
        match description.kind {
            Kind::Regression => {
                let number = number(&label).ok_or_else(|| {
                    cells.wrong("label", "a number", format!("{label:?}"), NUMBER_ADVICE)
                })?;
                (min, max) = (min.min(number), max.max(number));
            }
            Kind::Classification | Kind::Tagging => drop(names.insert(label)),
        }
        if names.len() <= MOST_CLASSES {
            return Ok(());
        }
        Err(Error::Table {
            file: cells.file.to_owned(),
            expected: format!("at most {MOST_CLASSES} different labels"),
            found: "more".to_owned(),
            advice:
                "check which column is the label; if it is the right one, list its \"labels\" in \
                     task.json, or make the kind regression"
                    .to_owned(),
        })
    })?;
    if description.kind == Kind::Regression {
        if min < max {
            return Ok(Labels::Range { min, max });
        }
        return Err(Error::Table {
            file,
            expected: "different numbers to learn from".to_owned(),
            found: match min.is_finite() {
                true => format!("only {min}"),
                false => "none".to_owned(),
            },
            advice: "give another file, or the \"range\" of the numbers in task.json".to_owned(),
        });
    }
    let mut names: Vec<String> = names.into_iter().collect();
    if names.len() < 2 {
        return Err(Error::Table {
            file,
            expected: "at least two different labels to tell apart".to_owned(),
            found: names
                .first()
                .map_or("none".to_owned(), |name| format!("only {name:?}")),
            advice: "give another file, or check which column is the label".to_owned(),
        });
    }
    let whole: Option<Vec<i64>> = names.iter().map(|name| name.parse().ok()).collect();
    if whole.is_some() {
        names.sort_by_key(|name| name.parse::<i64>().unwrap_or_default());
    }
    Ok(Labels::Classes(names))
}

/// The examples of a file. `strict` refuses numbers outside the range of the labels.
///
/// The labels of a test file are used if all are known; otherwise it counts as one without.
///
/// # Errors
/// When the file cannot be read, or a row lacks its text or has a label that is none.
pub(super) fn read(
    path: &Path,
    split: Split,
    description: &Description,
    labels: &Labels,
    strict: bool,
    options: ReadOptions,
) -> Result<Examples, Error> {
    let mut rows = Rows::of(path, split, description)?;
    let file = rows.file.clone();
    let mut all = Examples::default();
    let (mut unknown, mut empty, mut number) = (None, 0, 0);
    rows.read(&mut |cells| {
        let eid = number;
        number += 1;
        if options.debug && eid as usize >= DEBUG_LINES {
            return Ok(());
        }
        let gold = match cells.label(description.kind) {
            Ok(label) => {
                let gold = match strict {
                    true => labels.gold_in_range(&label),
                    false => labels.gold(&label),
                };
                gold.ok_or_else(|| {
                    let advice = match description.labels.is_some() || description.range.is_some() {
                        true => "correct it, or task.json",
                        false => {
                            "correct it, or add such examples to the train file, whose labels \
                                  these are"
                        }
                    };
                    cells.wrong("label", &labels.expected(), format!("{label:?}"), advice)
                })
            }
            Err(error) => Err(error),
        };
        let gold = match gold {
            Ok(gold) => gold,
            Err(error) if split == Split::Test => {
                unknown.get_or_insert(error);
                labels.dummy()
            }
            Err(error) => return Err(error),
        };
        let text_a = cells.text("text", cells.text_a)?;
        let text_a = text_a.ok_or_else(|| {
            cells.wrong(
                "text",
                "a text",
                "none".to_owned(),
                "remove the row, or give it a text",
            )
        })?;
        empty += usize::from(text_a.trim().is_empty());
        let text_b = match cells.text_b {
            Some(cell) => cells.text("text_b", cell)?,
            None => None,
        };
        all.examples.push(Example {
            eid,
            id: cells.id()?,
            text_a: text_a.to_owned(),
            text_b: text_b.map(str::to_owned),
            gold,
        });
        Ok(())
    })?;
    all.labelled = unknown.is_none() && !all.examples.is_empty();
    if let Some(error) = unknown.filter(|_| rows.labelled) {
        log::warn!("{file} counts as a test file without labels: {error}");
    }
    if empty > 0 {
        log::warn!(
            "{file}: {empty} rows have an empty text; the model learns the label of nothing"
        );
    }
    warn_of_repeated_ids(&all, &file);
    Ok(all)
}

/// Numbers as people write them, and no others.
fn number(label: &str) -> Option<f64> {
    let number: f64 = label.trim().parse().ok()?;
    number.is_finite().then_some(number)
}

const NUMBER_ADVICE: &str = "correct it, or make the kind in task.json classification";

/// A table whose columns are known.
struct Rows<'a> {
    path: &'a Path,
    file: String,
    split: Split,
    description: &'a Description,
    format: Format,
    header: bool,
    /// Whether there is a column of labels.
    labelled: bool,
}

impl<'a> Rows<'a> {
    fn of(path: &'a Path, split: Split, description: &'a Description) -> Result<Self, Error> {
        let file = path.display().to_string();
        let format = Format::of(path)?;
        let header = has_header(description, format, &file)?;
        Ok(Self {
            path,
            file,
            split,
            description,
            format,
            header,
            labelled: false,
        })
    }

    fn read(&mut self, take: &mut dyn FnMut(Cells<'_>) -> Result<(), Error>) -> Result<(), Error> {
        let chosen = std::cell::Cell::new(None);
        let (file, description) = (self.file.as_str(), self.description);
        let mut choose = |names: &[String]| {
            let columns = Columns::choose(description, names, self.format, self.split, file)?;
            log::info!("{file}: {}", columns.line(names));
            chosen.set(Some(columns));
            Ok(columns.places())
        };
        let mut hand_on = |row: Row| {
            let columns = chosen.get();
            columns.map_or(Ok(()), |columns| take(Cells::new(file, &row, columns)))
        };
        table::read(
            self.path,
            self.format,
            self.header,
            &mut choose,
            &mut hand_on,
        )?;
        self.labelled = chosen
            .get()
            .is_some_and(|columns: Columns| columns.label.is_some());
        Ok(())
    }
}

/// The cells of a row by what they hold.
struct Cells<'a> {
    file: &'a str,
    place: Place,
    text_a: &'a Value,
    text_b: Option<&'a Value>,
    label: Option<&'a Value>,
    id: Option<&'a Value>,
}

impl<'a> Cells<'a> {
    /// The cells in the order of [`Columns::places`].
    fn new(file: &'a str, row: &'a Row, columns: Columns) -> Self {
        let mut cells = row.cells.iter();
        let text_a = cells.next().unwrap_or(&Value::Null);
        let mut next = |there: bool| if there { cells.next() } else { None };
        Self {
            file,
            place: row.place,
            text_a,
            text_b: next(columns.text_b.is_some()),
            label: next(columns.label.is_some()),
            id: next(columns.id.is_some()),
        }
    }

    /// A text; none where JSON has null.
    fn text(&self, key: &str, cell: &'a Value) -> Result<Option<&'a str>, Error> {
        match cell {
            Value::String(text) => Ok(Some(text)),
            Value::Null => Ok(None),
            other => Err(self.wrong(key, "a text", kind(other).to_owned(), "put it in quotes")),
        }
    }

    /// The label's text: that of a truth value or a whole number in JSON, too.
    fn label(&self, task: Kind) -> Result<String, Error> {
        let numbers = task == Kind::Regression;
        let expected = match numbers {
            true => "a number",
            false => "a text, a whole number, true or false",
        };
        let lacking = || {
            let advice = "give every row a label, or remove the row";
            self.wrong("label", expected, "none".to_owned(), advice)
        };
        match self.label {
            None | Some(Value::Null) => Err(lacking()),
            Some(Value::String(text)) => match text.trim() {
                "" => Err(lacking()),
                label => Ok(label.to_owned()),
            },
            Some(Value::Number(number)) if numbers || !number.is_f64() => Ok(number.to_string()),
            Some(Value::Bool(label)) if !numbers => Ok(label.to_string()),
            Some(other) => {
                let found = match other {
                    Value::Number(number) => format!("the number {number}"),
                    other => kind(other).to_owned(),
                };
                let advice = match numbers {
                    true => NUMBER_ADVICE,
                    false => "write labels as texts, or make the kind in task.json regression",
                };
                Err(self.wrong("label", expected, found, advice))
            }
        }
    }

    fn id(&self) -> Result<Option<String>, Error> {
        match self.id {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(id)) => Ok(Some(id.clone())),
            Some(Value::Number(id)) if !id.is_f64() => Ok(Some(id.to_string())),
            Some(other) => {
                let expected = "a text or a whole number";
                let advice = "write ids as texts, or take \"id\" out of task.json";
                Err(self.wrong("id", expected, kind(other).to_owned(), advice))
            }
        }
    }

    fn wrong(&self, key: &str, expected: &str, found: String, advice: &str) -> Error {
        let found: String = found.chars().take(80).collect();
        Error::Row {
            file: self.file.to_owned(),
            place: self.place,
            expected: format!("{expected} as {key}"),
            found,
            advice: advice.to_owned(),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn warn_of_repeated_ids(all: &Examples, file: &str) {
    let mut seen = std::collections::HashSet::new();
    let ids = all
        .examples
        .iter()
        .filter_map(|example| example.id.as_deref());
    let repeated: Vec<&str> = ids.filter(|id| !seen.insert(*id)).collect();
    if let Some(first) = repeated.first() {
        log::warn!(
            "{file}: {} rows have the id of an earlier one (the first is {first})",
            repeated.len()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::classification::{labels::Gold, task::ClassificationTask};

    /// Reads files of a folder by a description, the split last named.
    fn read(
        description: &str,
        files: &[(&str, &str)],
        split: &str,
    ) -> Result<(ClassificationTask, Examples), String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let shown = |error: Error| error.to_string();
        std::fs::write(folder.path().join("task.json"), description).unwrap();
        let task = ClassificationTask::open("mine", folder.path(), None).map_err(shown)?;
        let split = task.split(split).map_err(shown)?;
        let file = task.file(folder.path(), split).map_err(shown)?;
        let examples = task.read(&file, split, ReadOptions::default());
        Ok((task, examples.map_err(shown)?))
    }

    const CLASSES: &str = r#"{"kind": "classification"}"#;
    const NUMBERS: &str = r#"{"kind": "regression"}"#;

    #[test]
    fn every_format_gives_the_same_examples() {
        let csv = "text,label\r\n\"Old, \"\"tall\"\" oak\",yes\r\n\r\nElm,no\r\n";
        let tsv = "text\tlabel\nOld, \"tall\" oak\tyes\nElm\tno\n";
        let lines = "{\"text\": \"Old, \\\"tall\\\" oak\", \"label\": \"yes\"}\n\n{\"label\": \"no\", \"text\": \"Elm\"}\n";
        let list =
            r#"[{"text": "Old, \"tall\" oak", "label": "yes"}, {"text": "Elm", "label": "no"}]"#;
        let headless = "\u{FEFF}Old, \"tall\" oak\tyes\r\nElm\tno\r\n";
        let numbers = r#"{"kind": "classification", "text": 0, "label": 1, "header": false}"#;
        for (description, name, text) in [
            (CLASSES, "train.csv", csv),
            (CLASSES, "train.tsv", tsv),
            (CLASSES, "train.jsonl", lines),
            (CLASSES, "train.json", lines),
            (CLASSES, "train.json", list),
            (numbers, "train.tsv", headless),
            (
                numbers,
                "train.csv",
                "\"Old, \"\"tall\"\" oak\",yes\nElm,no",
            ),
        ] {
            let (task, read) = read(description, &[(name, text)], "train").unwrap();
            let shown: Vec<_> = read
                .examples
                .iter()
                .map(|example| (example.eid, example.text_a.as_str(), example.gold))
                .collect();
            let expected = [
                (0, "Old, \"tall\" oak", Gold::Class(1)),
                (1, "Elm", Gold::Class(0)),
            ];
            assert_eq!(shown, expected, "{name}");
            assert_eq!(task.labels.expected(), "one of \"no\", \"yes\"");
            assert!(read.labelled);
        }
    }

    #[test]
    fn packed_files_and_pairs_are_read() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let text = "idx,sentence1,sentence2,label\n7,A,B,1\n8,C,D,0\n";
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        let path = folder.path().join("train.csv.gz");
        std::fs::write(path, packed.finish().unwrap()).unwrap();
        let description = r#"{"kind": "classification", "id": "idx"}"#;
        let description = Description::parse(description, "d").unwrap();
        let task = ClassificationTask::own("mine", description, folder.path(), None).unwrap();
        let split = task.split("train").unwrap();
        let file = task.file(folder.path(), split).unwrap();
        let read = task.read(&file, split, ReadOptions::default()).unwrap();
        assert_eq!(read.examples[0].text_b.as_deref(), Some("B"));
        assert_eq!(read.examples[1].id.as_deref(), Some("8"));
        assert_eq!(read.examples[0].gold, Gold::Class(1));
    }

    #[test]
    fn truth_values_and_whole_numbers_are_labels_by_their_text() {
        let lines = "{\"text\": \"a\", \"label\": true}\n{\"text\": \"b\", \"label\": 10}\n{\"text\": \"c\", \"label\": 9}\n";
        let (task, _) = read(CLASSES, &[("train.jsonl", lines)], "train").unwrap();
        assert_eq!(task.labels.expected(), "one of \"10\", \"9\", \"true\"");
        let lines = "{\"text\": \"a\", \"label\": 1.5}\n{\"text\": \"b\", \"label\": \"4\"}\n{\"text\": \"c\", \"label\": 2}\n";
        let (task, read) = read(NUMBERS, &[("train.jsonl", lines)], "train").unwrap();
        assert_eq!(task.labels, Labels::Range { min: 1.5, max: 4.0 });
        assert_eq!(read.examples[2].gold, Gold::Value(0.2));
    }

    #[test]
    fn a_test_file_may_lack_labels() {
        let train = ("train.csv", "text,label\na,x\nb,y\n");
        for (test, labelled) in [
            ("text\na\nb\n", false),
            ("text,label\na,y\nb,x\n", true),
            ("text,label\na,-1\nb,-1\n", false),
            ("text,label\na,\nb,\n", false),
        ] {
            let (_, read) = read(CLASSES, &[train, ("test.csv", test)], "test").unwrap();
            assert_eq!(
                (read.examples.len(), read.labelled),
                (2, labelled),
                "{test}"
            );
        }
        // Numbers beyond those of the train file are no error unless a range is given.
        let files = [
            ("train.csv", "text,label\na,1\nb,3\n"),
            ("dev.csv", "text,label\na,5\n"),
        ];
        let (_, dev) = read(NUMBERS, &files, "dev").unwrap();
        assert_eq!(dev.examples[0].gold, Gold::Value(2.0));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place_and_what_to_do() {
        let good = "text,label\na,x\nb,y\n";
        let ranged = r#"{"kind": "regression", "range": [1, 3]}"#;
        let own = r#"{"kind": "classification", "labels": ["x", "y"]}"#;
        let numbers = r#"{"kind": "classification", "text": 0, "label": 1}"#;
        let many: String = (0..1001).map(|n| format!("a,{n}\n")).collect();
        let many = format!("text,label\n{many}");
        let cases: &[(&str, &str, &str, &[&str])] = &[
            (
                CLASSES,
                "train.txt",
                good,
                &["train.tsv, train.csv", "task.json"],
            ),
            (
                CLASSES,
                "train.csv",
                "",
                &["train.csv", "two different labels", "none"],
            ),
            (
                CLASSES,
                "train.csv",
                "text,label\n",
                &["two different labels", "none"],
            ),
            (
                CLASSES,
                "train.csv",
                "text,label\na,x\n",
                &["only \"x\"", "label"],
            ),
            (
                CLASSES,
                "train.csv",
                "text,class\na,x\n",
                &["\"label\"", "\"class\""],
            ),
            (
                CLASSES,
                "train.csv",
                "body,label\na,x\n",
                &["\"body\"", "\"text\": COLUMN"],
            ),
            (
                CLASSES,
                "train.csv",
                "text,label\na,x\nb\n",
                &["line 3", "2 columns", "found 1"],
            ),
            (
                CLASSES,
                "train.csv",
                "text,label\na,x\nb,\n",
                &["line 3", "as label", "found none"],
            ),
            (
                CLASSES,
                "train.csv",
                "text,label\na,x\nb\0,y\n",
                &["line 3", "NUL", "column 1"],
            ),
            (
                CLASSES,
                "train.csv",
                "text,label\na,x\n\"b,y\n",
                &["line 3", "column"],
            ),
            (CLASSES, "train.csv", &many, &["at most 1000", "regression"]),
            (
                CLASSES,
                "train.tsv",
                "text\tlabel\na\tx\nb\n",
                &["line 3", "2 columns", "found 1"],
            ),
            (
                CLASSES,
                "train.tsv",
                "text\tlabel\na\tx\nb\rc\ty\n",
                &["line 3", "carriage"],
            ),
            (
                CLASSES,
                "train.tsv",
                "text\tlabel\na\tx\n\0\ty\n",
                &["train.tsv", "NUL"],
            ),
            (
                CLASSES,
                "train.tsv",
                "text,label\na,x\n",
                &["\"text,label\"", "text"],
            ),
            (
                numbers,
                "train.tsv",
                "a\tx\n",
                &["\"header\": true", "task.json"],
            ),
            (
                CLASSES,
                "train.jsonl",
                "{\"text\": \"a\"\n",
                &["line 1", "object"],
            ),
            (
                CLASSES,
                "train.jsonl",
                "[1]\n",
                &["line 1", "map", "one list"],
            ),
            (
                CLASSES,
                "train.jsonl",
                "\"a\"\n",
                &["line 1", "JSON object"],
            ),
            (
                CLASSES,
                "train.jsonl",
                "{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": 5, \"label\": \"y\"}\n",
                &["line 2", "as text", "a number"],
            ),
            (
                CLASSES,
                "train.jsonl",
                "{\"text\": \"a\", \"label\": \"x\"}\n{\"label\": \"y\"}\n",
                &["line 2", "as text", "none"],
            ),
            (
                CLASSES,
                "train.json",
                "[{\"text\": \"a\", \"label\": \"x\"}, {\"text\": \"b\", \"label\": null}]",
                &["row 2 of the list", "as label", "none"],
            ),
            (
                CLASSES,
                "train.jsonl",
                "{\"text\": \"a\", \"label\": 1.5}\n",
                &["line 1", "the number 1.5", "regression"],
            ),
            (
                CLASSES,
                "train.jsonl",
                "{\"text\": \"a\", \"label\": [\"x\"]}\n",
                &["line 1", "a list", "whole number"],
            ),
            (
                numbers,
                "train.jsonl",
                "{\"text\": \"a\"}\n",
                &["number 0", "by its name"],
            ),
            (
                NUMBERS,
                "train.csv",
                "text,label\na,1\nb,two\n",
                &["line 3", "\"two\"", "classification"],
            ),
            (
                NUMBERS,
                "train.csv",
                "text,label\na,2\nb,2\n",
                &["only 2", "range"],
            ),
            (
                ranged,
                "train.csv",
                "text,label\na,1\nb,3.5\n",
                &["line 3", "from 1 to 3", "\"3.5\""],
            ),
            (
                own,
                "train.csv",
                "text,label\na,x\nb,z\n",
                &["line 3", "\"z\"", "task.json"],
            ),
        ];
        for (description, name, text, parts) in cases {
            let message = read(description, &[(name, text)], "train").unwrap_err();
            for part in *parts {
                assert!(message.contains(part), "{part:?} is not in {message}");
            }
        }
        let dev = ("dev.csv", "text,label\na,x\nb,z\n");
        let message = read(CLASSES, &[("train.csv", good), dev], "dev").unwrap_err();
        for part in [
            "dev.csv",
            "line 3",
            "\"z\"",
            "one of \"x\", \"y\"",
            "train file",
        ] {
            assert!(message.contains(part), "{part:?} is not in {message}");
        }
    }
}
