//! A file of texts as a fine-tuned model is asked what they are: GLUE's own files, people's tables, or a
//! text a line.

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

/// The file's examples, featurised.
pub struct TextFile {
    data: ClassificationData,
    /// What was taken for what, of a table whose columns have names.
    columns: Option<String>,
    /// Whether it has the name and the columns of one of GLUE's files.
    is_glue: bool,
}

impl TextFile {
    /// Reads a file for a task whose data lie in `folder`. Its columns are GLUE's if it is named as one
    /// of GLUE's files; otherwise `task.json` beside the file or in `folder` names them, or the model
    /// does, or else they have the usual names. A `.txt` file has a text a line, or two with a tab
    /// between. Labels may be missing.
    ///
    /// # Errors
    /// When it cannot be read, or has another number of texts than the task takes.
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
            false => task.read_any(file, split, of_glue.is_some())?,
        };
        if matches!(task.labels, Labels::Range { .. }) && asking.range.is_none() {
            // Nothing tells how the numbers were learnt.
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

    /// The rows of the examples, in their order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.data.features.iter().map(AsRow::as_row)
    }

    /// What the file holds, in a line.
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

    /// Rows that were left out.
    pub fn left_out(&self) -> usize {
        self.data.examples.skipped.len()
    }

    /// The file that gluebenchmark.com takes for it, if it is one of GLUE's test files.
    pub fn submission(&self) -> Option<&'static str> {
        let submission = self.data.task.submission(self.data.split);
        submission.filter(|_| self.is_glue)
    }

    /// Writes what is said of the examples, whose logits these are, `[examples][outputs]`, and beside it
    /// what gluebenchmark.com takes.
    ///
    /// # Errors
    /// When they are not as many or not finite, or a file cannot be written.
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

    /// What an evaluation writes, and beside it the prediction as people read it and the texts.
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

/// The task that lays out the file, with the model's labels, and what was taken for what in a table
/// whose columns a description names.
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

/// The description whose columns the file has: that of the task, or one of the usual names.
fn description(
    asking: &TextAsking,
    file: &Path,
    folder: &Path,
) -> Result<(Description, Option<String>), Error> {
    let usual = Description::of(asking.kind());
    let described = match described(asking, file, folder)? {
        // The first row of a new table may have names where that of the task had none.
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
        // Of the usual names those with the labels.
        if is_labelled || other.text.is_some() {
            return Ok((other, line));
        }
        unlabelled.get_or_insert((other, line));
    }
    unlabelled.ok_or_else(|| renamed(missing))
}

/// What was taken for what by a description, or why its columns are not the file's.
type Fitting = Result<Option<(Columns, String)>, Error>;

fn fits(file: &Path, description: &Description) -> Result<Fitting, Error> {
    // That it is a table at all.
    Format::of(file)?;
    let chosen = Rows::of(file, Split::Test, description).and_then(|rows| rows.chosen());
    match chosen {
        Err(error @ Error::Table { .. }) => Ok(Err(error)),
        Err(error) => Err(error),
        Ok(chosen) => Ok(Ok(chosen)),
    }
}

/// A column that is missing: the task's description is no file of whoever asks, and stays.
fn renamed(missing: Error) -> Error {
    match missing {
        Error::Table {
            file,
            expected,
            found,
            ..
        } => Error::Table {
            file,
            expected: format!("{expected}, or columns of the usual names"),
            found,
            advice: "call the file's columns text, or sentence1 and sentence2, or write one text \
                     per line into a .txt file"
                .to_owned(),
        },
        other => other,
    }
}

/// How the task's own tables are laid out: by `task.json` beside the file, or that of its data, or
/// by what the model keeps of it.
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
            advice: "give a file of the model's own task, or one that lies elsewhere".to_owned(),
        }),
        (Some((_, description)), _) => Ok(Some(description)),
        (None, Some(columns)) => Ok(Some(Description::of_columns(kind, columns, &asking.task)?)),
        (None, None) => Ok(None),
    }
}

/// Whether a file is plain text, which its name tells.
fn is_plain(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    name.strip_suffix(".gz").unwrap_or(&name).ends_with(".txt")
}

/// A text a line, or of a pair two with a tab between; blank lines are none.
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
                    advice: "put both in a line, or give a table with two columns of texts"
                        .to_owned(),
                });
            }
        };
        all.examples.push(Example {
            // As of words, a blank line counts for nothing.
            eid: all.examples.len() as u64,
            id: None,
            text_a: a.to_owned(),
            text_b: b.map(str::to_owned),
            gold: asking.labels.dummy(),
        });
    }
    Ok(all)
}

/// Refuses a file without an example, and one of another number of texts than the task takes.
fn check_texts(asking: &TextAsking, file: &Path, examples: &Examples) -> Result<(), Error> {
    let wrong = |expected: String, found: &str, advice: &str| Error::Table {
        file: file.display().to_string(),
        expected,
        found: found.to_owned(),
        advice: advice.to_owned(),
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
    /// The examples of a file, as a split of the task; of a GLUE task a file with another name than its
    /// own, or another form, is read by the names of its columns.
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
                    .to_owned(),
            }
        })
    }
}
