//! Checks a task's files before a run: questions, labelled texts or tagged words.
//!
//! The task, its description or the contents of a file determine what the file is.

mod contents;
mod error;
pub mod rows;

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use serde::Serialize;

use self::contents::{Contents, split_of};
pub use self::error::Error;
use super::{
    check_vocab::{CheckVocab, positions},
    classification::{
        check::TextChecker, glue, labels::Labels, layout::Layout, table, table_kind::kind_of,
        text_file::TextFile,
    },
    description::{self, Description},
    problem::{Kind, Problem, Severity},
    qa::dataset::{
        check::{self as questions, CheckOptions},
        token_lengths::WindowOptions,
    },
    registry,
    tagging::{
        check::{WordChecker, WordFile},
        options::{self as tagging, ReadOptions},
        rules::Rules,
    },
};
use crate::{
    data::{self, existing_file::existing, split::Split},
    durable_file::folder_of,
};

/// Default length of a window of questions, in tokens.
const QUESTION_LENGTH: usize = 512;

/// Default length of an example of a user-defined task, in tokens; the same as in a run.
const OWN_LENGTH: usize = 128;

/// The shortest sequence that a run accepts.
const SHORTEST: usize = 5;

/// Positions of the released models.
const POSITIONS: usize = 512;

/// How files are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The vocabulary or the folder of its model; by default that of the released models.
    pub vocab: Option<PathBuf>,
    /// By default what a run that only trains this task uses.
    pub max_seq_length: Option<usize>,
    /// For questions only.
    pub doc_stride: NonZeroUsize,
    /// For questions only.
    pub max_query_length: usize,
    /// The built-in task that the files belong to.
    pub task: Option<String>,
    /// The description of a user-defined task.
    pub description: Option<PathBuf>,
    /// The split of a single file, if its name does not tell.
    pub split: Option<Split>,
}

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

/// Files of texts or words.
struct Subject {
    name: Option<String>,
    task: TaskOf,
    files: Vec<Part>,
    /// A folder without a dev file.
    lacks_dev: Option<PathBuf>,
}

enum TaskOf {
    Glue(&'static glue::GlueTask),
    Chunk,
    Own(Box<Description>),
}

impl TaskOf {
    fn kind(&self) -> description::Kind {
        match self {
            Self::Glue(task) => match task.labels() {
                Labels::Classes(_) => description::Kind::Classification,
                Labels::Range { .. } => description::Kind::Regression,
            },
            Self::Chunk => description::Kind::Tagging,
            Self::Own(description) => description.kind,
        }
    }

    /// How one of its files is laid out.
    fn form(&self, part: &Part) -> Form<'_> {
        match self {
            Self::Glue(task) => {
                let mut splits = task.splits.iter();
                let split = splits.find(|split| split.name == part.name);
                Form::Texts(Layout::Glue(task, split.unwrap_or(&task.splits[0])))
            }
            Self::Chunk => Form::Words(ReadOptions::chunk(false)),
            Self::Own(own) if own.kind == description::Kind::Tagging => {
                Form::Words(ReadOptions::of_description(own))
            }
            Self::Own(own) => Form::Texts(Layout::Own(own)),
        }
    }

    /// The labels that it tells, of texts.
    fn labels(&self) -> Option<Labels> {
        match self {
            Self::Glue(task) => Some(task.labels()),
            Self::Chunk => None,
            Self::Own(description) => Labels::of_description(description),
        }
    }

    /// The rules of its words.
    fn rules(&self) -> Rules {
        match self {
            Self::Chunk => Rules::Reference,
            Self::Glue(_) | Self::Own(_) => Rules::Usual,
        }
    }
}

/// How a file is laid out.
enum Form<'a> {
    Texts(Layout<'a>),
    Words(ReadOptions),
}

/// A file of a task.
struct Part {
    path: PathBuf,
    split: Split,
    name: &'static str,
}

impl Part {
    fn new(path: PathBuf, split: Split) -> Self {
        Self {
            path,
            split,
            name: split.name(),
        }
    }
}

/// Determines what is to be checked; `None` for questions.
fn subject(path: &Path, options: &Options) -> Result<Option<Subject>, Error> {
    // A file is read several times, and a pipe is empty after the first.
    if is_pipe(path) {
        return Err(Error::Data(data::Error::NotAFile {
            path: path.to_owned(),
            found: "a pipe, which can be read only once",
        }));
    }
    let folder = path.is_dir();
    if let Some(file) = &options.description {
        let description = Description::read_file(file)?;
        let name = folder.then(|| name_of(path));
        return own(path, name.flatten(), description, options).map(Some);
    }
    if let Some(task) = &options.task {
        return of_registry(path, registry::expect(task)?, options);
    }
    let home = if folder { path } else { folder_of(path) };
    let split = options.split.or_else(|| split_of(path));
    let split = split.unwrap_or(Split::Train);
    let contents = match folder {
        true => Contents::Unknown,
        false => Contents::of(path, split),
    };
    if contents == Contents::Questions {
        return Ok(None);
    }
    if home.join(description::FILE).is_file() {
        let description = Description::read(home)?;
        return own(path, name_of(home), description, options).map(Some);
    }
    if let Some(entry) = name_of(home).and_then(|name| registry::find(&name))
        && (folder || is_part(path, entry))
    {
        return of_registry(path, entry, options);
    }
    if folder {
        return Err(Error::NoTask {
            path: path.to_owned(),
            names: registry::names(),
        });
    }
    let description = match contents {
        // The reader of questions reports what it expects.
        Contents::Questions | Contents::Unknown => return Ok(None),
        Contents::Words => Description::of(description::Kind::Tagging),
        Contents::Texts => {
            let texts = Description::of(description::Kind::Classification);
            let kind = kind_of(path, split, &texts)?;
            Description { kind, ..texts }
        }
    };
    own(path, None, description, options).map(Some)
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata()
        .is_ok_and(|found| found.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
}

/// Checks files of a built-in task.
fn of_registry(
    path: &Path,
    entry: &'static registry::Entry,
    options: &Options,
) -> Result<Option<Subject>, Error> {
    let task = match entry.kind {
        registry::Kind::Questions(_) if path.is_dir() => {
            return Err(Error::FolderOfQuestions {
                path: path.to_owned(),
            });
        }
        registry::Kind::Questions(_) => return Ok(None),
        registry::Kind::Tagging => TaskOf::Chunk,
        registry::Kind::Classification | registry::Kind::Regression => {
            match glue::find(entry.name) {
                Some(task) => TaskOf::Glue(task),
                None => return Ok(None),
            }
        }
    };
    let parts = parts_of(&task, entry);
    let there = |part: &Part| existing(&part.path).is_file();
    let files: Vec<Part> = match path.is_dir() {
        true => {
            let parts = parts.into_iter().map(|part| Part {
                path: path.join(part.path),
                ..part
            });
            parts.filter(there).collect()
        }
        false => {
            let stem = stem_of(path);
            let named = parts
                .iter()
                .find(|part| stem_of(&part.path) == stem || part.name == stem);
            let given = options.split;
            let of_split = parts
                .iter()
                .find(|part| Some(part.split) == given)
                .or(named)
                // Train and dev files have the same layout.
                .or(parts.first());
            let (split, name) =
                of_split.map_or((Split::Dev, "dev"), |part| (part.split, part.name));
            vec![Part {
                path: path.to_owned(),
                split,
                name,
            }]
        }
    };
    if files.is_empty() {
        return Err(Error::NoFile {
            path: path.to_owned(),
            task: entry.name,
        });
    }
    Ok(Some(Subject {
        name: Some(entry.name.to_owned()),
        task,
        lacks_dev: lacks_dev(path, &files),
        files,
    }))
}

/// Returns the files of a task, by their names.
fn parts_of(task: &TaskOf, entry: &registry::Entry) -> Vec<Part> {
    match task {
        TaskOf::Glue(task) => {
            let splits = task.splits.iter();
            let part = |split: &glue::GlueSplit| Part {
                path: PathBuf::from(split.file_name()),
                split: split.split,
                name: split.name,
            };
            splits.map(part).collect()
        }
        _ => {
            let splits = [Split::Train, Split::Dev, Split::Test];
            let file = |split: Split| format!("{}.{}", split.name(), entry.kind.extension());
            splits
                .map(|split| Part::new(file(split).into(), split))
                .into()
        }
    }
}

/// Returns whether a file has the name of one of the task's files.
fn is_part(path: &Path, entry: &'static registry::Entry) -> bool {
    let task = match glue::find(entry.name) {
        Some(task) => TaskOf::Glue(task),
        None if entry.kind == registry::Kind::Tagging => TaskOf::Chunk,
        None => return false,
    };
    let parts = parts_of(&task, entry);
    parts
        .iter()
        .any(|part| stem_of(&part.path) == stem_of(path))
}

/// Checks files of a user-defined task.
fn own(
    path: &Path,
    name: Option<String>,
    description: Description,
    options: &Options,
) -> Result<Subject, Error> {
    let extensions = match description.kind {
        description::Kind::Tagging => tagging::EXTENSIONS,
        _ => table::EXTENSIONS,
    };
    let files = match path.is_dir() {
        false => {
            let split = options.split.or_else(|| description.split_of(path));
            let split = split.or_else(|| split_of(path)).unwrap_or(Split::Train);
            vec![Part::new(path.to_owned(), split)]
        }
        true => {
            let mut files = vec![Part::new(
                description.file(path, Split::Train, extensions)?,
                Split::Train,
            )];
            for split in [Split::Dev, Split::Test] {
                match description.file(path, split, extensions) {
                    Ok(file) => files.push(Part::new(file, split)),
                    Err(description::Error::NoFile { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            files
        }
    };
    Ok(Subject {
        name,
        task: TaskOf::Own(Box::new(description)),
        lacks_dev: lacks_dev(path, &files),
        files,
    })
}

fn lacks_dev(path: &Path, files: &[Part]) -> Option<PathBuf> {
    let dev = files.iter().any(|part| part.split == Split::Dev);
    (path.is_dir() && !dev).then(|| path.to_owned())
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

/// The name of a folder, `.` included.
fn name_of(folder: &Path) -> Option<String> {
    let whole = folder.canonicalize().ok()?;
    Some(whole.file_name()?.to_string_lossy().into_owned())
}

/// Returns a file's name up to its first dot.
fn stem_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
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
