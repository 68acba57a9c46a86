//! Users' own tables → examples.

use std::{collections::HashSet, path::Path};

use super::{
    error::Error,
    example::{Example, Examples},
    labels::{Gold, Labels},
    read_options::{DEBUG_LINES, ReadOptions},
    rows::{Cells, Rows},
};
use crate::{
    counted::counted, data::split::Split, eval::taken::Taken, tasks::description::Description,
};

/// Reads the examples of a file. Numbers outside a range given by the description are rejected.
///
/// The labels of a test file are used if all of them are known; otherwise it is treated as
/// unlabelled.
///
/// # Errors
/// If the file cannot be read, or a row lacks its text or has an invalid label.
pub(super) fn read(
    path: &Path,
    split: Split,
    description: &Description,
    labels: &Labels,
    options: ReadOptions,
) -> Result<Examples, Error> {
    let mut rows = Rows::of(path, split, description)?;
    let mut all = Examples::default();
    let (mut unknown, mut empty, mut eid) = (None, 0, 0);
    rows.read(&mut |cells| {
        if options.debug && eid as usize >= DEBUG_LINES {
            return Ok(());
        }
        let gold = match gold(&cells, description, labels) {
            Ok(gold) => gold,
            Err(error) if split == Split::Test => {
                unknown.get_or_insert(error);
                labels.dummy()
            }
            Err(error) => return Err(error),
        };
        let text_a = cells.text_a()?;
        let text_b = cells.text_b()?;
        let is_empty = |text: &str| text.trim().is_empty();
        empty += usize::from(is_empty(text_a) || text_b.is_some_and(is_empty));
        all.examples.push(Example {
            eid,
            id: cells.id()?,
            text_a: text_a.to_owned(),
            text_b: text_b.map(str::to_owned),
            gold,
        });
        eid += 1;
        Ok(())
    })?;
    all.taken = Taken::keep(options.most, &mut all.examples);
    all.labelled = unknown.is_none();
    if !all.labelled {
        let examples = all.examples.iter_mut();
        examples.for_each(|example| example.gold = labels.dummy());
    }
    let file = &rows.file;
    if let Some(error) = unknown.filter(|_| rows.labelled) {
        log::warn!("{file} counts as a test file without labels: {error}");
    }
    if empty > 0 {
        let rows = counted(empty, "row");
        log::warn!("{file}: {rows} without a text, for which there is no prediction");
    }
    warn_of_repeated_ids(&all, file);
    Ok(all)
}

/// Returns the label of a row.
fn gold(cells: &Cells<'_>, description: &Description, labels: &Labels) -> Result<Gold, Error> {
    let label = cells.label()?;
    // A range that comes only from the train file does not bind other files.
    let gold = match description.range {
        Some(_) => labels.gold_in_range(&label),
        None => labels.gold(&label),
    };
    gold.ok_or_else(|| {
        let given = description.labels.is_some() || description.range.is_some();
        let advice = match given {
            true => "correct it, or the labels of the task",
            false => "correct it, or add such examples to the train file, whose labels these are",
        };
        cells.wrong("label", &labels.expected(), &format!("{label:?}"), advice)
    })
}

fn warn_of_repeated_ids(all: &Examples, file: &str) {
    let mut seen = HashSet::new();
    let ids = all
        .examples
        .iter()
        .filter_map(|example| example.id.as_deref());
    let repeated: Vec<&str> = ids.filter(|id| !seen.insert(*id)).collect();
    if let Some(first) = repeated.first() {
        log::warn!(
            "{file}: {} with the id of an earlier one (the first is {first})",
            counted(repeated.len(), "row")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::classification::task::ClassificationTask;

    /// Reads files of a folder by a description, ending with the named split.
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
            ("text,label\na,y\nb,?\n", false),
        ] {
            let (_, read) = read(CLASSES, &[train, ("test.csv", test)], "test").unwrap();
            assert_eq!(
                (read.examples.len(), read.labelled),
                (2, labelled),
                "{test}"
            );
            let first = if labelled { 1 } else { 0 };
            assert_eq!(read.examples[0].gold, Gold::Class(first), "{test}");
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
                &["train.csv", "two different labels", "no row"],
            ),
            (
                CLASSES,
                "train.csv",
                "text,label\n",
                &["two different labels", "no row"],
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
                "train.jsonl",
                "{\"text\": \"a\", \"label\": NaN}\n",
                &["line 1", "NaN", "a number as label"],
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
                &["line 3", "\"z\"", "labels of the task"],
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
