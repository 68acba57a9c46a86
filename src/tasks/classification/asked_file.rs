//! A file of texts about which a fine-tuned model is asked: GLUE's own files, users' tables, or one
//! text per line.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    ask::TextAsking,
    columns::Columns,
    data::ClassificationData,
    error::{Error, Place},
    example::{Example, Examples},
    example_loss::softmax,
    labels::{Gold, Labels},
    prediction::Prediction,
    prediction_file::{fields, write_lines},
    read_options::ReadOptions,
    rows::Rows,
    submission::write_submission,
    table::Format,
    task::{ClassificationTask, TaskSplit},
};
use crate::{
    batch::{AsRow, Row},
    config::Config,
    counted::counted,
    data::{line_reader::LineReader, split::Split},
    tasks::description::Description,
    text::tokenizer::Tokenizer,
};

/// The featurised examples of a file.
pub struct TextFile {
    data: ClassificationData,
    /// The role of each column, for a table with column names.
    columns: Option<String>,
    /// Whether it has the name and the columns of one of GLUE's files.
    is_glue: bool,
}

impl TextFile {
    /// Reads a file for a task whose data are in `folder`. Its columns are GLUE's if it is named
    /// like one of GLUE's files; otherwise they are named by `task.json` beside the file or in
    /// `folder`, or by the model, or they have the usual names. A `.txt` file has one text per
    /// line, or two separated by a tab. Labels may be missing.
    ///
    /// # Errors
    /// If it cannot be read, or if its number of texts is not what the task takes.
    pub fn read(
        asking: &TextAsking,
        file: &Path,
        folder: &Path,
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<Self, Error> {
        let (task, columns) = task(asking, file, folder)?;
        let of_glue = task.split_of_file(file);
        let split = of_glue.unwrap_or(task.splits_of(Split::Test)[0]);
        let mut examples = match is_plain(file) {
            true => plain(asking, file)?,
            false => {
                let read = task.read_any(file, split, of_glue.is_some());
                // Nothing but the names of its columns describes a new table for a task of GLUE.
                read.map_err(|error| match task.is_glue() {
                    true => renamed(error),
                    false => error,
                })?
            }
        };
        if matches!(task.labels, Labels::Range { .. }) && asking.range.is_none() {
            // It is unknown how the numbers were scaled in training.
            examples.labelled = false;
        }
        check_texts(asking, file, &examples)?;
        let data = ClassificationData::of(
            &task,
            split,
            file,
            examples,
            tokenizer,
            config.max_seq_length,
        )?;
        Ok(Self {
            data,
            columns,
            is_glue: of_glue.is_some(),
        })
    }

    /// Iterates over the rows of the examples, in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.data.features.iter().map(AsRow::as_row)
    }

    /// Describes the file's content on one line.
    pub fn line(&self) -> String {
        let columns = self.columns.as_ref();
        let columns = columns.map_or_else(String::new, |columns| format!("; {columns}"));
        format!(
            "{}: {}{columns}",
            self.data.file.display(),
            self.data.content()
        )
    }

    pub fn examples(&self) -> usize {
        self.data.examples.examples.len()
    }

    /// Returns the number of rows left out.
    pub fn left_out(&self) -> usize {
        self.data.examples.skipped.len()
    }

    /// Returns the name under which gluebenchmark.com accepts it, if it is one of GLUE's test
    /// files.
    pub fn submission(&self) -> Option<&'static str> {
        let submission = self.data.task.submission(self.data.split);
        submission.filter(|_| self.is_glue)
    }

    /// Writes the predictions for the examples, given their logits `[examples][outputs]`, along
    /// with the submission for gluebenchmark.com.
    ///
    /// # Errors
    /// If there are too many or too few logits or they are not finite, or if a file cannot be
    /// written.
    pub fn write(
        &self,
        logits: Vec<Vec<f32>>,
        path: &Path,
        submission: Option<&Path>,
    ) -> Result<(), Error> {
        let predictions = self.data.predictions(logits)?;
        let examples = self.data.examples.examples.iter();
        let lines = examples.zip(&predictions);
        write_lines(
            path,
            lines.map(|(example, prediction)| self.line_of(example, prediction)),
        )?;
        if let Some(path) = submission {
            write_submission(path, &self.data.task.labels, &predictions)?;
        }
        Ok(())
    }

    /// Returns what an evaluation writes, plus the prediction in readable form and the texts.
    fn line_of(&self, example: &Example, prediction: &Prediction) -> Map<String, Value> {
        let mut line = fields(prediction);
        match prediction.predicted {
            Gold::Class(class) => {
                let name = self.data.task.labels.name(class);
                let probability = softmax(&prediction.logits)[class as usize];
                line.insert("label".into(), name.into());
                line.insert("probability".into(), probability.into());
            }
            Gold::Value(value) => {
                let value = self.data.task.labels.on_scale(value);
                line.insert("value".into(), value.into());
            }
        }
        line.insert("text".into(), example.text_a.as_str().into());
        if let Some(text_b) = &example.text_b {
            line.insert("text_b".into(), text_b.as_str().into());
        }
        line
    }
}

/// Returns the task with the file's layout and the model's labels, and the role of each column in a
/// table described by a `task.json`.
fn task(
    asking: &TextAsking,
    file: &Path,
    folder: &Path,
) -> Result<(ClassificationTask, Option<String>), Error> {
    if let Some(task) = ClassificationTask::glue(&asking.task) {
        return Ok((task, None));
    }
    let known = Some(asking.labels.clone());
    let own =
        |description| ClassificationTask::own(&asking.task, description, folder, known.clone());
    if is_plain(file) {
        return Ok((own(Description::of(asking.kind()))?, None));
    }
    let (description, columns) = description(asking, file, folder)?;
    Ok((own(description)?, columns))
}

/// Returns the description whose columns the file has: that of the task, or one with the usual
/// names.
fn description(
    asking: &TextAsking,
    file: &Path,
    folder: &Path,
) -> Result<(Description, Option<String>), Error> {
    let usual = Description::of(asking.kind());
    let described = match described(asking, file, folder)? {
        // The first row of a new table may be a header although the task's own table had none.
        Some(own) if own.header == Some(false) && fits(file, &usual)?.is_ok() => None,
        described => described,
    };
    let Some(own) = described else {
        let fitting = fits(file, &usual)?.map_err(renamed)?;
        return Ok((usual, fitting.map(|(_, line)| line)));
    };
    let without_id = Description {
        id: None,
        ..own.clone()
    };
    let labelled = Description {
        label: own.label.clone(),
        header: own.header,
        ..usual.clone()
    };
    let missing = match fits(file, &own)? {
        Ok(fitting) => return Ok((own, fitting.map(|(_, line)| line))),
        Err(missing) => missing,
    };
    let mut unlabelled = None;
    for other in [without_id, labelled, usual] {
        let Ok(fitting) = fits(file, &other)? else {
            continue;
        };
        let (is_labelled, line) = match fitting {
            Some((columns, line)) => (columns.label.is_some(), Some(line)),
            None => (false, None),
        };
        // Of the usual names, those including labels.
        if is_labelled || other.text.is_some() {
            return Ok((other, line));
        }
        unlabelled.get_or_insert((other, line));
    }
    unlabelled.ok_or_else(|| renamed(missing))
}

/// The role of each column according to a description, or why its columns do not match the file's.
type Fitting = Result<Option<(Columns, String)>, Error>;

fn fits(file: &Path, description: &Description) -> Result<Fitting, Error> {
    // Fails unless it is a table.
    Format::of(file)?;
    let chosen = Rows::of(file, Split::Test, description).and_then(|rows| rows.chosen());
    match chosen {
        Err(error @ Error::Table { .. }) => Ok(Err(error)),
        Err(error) => Err(error),
        Ok(chosen) => Ok(Ok(chosen)),
    }
}

/// Rewords the error for a missing column: the user did not supply the task's description and
/// cannot change it.
fn renamed(missing: Error) -> Error {
    match missing {
        Error::Table {
            file,
            expected,
            found,
            advice,
        } if advice.is_on_description() => Error::Table {
            file,
            expected: format!("{expected}, or columns of the usual names"),
            found,
            advice: "call the file's columns text, or sentence1 and sentence2, or write one text \
                     per line into a .txt file"
                .into(),
        },
        other => other,
    }
}

/// Returns the layout of the task's own tables: from `task.json` beside the file or with its data,
/// or from what the model stores of it.
fn described(
    asking: &TextAsking,
    file: &Path,
    folder: &Path,
) -> Result<Option<Description>, Error> {
    let kind = asking.kind();
    match (Description::beside(file, folder)?, &asking.columns) {
        (Some((path, description)), _) if description.kind != kind => Err(Error::Table {
            file: path.display().to_string(),
            expected: format!("a task as the model's, {}", kind.name()),
            found: description.kind.name().to_owned(),
            advice: "give a file of the model's own task, or one that lies elsewhere".into(),
        }),
        (Some((_, description)), _) => Ok(Some(description)),
        (None, Some(columns)) => Ok(Some(Description::of_columns(kind, columns, &asking.task)?)),
        (None, None) => Ok(None),
    }
}

/// Returns whether a file's name says that it is plain text.
fn is_plain(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    name.strip_suffix(".gz").unwrap_or(&name).ends_with(".txt")
}

/// Reads one text per line, or two separated by a tab for pairs; blank lines are skipped.
fn plain(asking: &TextAsking, file: &Path) -> Result<Examples, Error> {
    let mut lines = LineReader::open(file)?;
    let name = lines.file().to_owned();
    let mut all = Examples::default();
    while let Some((number, line)) = lines.next_line()? {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let texts: Vec<&str> = line.split('\t').collect();
        let (a, b) = match (asking.texts, texts.as_slice()) {
            (Some(1), _) | (None, [_]) => (line, None),
            (_, [a, b]) => (*a, Some(*b)),
            (_, texts) => {
                return Err(Error::Row {
                    file: name,
                    place: Place::Line(number),
                    expected: format!("two texts with a tab between, for {}", asking.task),
                    found: match texts.len() {
                        1 => "one".to_owned(),
                        count => count.to_string(),
                    },
                    advice: "put both in a line, or give a table with two columns of texts".into(),
                });
            }
        };
        all.examples.push(Example {
            // As for words, blank lines are not counted.
            eid: all.examples.len() as u64,
            id: None,
            text_a: a.to_owned(),
            text_b: b.map(str::to_owned),
            gold: asking.labels.dummy(),
        });
    }
    Ok(all)
}

/// Rejects a file without examples, and one whose number of texts is not what the task takes.
fn check_texts(asking: &TextAsking, file: &Path, examples: &Examples) -> Result<(), Error> {
    let wrong = |expected: String, found: &str, advice: &str| Error::Table {
        file: file.display().to_string(),
        expected,
        found: found.to_owned(),
        advice: advice.into(),
    };
    let (task, rows) = (&asking.task, &examples.examples);
    if rows.is_empty() {
        let found = match examples.skipped.len() {
            0 => "none".to_owned(),
            rows => format!("none; too few columns in {}", counted(rows, "row")),
        };
        let advice = "check that it is the task's own file and has its columns";
        return Err(wrong("texts".to_owned(), &found, advice));
    }
    let pairs = rows.iter().filter(|row| row.text_b.is_some()).count();
    match asking.texts {
        Some(1) if pairs > 0 => Err(wrong(
            format!("one text a row, for {task}"),
            "two",
            "call the column of the text text, and the other one something else",
        )),
        Some(2) if pairs == 0 => Err(wrong(
            format!("two texts a row, for {task}"),
            "one",
            "call their columns sentence1 and sentence2",
        )),
        _ => Ok(()),
    }
}

impl ClassificationTask {
    /// Reads the examples of a file as a split of the task; for a GLUE task, a file with an unknown
    /// name or another format is read by its column names.
    fn read_any(&self, file: &Path, split: TaskSplit, is_named: bool) -> Result<Examples, Error> {
        let options = ReadOptions::default();
        if is_named || !self.is_glue() || Format::of(file)? != Format::Tsv {
            return self.read(file, split, options);
        }
        let by_name = self.read_by_name(file, options)?;
        by_name.ok_or_else(|| {
            let splits = self.splits().into_iter();
            let names = splits.filter_map(|split| self.file(Path::new(""), split).ok());
            let names: Vec<String> = names.map(|name| name.display().to_string()).collect();
            Error::Table {
                file: file.display().to_string(),
                expected: format!(
                    "one of the files of {} ({}), or a first row with the columns' names",
                    self.name,
                    names.join(", ")
                ),
                found: "neither".to_owned(),
                advice: "rename it, or call its columns sentence1 and sentence2, or sentence"
                    .into(),
            }
        })
    }
}
