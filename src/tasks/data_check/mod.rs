//! Checks a task's files before a run: questions, labelled texts or tagged words.
//!
//! The task, its description or the contents of a file determine what the file is.

mod contents;
mod error;
mod options;
pub mod rows;
mod subject;

use std::path::Path;

use serde::Serialize;

use self::subject::{Form, Subject, subject};
pub use self::{error::Error, options::Options};
use super::{
    check_vocab::{CheckVocab, positions},
    classification::{check::TextChecker, text_file::TextFile},
    description,
    problem::{Kind, Problem, Severity},
    qa::dataset::{
        check::{self as questions, CheckOptions},
        token_lengths::WindowOptions,
    },
    registry,
    tagging::check::{WordChecker, WordFile},
};

/// Default length of a window of questions, in tokens.
const QUESTION_LENGTH: usize = 512;

/// Default length of an example of a user-defined task, in tokens; the same as in a run.
const OWN_LENGTH: usize = 128;

/// The shortest sequence that a run accepts.
const SHORTEST: usize = 5;

/// Positions of the released models.
const POSITIONS: usize = 512;

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Checked {
    Questions(Box<questions::Check>),
    Examples(Check),
}

/// The result for the files of a task of texts or words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// For a built-in task its name, for a user-defined one that of its folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    pub kind: description::Kind,
    pub files: Vec<FileCheck>,
    pub max_seq_length: usize,
    /// The vocabulary that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<String>,
    pub vocabulary_size: usize,
    pub errors: usize,
    pub warnings: usize,
    /// Errors first, then by kind, then in file order.
    pub problems: Vec<Problem>,
}

/// The contents of a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum FileCheck {
    Texts(TextFile),
    Words(WordFile),
}

/// Checks a file, or the files in a task's folder.
///
/// # Errors
/// If a file, the description or the vocabulary cannot be read or is malformed. Problems of single
/// rows are not errors here but are listed among the problems.
pub fn check(path: &Path, options: &Options) -> Result<Checked, Error> {
    match subject(path, options)? {
        None => {
            check_length(options)?;
            if options.max_query_length == 0 {
                return Err(Error::QueryLength);
            }
            let options = CheckOptions {
                vocab: options.vocab.clone(),
                windows: WindowOptions {
                    max_seq_length: options.max_seq_length.unwrap_or(QUESTION_LENGTH),
                    doc_stride: options.doc_stride,
                    max_query_length: options.max_query_length,
                },
            };
            Ok(Checked::Questions(questions::check(path, &options)?.into()))
        }
        Some(subject) => Ok(Checked::Examples(subject.check(options)?)),
    }
}

impl Subject {
    fn check(self, options: &Options) -> Result<Check, Error> {
        check_length(options)?;
        let CheckVocab { tokenizer, told } = CheckVocab::open(options.vocab.as_deref())?;
        let vocabulary_size = tokenizer.vocab().len();
        let entry = self.name.as_deref().and_then(registry::find);
        let alone = entry.map_or(OWN_LENGTH, |entry| entry.defaults.max_seq_length);
        let max_seq_length = options.max_seq_length.unwrap_or(alone);
        let kind = self.task.kind();
        let rules = self.task.rules();
        let mut words = WordChecker::new(&tokenizer, max_seq_length, rules);
        let mut texts = TextChecker::new(&tokenizer, max_seq_length, kind, self.task.labels());
        let mut files = Vec::with_capacity(self.files.len());
        for part in &self.files {
            files.push(match self.task.form(part) {
                Form::Texts(layout) => {
                    FileCheck::Texts(texts.check(&part.path, part.split, part.name, layout)?)
                }
                Form::Words(options) => {
                    FileCheck::Words(words.check(&part.path, part.split, &options)?)
                }
            });
        }
        let mut problems = texts.problems;
        problems.extend(words.problems);
        if let Some(folder) = &self.lacks_dev {
            problems.push(Problem::of_file(Kind::NoDev, folder, ""));
        }
        // A stable sort, so problems of a kind stay in file order.
        problems.sort_by_key(|problem| (problem.severity, problem.kind));
        let errors = problems.iter().filter(|p| p.severity == Severity::Error);
        let errors = errors.count();
        Ok(Check {
            kind,
            task: self.name,
            files,
            max_seq_length,
            vocabulary: told,
            vocabulary_size,
            errors,
            warnings: problems.len() - errors,
            problems,
        })
    }
}

/// Rejects a length that a run of the task would reject.
fn check_length(options: &Options) -> Result<(), Error> {
    let Some(found) = options.max_seq_length else {
        return Ok(());
    };
    let positions = options.vocab.as_deref().and_then(positions);
    let positions = positions.unwrap_or(POSITIONS);
    match (SHORTEST..=positions).contains(&found) {
        true => Ok(()),
        false => Err(Error::SequenceLength { positions, found }),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    #[test]
    fn a_length_that_no_run_takes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (texts, words) = (folder.path().join("a.csv"), folder.path().join("a.conll"));
        std::fs::write(&texts, "text,label\na,x\nb,y\n").unwrap();
        std::fs::write(&words, "Ada B-PER\nwrote O\n").unwrap();
        let questions = folder.path().join("a.jsonl");
        let row = r#"{"id": "x", "context": "An oak.", "question": "What?", "answers": {"text": ["oak"], "answer_start": [3]}}"#;
        std::fs::write(&questions, row).unwrap();
        let model = folder.path().join("m");
        std::fs::create_dir(&model).unwrap();
        std::fs::write(
            model.join("vocab.txt"),
            "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n",
        )
        .unwrap();
        std::fs::write(
            model.join("config.json"),
            r#"{"model": {"max_position_embeddings": 600}}"#,
        )
        .unwrap();
        let with = |length: usize, vocab: Option<&Path>| Options {
            vocab: vocab.map(Path::to_owned),
            max_seq_length: Some(length),
            doc_stride: NonZeroUsize::MIN,
            max_query_length: 64,
            task: None,
            description: None,
            split: None,
        };
        for file in [&texts, &words, &questions] {
            for (length, vocab, positions) in [
                (0, None, 512),
                (4, None, 512),
                (513, None, 512),
                (601, Some(model.as_path()), 600),
            ] {
                let message = check(file, &with(length, vocab)).unwrap_err().to_string();
                let expected = format!(
                    "--max-seq-length: expected a number from 5 to {positions}, as a run takes it, found \
                     {length}; "
                );
                assert!(message.starts_with(&expected), "{message}");
            }
            for length in [5, 512, 600] {
                check(file, &with(length, Some(model.as_path()))).unwrap();
            }
        }
        let with = |max_query_length: usize| Options {
            max_query_length,
            ..with(512, None)
        };
        let message = check(&questions, &with(0)).unwrap_err().to_string();
        let expected =
            "--max-query-length: expected a number of at least 1, as a run takes it, found 0";
        assert_eq!(message, expected);
        check(&questions, &with(1)).unwrap();
        // Texts have no questions.
        check(&texts, &with(0)).unwrap();
    }
}
