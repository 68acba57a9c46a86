//! Compares files: what is in each, how long it is, and what they have in common.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::error::Error;
use crate::tasks::{
    data_check::{Checked, FileCheck, Options, check, rows::rows},
    qa::{
        dataset::{dropped::Dropped, newsqa},
        raw::{question_reader::QuestionReader, question_set::QuestionSet},
    },
};

/// Statistics of several files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    pub files: Vec<FileStats>,
    /// What each pair of files has in common, for pairs that have anything in common.
    pub common: Vec<Common>,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileStats {
    pub path: PathBuf,
    #[serde(flatten)]
    pub found: Checked,
    /// Number of items equal to an earlier one in the file: questions with their passages, or
    /// texts.
    pub doubles: usize,
}

/// What two files have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Common {
    pub files: [PathBuf; 2],
    /// Number of shared question ids.
    pub ids: usize,
    pub passages: usize,
    /// The same question on the same passage, or the same text.
    pub doubles: usize,
}

/// Computes statistics of files.
///
/// # Errors
/// If a file or the vocabulary cannot be read or is malformed. Problems of single questions or rows
/// are only counted.
pub fn stats(paths: &[PathBuf], options: &Options) -> Result<Stats, Error> {
    let mut files = Vec::with_capacity(paths.len());
    let mut marks = Vec::with_capacity(paths.len());
    for path in paths {
        let found = check(path, options)?;
        let seen = match &found {
            Checked::Questions(_) => Marks::of_questions(path)?,
            Checked::Examples(_) => Marks::of_rows(path, options)?,
        };
        files.push(FileStats {
            path: path.clone(),
            found,
            doubles: seen.repeated,
        });
        marks.push(seen);
    }
    let mut common = Vec::new();
    for (second, ours) in marks.iter().enumerate() {
        for (first, theirs) in marks[..second].iter().enumerate() {
            let shared = |a: &HashSet<u64>, b: &HashSet<u64>| a.intersection(b).count();
            let found = Common {
                files: [paths[first].clone(), paths[second].clone()],
                ids: shared(&theirs.ids, &ours.ids),
                passages: shared(&theirs.passages, &ours.passages),
                doubles: shared(&theirs.whole, &ours.whole),
            };
            if found.ids + found.passages + found.doubles > 0 {
                common.push(found);
            }
        }
    }
    Ok(Stats { files, common })
}

/// Fingerprints by which files are compared: hashes of texts, which no two texts are likely to
/// share.
#[derive(Debug, Default)]
struct Marks {
    ids: HashSet<u64>,
    passages: HashSet<u64>,
    whole: HashSet<u64>,
    repeated: usize,
}

impl Marks {
    fn of_questions(path: &Path) -> Result<Self, Error> {
        let mut marks = Self::default();
        let reader = QuestionReader::open(path)?;
        if reader.is_newsqa() {
            newsqa::read_from(reader, &mut Dropped::new(0), &mut |paragraph| {
                for question in &paragraph.qas {
                    marks.question(Some(&question.id), &question.question, paragraph.context);
                }
                Ok(())
            })?;
            return Ok(marks);
        }
        let set = QuestionSet::read(path, None)?;
        let nameless = set.summary.nameless > 0;
        for paragraph in &set.paragraphs {
            for question in &paragraph.questions {
                // The number of a row is not an id.
                let id = (!nameless).then_some(question.id.as_str());
                marks.question(id, &question.text, &paragraph.context);
            }
        }
        Ok(marks)
    }

    fn question(&mut self, id: Option<&str>, question: &str, passage: &str) {
        self.ids.extend(id.map(sum));
        self.passages.insert(sum(passage));
        self.add(&(question, passage));
    }

    fn of_rows(path: &Path, options: &Options) -> Result<Self, Error> {
        let mut marks = Self::default();
        for row in rows(path, options)?
            .into_iter()
            .flat_map(|found| found.rows)
        {
            marks.add(&row.texts);
        }
        Ok(marks)
    }

    fn add(&mut self, said: &impl Hash) {
        self.repeated += usize::from(!self.whole.insert(sum(said)));
    }
}

/// Hashes a value; the same in every run of the program.
fn sum(said: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    said.hash(&mut hasher);
    hasher.finish()
}

impl FileStats {
    /// Returns the lines of the file's column, each with its name; the names are the same for files
    /// of one kind.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = match &self.found {
            Checked::Questions(check) => {
                let (counts, lengths) = (&check.counts, &check.lengths);
                vec![
                    ("", check.format.to_owned()),
                    ("questions", counts.questions.to_string()),
                    ("answerable", counts.answerable.to_string()),
                    ("impossible", counts.impossible.to_string()),
                    ("answers", counts.answers.to_string()),
                    ("left out", check.left_out.to_string()),
                    ("passages", counts.passages.to_string()),
                    ("tokens of a passage", lengths.passage_tokens.to_string()),
                    ("tokens of a question", lengths.question_tokens.to_string()),
                    ("tokens of an answer", lengths.answer_tokens.to_string()),
                    (
                        "windows of a question",
                        lengths.windows_per_question.to_string(),
                    ),
                    ("windows", lengths.windows.to_string()),
                    ("[UNK]", percent(lengths.tokens.unknown_share())),
                    ("errors", check.errors.to_string()),
                    ("warnings", check.warnings.to_string()),
                ]
            }
            Checked::Examples(check) => {
                let mut lines = Vec::new();
                for file in &check.files {
                    lines.extend(of_examples(file));
                }
                let kind = format!("{:?}", check.kind).to_lowercase();
                lines.insert(0, ("", kind));
                lines.push(("errors", check.errors.to_string()));
                lines.push(("warnings", check.warnings.to_string()));
                lines
            }
        };
        lines.push(("doubles in the file", self.doubles.to_string()));
        lines
    }
}

fn of_examples(file: &FileCheck) -> Vec<(&'static str, String)> {
    match file {
        FileCheck::Texts(file) => {
            let labels = file.labels.iter();
            let labels: Vec<String> = labels
                .map(|(label, count)| format!("{label} {count}"))
                .collect();
            vec![
                ("rows", file.rows.to_string()),
                ("left out", file.left_out.to_string()),
                ("labels", labels.join(", ")),
                ("tokens of a row", file.example_tokens.to_string()),
                ("cut", file.cut.to_string()),
                ("[UNK]", percent(file.tokens.unknown_share())),
            ]
        }
        FileCheck::Words(file) => {
            let spans = file.spans.iter();
            let spans: Vec<String> = spans
                .map(|(kind, count)| format!("{kind} {count}"))
                .collect();
            vec![
                ("sentences", file.sentences.to_string()),
                ("words", file.words.to_string()),
                ("spans", spans.join(", ")),
                ("words of a sentence", file.words_per_sentence.to_string()),
                ("tokens of a sentence", file.tokens_per_sentence.to_string()),
                ("cut", file.cut.to_string()),
                ("[UNK]", percent(file.tokens.unknown_share())),
            ]
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}
