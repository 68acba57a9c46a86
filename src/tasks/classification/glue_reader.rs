//! GLUE's TSV files → examples, as the reference's `_load_glue` reads them
//! (`finetune/classification/classification_tasks.py`).

use std::path::Path;

use super::{
    error::{Error, Place},
    example::{Example, Examples, Skipped},
    glue::{GlueSplit, GlueTask},
    labels::Labels,
    read_options::{DEBUG_LINES, ReadOptions},
    table::tsv::TsvFile,
};
use crate::{counted::counted, data::split::Split, eval::taken::Taken};

/// Reads the examples of a file. A row with too few columns is left out and counted, but keeps its
/// number.
///
/// A byte-order mark is stripped from the beginning of the file, whereas the reference leaves it in
/// the first cell. No example is affected: that cell is a header's, or in one of the first columns
/// of cola, which nobody reads.
///
/// # Errors
/// If the file cannot be read, or a row has a label that the task lacks, on which the reference
/// fails too.
pub(super) fn read(
    path: &Path,
    task: &GlueTask,
    split: &GlueSplit,
    labels: &Labels,
    options: ReadOptions,
) -> Result<Examples, Error> {
    let mut all = Examples {
        labelled: split.label.is_some(),
        ..Examples::default()
    };
    let name = each_row(path, split, options.debug, |file, row| {
        let row = match row {
            Ok(row) => row,
            Err(short) => {
                all.skipped.push(short);
                return Ok(());
            }
        };
        let gold = match row.label {
            None => labels.dummy(),
            Some(label) => labels
                .gold_in_range(label)
                .ok_or_else(|| unknown(file, row.line, task, label, labels))?,
        };
        all.examples.push(Example {
            eid: row.line as u64 - 1 - u64::from(split.header),
            id: None,
            text_a: row.text_a.to_owned(),
            text_b: row.text_b.map(str::to_owned),
            gold,
        });
        Ok(())
    })?;
    if let Some(first) = all.skipped.first() {
        log::warn!(
            "{name}: {} left out: expected {} columns, found fewer (the first is line {}, with {})",
            counted(all.skipped.len(), "row"),
            split.columns(),
            first.line,
            first.columns
        );
    }
    all.taken = Taken::keep(options.most, &mut all.examples);
    if options.double_unordered && task.unordered && split.split == Split::Train {
        add_swapped(&mut all.examples);
    }
    Ok(all)
}

/// A row of a file.
pub(super) struct GlueRow<'a> {
    pub line: usize,
    pub text_a: &'a str,
    pub text_b: Option<&'a str>,
    /// `None` for a test file.
    pub label: Option<&'a str>,
}

/// Passes each row to `take`, along with the file's name, which it also returns; a row with too few
/// columns is passed as an error.
///
/// # Errors
/// If the file cannot be read, and those of `take`.
pub(super) fn each_row(
    path: &Path,
    split: &GlueSplit,
    debug: bool,
    mut take: impl FnMut(&str, Result<GlueRow<'_>, Skipped>) -> Result<(), Error>,
) -> Result<String, Error> {
    let mut file = TsvFile::open(path)?;
    let name = file.file().to_owned();
    while let Some((line, row)) = file.next_row()? {
        if debug && line > DEBUG_LINES {
            break;
        }
        if line == 1 && split.header {
            continue;
        }
        let text_a = split.text_a.of(&row);
        let text_b = split.text_b.map(|cell| cell.of(&row));
        let label = split.label.map(|cell| cell.of(&row));
        let row = match (text_a, text_b, label) {
            (Some(text_a), None | Some(Some(_)), None | Some(Some(_))) => Ok(GlueRow {
                line,
                text_a,
                text_b: text_b.flatten(),
                label: label.flatten(),
            }),
            _ => Err(Skipped {
                line,
                columns: row.len(),
            }),
        };
        take(&name, row)?;
    }
    Ok(name)
}

/// Appends all examples again with their texts swapped, numbered on from their count.
fn add_swapped(examples: &mut Vec<Example>) {
    let count = examples.len();
    examples.extend_from_within(..);
    for example in &mut examples[count..] {
        example.eid += count as u64;
        if let Some(text_b) = &mut example.text_b {
            std::mem::swap(&mut example.text_a, text_b);
        }
    }
}

fn unknown(file: &str, line: usize, task: &GlueTask, label: &str, labels: &Labels) -> Error {
    let shown: String = label.chars().take(60).collect();
    Error::Row {
        file: file.to_owned(),
        place: Place::Line(line),
        expected: format!("a label of {}, {}", task.name, labels.expected()),
        found: format!("{shown:?}"),
        advice:
            "correct it or remove the line, and check that the columns are those of GLUE's file"
                .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::classification::{labels::Gold, task::ClassificationTask};

    fn read(task: &str, split: &str, text: &str, options: ReadOptions) -> Result<Examples, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.tsv");
        std::fs::write(&path, text).unwrap();
        let task = ClassificationTask::glue(task).unwrap();
        let split = task.split(split).unwrap();
        let read = task.read(&path, split, options);
        read.map_err(|error| error.to_string())
    }

    fn plain(task: &str, split: &str, text: &str) -> Examples {
        read(task, split, text, ReadOptions::default()).unwrap()
    }

    const DOUBLED: ReadOptions = ReadOptions {
        debug: false,
        most: None,
        double_unordered: true,
    };

    fn eids(examples: &Examples) -> Vec<u64> {
        examples
            .examples
            .iter()
            .map(|example| example.eid)
            .collect()
    }

    #[test]
    fn short_rows_are_left_out_and_keep_their_numbers() {
        let text = "index\ta\tb\tlabel\n0\tA\tB\tentailment\n\nx\n1\tC\t\tnot_entailment\tmore\n";
        let read = plain("rte", "dev", text);
        assert_eq!(eids(&read), [0, 3]);
        let skipped = [(3, 0), (4, 1)].map(|(line, columns)| Skipped { line, columns });
        assert_eq!(read.skipped, skipped);
        assert_eq!(read.examples[1].gold, Gold::Class(1));
        assert_eq!(read.examples[1].text_b.as_deref(), Some(""));
        // Without a header the first line is number 0.
        let cola = plain("cola", "train", "src\t1\t\tOne.\nsrc\t0\t*\tTwo.\n");
        assert_eq!((eids(&cola), cola.skipped.len()), (vec![0, 1], 0));
    }

    #[test]
    fn labels_of_mnli_and_all_of_sts_count_from_the_back() {
        let row = "0\t1\t2\t3\t4\t5\t6\t7\tA\tB\tneutral\tentailment";
        let mnli = plain("mnli", "dev", &format!("h\n{row}\n"));
        assert_eq!(mnli.examples[0].gold, Gold::Class(1));
        assert_eq!(mnli.examples[0].text_a, "A");
        let sts = plain("sts", "dev", "h\n0\tx\tA\tB\t5.0\nA\tB\t1\nB\t2\n");
        assert_eq!(eids(&sts), [0, 1]);
        assert_eq!(sts.examples[0].gold, Gold::Value(1.0));
        assert_eq!(
            (sts.examples[1].text_a.as_str(), sts.skipped.len()),
            ("A", 1)
        );
        let test = plain("sts", "test", "h\n0\tA\tB\n");
        assert_eq!(test.examples[0].text_b.as_deref(), Some("B"));
        let diagnostic = plain("mnli", "diagnostic", "h\n0\tA\tB\n");
        assert_eq!(diagnostic.examples[0].text_a, "A");
    }

    #[test]
    fn test_files_get_the_first_label() {
        let read = plain("qnli", "test", "h\n0\tA\tB\n");
        assert!(!read.labelled);
        assert_eq!(read.examples[0].gold, Gold::Class(0));
        let read = plain("qqp", "test", "h\n0\tA\tB\n");
        assert_eq!(read.examples[0].text_a, "A");
        assert_eq!(
            plain("sts", "test", "h\nA\tB\n").examples[0].gold,
            Gold::Value(0.0)
        );
        let cola = plain("cola", "test", "index\tsentence\n0\tA\n");
        assert_eq!(
            (eids(&cola), cola.examples[0].text_a.as_str()),
            (vec![0], "A")
        );
    }

    #[test]
    fn only_training_pairs_without_order_are_doubled() {
        // A short row makes the numbers collide, as in the reference.
        let text = "h\n1\t5\t6\tA\tB\nx\n0\t5\t6\tC\tD\n";
        let read = |task, split| read(task, split, text, DOUBLED).unwrap();
        let train = read("mrpc", "train");
        assert_eq!(eids(&train), [0, 2, 2, 4]);
        assert_eq!(train.examples[2].text_a, "B");
        assert_eq!(train.examples[2].text_b.as_deref(), Some("A"));
        assert_eq!(train.examples[2].gold, train.examples[0].gold);
        assert_eq!(read("mrpc", "dev").examples.len(), 2);
        assert_eq!(plain("mrpc", "train", text).examples.len(), 2);
        let qqp = "h\n0\t1\t2\tA\tB\t1\n";
        let qqp = self::read("qqp", "train", qqp, DOUBLED).unwrap();
        assert_eq!(qqp.examples.len(), 1);
    }

    #[test]
    fn the_first_examples_are_doubled_and_no_others() {
        let options = ReadOptions {
            most: Some(1),
            ..DOUBLED
        };
        let sts = "h\n0\tx\tA\tB\t5.0\nx\n1\tx\tC\tD\t1.0\n2\tx\tE\tF\t1.0\n";
        let read = |split: &str| super::tests::read("sts", split, sts, options).unwrap();
        let (train, dev) = (read("train"), read("dev"));
        let texts = |examples: &Examples| -> Vec<String> {
            let examples = examples.examples.iter();
            examples.map(|example| example.text_a.clone()).collect()
        };
        assert_eq!(
            (texts(&train), eids(&train)),
            (vec!["A".into(), "B".into()], vec![0, 1])
        );
        assert_eq!(texts(&dev), ["A"]);
        for examples in [train, dev] {
            assert_eq!(examples.taken, Some(Taken { first: 1, of: 3 }));
        }
    }

    #[test]
    fn debugging_reads_a_hundred_lines_with_the_header() {
        let rows: String = (0..150).map(|n| format!("{n}\t1\n")).collect();
        let options = ReadOptions {
            debug: true,
            ..DOUBLED
        };
        let sst = read("sst", "dev", &format!("sentence\tlabel\n{rows}"), options).unwrap();
        assert_eq!(sst.examples.len(), 99);
        // Nothing after that is read.
        assert!(read("sst", "dev", &format!("h\tl\n{rows}x\t9\n"), options).is_ok());
    }

    #[test]
    fn a_byte_order_mark_changes_nothing() {
        let with = plain("cola", "dev", "\u{FEFF}src\t1\t\tOne.\n");
        let without = plain("cola", "dev", "src\t1\t\tOne.\n");
        assert_eq!(with, without);
    }

    #[test]
    fn other_labels_and_scores_are_refused_with_their_line() {
        for (task, text, parts) in [
            (
                "rte",
                "h\n0\ta\tb\tEntailment\n",
                ["line 2", "\"Entailment\""],
            ),
            (
                "mnli",
                "h\n0\t1\t2\t3\t4\t5\t6\t7\tA\tB\t-\n",
                ["line 2", "contradiction"],
            ),
            (
                "cola",
                "s\t1\t\tA.\ns\t2\t\tB.\n",
                ["line 2", "one of \"0\", \"1\""],
            ),
            ("sts", "h\na\tb\t5.1\n", ["line 2", "from 0 to 5"]),
            ("sts", "h\na\tb\tnan\n", ["line 2", "\"nan\""]),
            ("sts", "h\na\tb\tc\n", ["line 2", "\"c\""]),
            ("sst", "h\nx\t1\nA \0 B\t1\n", ["NUL", "file.tsv"]),
            ("sst", "h\nx\t1\nA\rB\t1\n", ["line 3", "carriage return"]),
        ] {
            let message = read(task, "dev", text, DOUBLED).unwrap_err();
            for part in ["file.tsv"].into_iter().chain(parts) {
                assert!(message.contains(part), "{part:?} is not in {message}");
            }
        }
    }
}
