//! What a run asks of a task, whatever its kind: to read its files, to answer them with a model, and
//! to mark and write the answers.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use burn::tensor::Device;

use super::{error::Error, model::Model, qa::evaluate::TaskData};
use crate::{
    batch::Row,
    config::{Config, Paths},
    data::split::Split,
    eval::{
        figures::{Figure, Scores},
        origin::Origin,
    },
    text::tokenizer::Tokenizer,
};

/// A task by its name.
pub trait Task {
    /// What an evaluation writes of the task, under the reference's names.
    fn result_files(&self, paths: Paths<'_>) -> Vec<ResultFile>;

    /// Whether answers to a test file can be handed in somewhere.
    fn has_leaderboard(&self) -> bool;

    /// Reads and featurises `file` as a `split` of the task.
    ///
    /// # Errors
    /// When it cannot be read or is not of the task's form.
    fn read(
        &self,
        file: &Path,
        split: Split,
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<Box<dyn TaskFile>, Error>;

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

/// A file by its kind.
pub enum FileOf<'a> {
    Questions(&'a TaskData),
}

/// A task's file, featurised.
pub trait TaskFile {
    fn kind(&self) -> FileOf<'_>;

    fn task(&self) -> &str;

    /// The file that was read, which may be an archive.
    fn path(&self) -> &Path;

    /// Number of features.
    fn feature_count(&self) -> usize;

    /// The features, in the order of the file.
    fn rows(&self) -> Box<dyn Iterator<Item = Row<'_>> + '_>;

    /// What the file holds, in a line.
    fn line(&self, split: Split) -> String;

    /// Refuses a file without a feature.
    ///
    /// # Errors
    /// When it has none.
    fn check_not_empty(&self) -> Result<(), Error>;

    /// The first features: what the model reads, and what it should answer.
    fn examples(&self, count: usize, tokenizer: &Tokenizer) -> Vec<String>;

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
    /// [`predict::Error::Ended`]: super::qa::predict::Error::Ended
    fn answer<'a>(
        &'a self,
        by: &Answerer<'a>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Box<dyn Answers + 'a>, Error>;

    /// Stores with the model in `folder` what does best on this file, of what is chosen after
    /// training, and says what changed; `None` if nothing is.
    fn calibrate(&self, folder: &Path, scores: &Scores) -> Option<Result<String, Error>>;
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
}

/// What a model answers to a file.
pub trait Answers {
    /// Writes the answers as those of a trial, marks them as the task's official scorer does, and
    /// gives the figures.
    ///
    /// # Errors
    /// When a file cannot be written or the answers cannot be marked.
    fn mark(&self, trial: usize, origin: &Origin) -> Result<Scores, Error>;

    /// Writes what is handed in for a test file.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn write_test_outputs(&self, path: &Path) -> Result<(), Error>;
}
