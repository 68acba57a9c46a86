//! What a run needs of a task, whatever its kind: to read its files, answer them with a model, and
//! score and write the answers.

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

/// A task of a run.
pub trait Task {
    /// Returns the files that an evaluation writes for the task, under the reference's names.
    fn result_files(&self, paths: Paths<'_>) -> Vec<ResultFile>;

    /// Parses a file's name into the split it is part of and the part's own name.
    fn part<'n>(&self, name: &'n str) -> Option<(Split, &'n str)> {
        Some((name.parse().ok()?, name))
    }

    /// Returns the existing files of a split; if none exists, the one that is expected.
    fn data_files(&self, config: &Config, split: Split) -> Vec<PathBuf>;

    /// Returns where a trial's answers to the test files go; empty if the task has no leaderboard.
    fn test_outputs(&self, paths: Paths<'_>, trial: usize) -> Vec<PathBuf>;

    /// Returns the configuration of the task's head; `stored` is that of the checkpoint from which
    /// the run starts, if it has one.
    ///
    /// # Errors
    /// If neither the checkpoint nor the task's files determine its labels.
    fn head(&self, config: &Config, stored: Option<&HeadShape>) -> Result<HeadConfig, Error>;

    /// Reads and featurises a split of the task, for its head: all of it, or only the named one of
    /// several files.
    ///
    /// # Errors
    /// If it cannot be read or does not have the task's form.
    fn read(
        &self,
        split: Split,
        part: Option<&str>,
        head: &HeadConfig,
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<Box<dyn TaskFile>, Error>;

    /// Formats the metrics on one line, in the order of the reference's results.
    fn results_line(&self, scores: &Scores) -> String {
        scores.line()
    }

    /// Formats a metric as in tables.
    fn shown(&self, _: &Scores, _: &str, figure: Figure) -> String {
        figure.shown()
    }

    /// Returns the remarks to show below the metrics of a trial.
    fn remarks(&self, _: &Scores, _: &Config) -> Vec<String> {
        Vec::new()
    }
}

/// A file that an evaluation writes for a task.
#[derive(Debug, Clone)]
pub struct ResultFile {
    /// What the user calls it.
    pub name: &'static str,
    pub path: PathBuf,
    /// Whether it only records where the others come from.
    pub is_record: bool,
}

impl ResultFile {
    /// Returns the predictions file of texts or words and the record beside it.
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

/// A featurised split of a task: one file, or several that are answered together.
pub trait TaskFile {
    fn task(&self) -> &str;

    /// Returns the file that was read, the first of several; it may be an archive.
    fn path(&self) -> &Path;

    /// Returns the number of features.
    fn feature_count(&self) -> usize;

    /// Returns what users call the features.
    fn rows_are(&self) -> &'static str;

    /// Returns the features' ids, as in features files, in file order.
    fn feature_ids(&self) -> Vec<u64>;

    /// Iterates over the features in file order.
    fn rows(&self) -> Box<dyn Iterator<Item = Row<'_>> + '_>;

    /// Describes the file's content on one line.
    fn line(&self, split: Split) -> String;

    /// Returns how many of the file's examples these are, if not all.
    fn taken(&self) -> Option<Taken>;

    /// Restricts a dev file to at most its first `most` examples.
    fn first(&self, most: usize, tokenizer: &Tokenizer) -> Box<dyn TaskFile>;

    /// Rejects a file without features.
    ///
    /// # Errors
    /// If it has none.
    fn check_not_empty(&self) -> Result<(), Error>;

    /// Formats the first features: what the model reads, and its target.
    fn examples(&self, count: usize, tokenizer: &Tokenizer) -> Vec<String>;

    /// Returns how much of the text the vocabulary knows.
    fn tokens(&self) -> TokenCounts;

    /// Describes each example that is left out of the file.
    fn left_out(&self) -> Vec<String>;

    /// Writes the features, one JSON object each, in file order.
    ///
    /// # Errors
    /// If writing to `out` fails.
    fn write_features(&self, out: &mut (dyn Write + Send)) -> io::Result<()>;

    /// Rejects examples that the task's metric cannot score, before a run computes anything.
    ///
    /// # Errors
    /// If the metric cannot score every example.
    fn check_markable(&self) -> Result<(), Error>;

    /// Returns the number and checksum of the gold answers.
    fn gold_digest(&self) -> String;

    /// Answers every example. `progress` receives the number of finished features and returns
    /// whether to continue.
    ///
    /// # Errors
    /// If the device fails, if a score is not finite, or [`predict::Error::Ended`] if `progress`
    /// stops the run.
    ///
    /// [`predict::Error::Ended`]: super::predict::Error::Ended
    fn answer<'a>(
        &'a self,
        by: &Answerer<'a>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Box<dyn Answers + 'a>, Error>;

    /// Returns what a report shows of a run's answers to the file, read from the last trial or the
    /// given one; one entry per answered file.
    ///
    /// # Errors
    /// If the answers cannot be read or belong to other data.
    fn sections(
        &self,
        paths: Paths<'_>,
        trial: Option<usize>,
    ) -> Result<Vec<Box<dyn Sections + '_>>, Error>;

    /// Chooses post-training settings that work best on this file, stores them with the model in a
    /// folder, and describes what changed; `None` if there are none to choose.
    fn calibrate(&self, _: &Path, _: &Scores) -> Option<Result<String, Error>> {
        None
    }
}

/// A model that answers.
#[derive(Clone, Copy)]
pub struct Answerer<'a> {
    pub model: &'a Model,
    /// The task's index in the model's list.
    pub head: usize,
    pub tokenizer: &'a Tokenizer,
    pub config: &'a Config,
    pub device: &'a Device,
    /// Rows of the longest that are computed at once, at most.
    pub at_once: usize,
    /// Whether to compute the loss of the answers even if that takes extra work.
    pub losses: bool,
}

/// A model's answers to a file.
pub trait Answers {
    /// Returns only the metrics, as [`mark`](Self::mark) computes them, without writing anything.
    ///
    /// # Errors
    /// If the answers cannot be scored.
    fn scores(&self) -> Result<Scores, Error>;

    /// Returns the training loss per example, or per window of a question, without dropout: the
    /// mean over those from which training would learn. `None` if there are none or it was not
    /// requested.
    fn loss(&self) -> Option<f64>;

    /// Writes the answers as those of a trial, scores them with the task's official scorer, and
    /// returns the metrics.
    ///
    /// # Errors
    /// If a file cannot be written or the answers cannot be scored.
    fn mark(&self, trial: usize, origin: &Origin) -> Result<Scores, Error>;

    /// Writes a trial's submission for the test files.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn write_test_outputs(&self, trial: usize) -> Result<(), Error>;
}
