//! A run's scores, curves and errors → one HTML file that opens without a network.
//!
//! [`Report`] holds what is shown, [`Sections`] what a kind of task adds to it; one module a part of
//! the page. Tables and examples are written out, escaped by `maud`; the curves are data that a
//! script in the page draws.

use std::path::Path;

use maud::Markup;

use crate::{
    eval::{
        self,
        figures::Scores,
        json_file::write_text,
        origin::{Origin, command},
        results::TrialResults,
    },
    utc,
};
use chart::Charts;

pub mod chart;
pub(crate) mod origin_section;
mod page;
mod score_table;
pub mod training_curve;
mod training_section;

pub use training_curve::TrainingCurve;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Write(#[from] eval::Error),
    #[error("{}: the training log cannot be read; check the path and its permissions", path.display())]
    ReadLog {
        path: std::path::PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{} line {line}: {problem}; expected a line of train_log.jsonl: {{\"step\": …, \"loss\": …, …}}",
        path.display()
    )]
    LogLine {
        path: std::path::PathBuf,
        line: usize,
        problem: String,
    },
}

/// What tasks show of their answers.
pub trait Sections {
    /// Whether nothing was answered.
    fn is_empty(&self) -> bool;

    /// The figures that stand out.
    fn cards(&self) -> Markup;

    /// What is said above a table of all trials' figures.
    fn note(&self) -> Option<&'static str>;

    /// What stands in the place of a figure that says nothing by itself.
    fn word(&self, scores: &Scores, key: &str) -> Option<&'static str>;

    /// The parts of the page from the curves of training to where the figures come from, with so
    /// many examples of each class, at most.
    fn parts(&self, examples: usize, charts: &mut Charts) -> Vec<Part>;

    /// Where the answers come from, if it is known.
    fn origin(&self) -> Option<&Origin>;

    /// The files that were read, as rows of a table.
    fn files(&self) -> Markup;
}

/// A part of the page.
pub struct Part {
    /// Its anchor and its name in the menu.
    pub heading: Option<(&'static str, &'static str)>,
    pub body: Markup,
}

/// What the page shows; parts that are empty are left out.
#[derive(Debug, Default)]
pub struct Report<T> {
    pub title: String,
    pub trials: Vec<TrialResults>,
    pub training: Vec<TrainingCurve>,
    pub tasks: T,
    /// Examples of each class of errors, at most.
    pub examples: usize,
    /// When and by what command the page was made.
    pub made: Option<Made>,
}

/// How a page came to be.
#[derive(Debug, Clone)]
pub struct Made {
    pub date: String,
    pub command: String,
}

impl Made {
    /// Now, by this command.
    pub fn now() -> Self {
        Made {
            date: utc::now(),
            command: command(),
        }
    }
}

/// Examples of a class that a page shows unless told otherwise: a page of SQuAD's whole
/// development set stays below 1 MB.
pub const EXAMPLES: usize = 60;

impl<T: Sections> Report<T> {
    /// The page.
    pub fn html(&self) -> String {
        page::page(self).into_string()
    }

    /// Writes the page, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        Ok(write_text(path, &self.html())?)
    }
}
