//! What a run asks of a task, whatever its kind: to read its files, to answer them with a model, and
//! to mark and write the answers.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use checkpoints_convert::HeadShape;

use super::{error::Error, head::HeadConfig, model::Model, qa::token_counts::TokenCounts};
use crate::{
    batch::Row,
    config::{Config, Paths},
    data::split::Split,
    eval::{
        figures::{Figure, Scores},
        origin::Origin,
        record_file,
        taken::Taken,
    },
    report::Sections,
    text::tokenizer::Tokenizer,
};

/// A task by its name.
pub trait Task {
    /// What an evaluation writes of the task, under the reference's names.
    fn result_files(&self, paths: Paths<'_>) -> Vec<ResultFile>;

    /// The split that a file of this name is part of, and the part's own name.
    fn part<'n>(&self, name: &'n str) -> Option<(Split, &'n str)> {
        Some((name.parse().ok()?, name))
    }

    /// The files of a split that are there to be read; one at least is named, be it there or not.
    fn data_files(&self, config: &Config, split: Split) -> Vec<PathBuf>;

    /// Where the answers of a trial to the test files go; none if the task has no leaderboard.
    fn test_outputs(&self, paths: Paths<'_>, trial: usize) -> Vec<PathBuf>;

    /// What the task's head is made by; `stored` is that of the checkpoint that the run begins with, if
    /// it has one.
    ///
    /// # Errors
    /// When neither the checkpoint nor the task's files tell its labels.
    fn head(&self, config: &Config, stored: Option<&HeadShape>) -> Result<HeadConfig, Error>;

    /// Reads and featurises a split of the task, for its head: all of it, or the one file of several
    /// that is named.
    ///
    /// # Errors
    /// When it cannot be read or is not of the task's form.
    fn read(
        &self,
        split: Split,
        part: Option<&str>,
        head: &HeadConfig,
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<Box<dyn TaskFile>, Error>;

    /// The figures in one line, in the order of the reference's results.
    fn results_line(&self, scores: &Scores) -> String {
        scores.line()
    }

    /// A figure as tables show it.
    fn shown(&self, _: &Scores, _: &str, figure: Figure) -> String {
        figure.shown()
    }

    /// What is to be said under the figures of a trial.
    fn remarks(&self, _: &Scores, _: &Config) -> Vec<String> {
        Vec::new()
    }
}

/// A file that an evaluation writes of a task.
#[derive(Debug, Clone)]
pub struct ResultFile {
    /// What the user calls it.
    pub name: &'static str,
    pub path: PathBuf,
    /// Whether it only says where the others come from.
    pub is_record: bool,
}

impl ResultFile {
    /// The predictions of texts or words, and the record beside them.
    pub fn with_record(path: PathBuf) -> [Self; 2] {
        let record = Self {
            name: "the provenance record",
            path: record_file::path(&path),
            is_record: true,
        };
        let predictions = Self {
            name: "the predictions",
            path,
            is_record: false,
        };
        [predictions, record]
    }
}

/// A split of a task, featurised: one file, or several that are answered together.
pub trait TaskFile {
    fn task(&self) -> &str;

    /// The file that was read, the first of several; it may be an archive.
    fn path(&self) -> &Path;

    /// Number of features.
    fn feature_count(&self) -> usize;

    /// What people call the features.
    fn rows_are(&self) -> &'static str;

    /// The features' numbers, as features files have them, in the order of the file.
    fn feature_ids(&self) -> Vec<u64>;

    /// The features, in the order of the file.
    fn rows(&self) -> Box<dyn Iterator<Item = Row<'_>> + '_>;

    /// What the file holds, in a line.
    fn line(&self, split: Split) -> String;

    /// How many of the file's examples these are, if not all.
    fn taken(&self) -> Option<Taken>;

    /// The first examples of a dev file, at most so many.
    fn first(&self, most: usize, tokenizer: &Tokenizer) -> Box<dyn TaskFile>;

    /// Refuses a file without a feature.
    ///
    /// # Errors
    /// When it has none.
    fn check_not_empty(&self) -> Result<(), Error>;

    /// The first features: what the model reads, and what it should answer.
    fn examples(&self, count: usize, tokenizer: &Tokenizer) -> Vec<String>;

    /// How much of the text the vocabulary knows.
    fn tokens(&self) -> TokenCounts;

    /// What is left out of the file, an example each.
    fn left_out(&self) -> Vec<String>;

    /// Writes the features, a JSON object each, in the order of the file.
    ///
    /// # Errors
    /// When `out` does not take them.
    fn write_features(&self, out: &mut (dyn Write + Send)) -> io::Result<()>;

    /// Refuses what the task's metric cannot mark, so that a run need not compute first.
    ///
    /// # Errors
    /// When the metric cannot mark every example.
    fn check_markable(&self) -> Result<(), Error>;

    /// Number and checksum of what the answers are marked against.
    fn gold_digest(&self) -> String;

    /// Answers every example. `progress` hears how many features are done and says whether to go
    /// on.
    ///
    /// # Errors
    /// When the device fails, when a score is not finite, or [`predict::Error::Ended`] if
    /// `progress` breaks off.
    ///
    /// [`predict::Error::Ended`]: super::predict::Error::Ended
    fn answer<'a>(
        &'a self,
        by: &Answerer<'a>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Box<dyn Answers + 'a>, Error>;

    /// What a report shows of a run's answers to the file, read from where the last trial, or the one
    /// that is named, left them; one entry for each file that is answered.
    ///
    /// # Errors
    /// When the answers cannot be read, or belong to other data.
    fn sections(
        &self,
        paths: Paths<'_>,
        trial: Option<usize>,
    ) -> Result<Vec<Box<dyn Sections + '_>>, Error>;

    /// Stores with the model in a folder what does best on this file, of what is chosen after
    /// training, and says what changed; `None` if nothing is.
    fn calibrate(&self, _: &Path, _: &Scores) -> Option<Result<String, Error>> {
        None
    }
}

/// A model that answers.
#[derive(Clone, Copy)]
pub struct Answerer<'a> {
    pub model: &'a Model,
    /// The task's place in the model's list.
    pub head: usize,
    pub tokenizer: &'a Tokenizer,
    pub config: &'a Config,
    pub device: &'a Device,
    /// Whether the loss of the answers is asked for, where it is not known anyway.
    pub losses: bool,
}

/// What a model answers to a file.
pub trait Answers {
    /// The figures alone, as [`mark`](Self::mark) gives them; nothing is written.
    ///
    /// # Errors
    /// When the answers cannot be marked.
    fn scores(&self) -> Result<Scores, Error>;

    /// The training loss of an example, or of a window of a question, without dropout: the mean over
    /// those that training would learn from. `None` if there are none, or it was not asked for.
    fn loss(&self) -> Option<f64>;

    /// Writes the answers as those of a trial, marks them as the task's official scorer does, and
    /// gives the figures.
    ///
    /// # Errors
    /// When a file cannot be written or the answers cannot be marked.
    fn mark(&self, trial: usize, origin: &Origin) -> Result<Scores, Error>;

    /// Writes what a trial hands in for the test files.
    ///
    /// # Errors
    /// When a file cannot be written.
    fn write_test_outputs(&self, trial: usize) -> Result<(), Error>;
}
