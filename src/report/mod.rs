//! A run's scores, curves and errors → one HTML file that opens without a network.
//!
//! [`Report`] holds what is shown; one module a part of the page. Tables and examples are written
//! out here, escaped by `maud`; the curves are data that a script in the page draws.

use std::path::Path;

use crate::{
    eval::{self, json_file::write_text, origin::command, results::TrialResults},
    tasks::qa,
    utc,
};

pub mod chart;
mod error_section;
pub mod example_list;
mod flag_section;
pub mod highlight;
mod length_section;
pub mod no_answer;
mod origin_section;
mod page;
pub mod run_report;
mod score_section;
pub mod task;
pub mod training_curve;
mod training_section;
mod type_section;

pub use task::TaskReport;
pub use training_curve::TrainingCurve;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Write(#[from] eval::Error),
    #[error(transparent)]
    Answers(#[from] qa::error::Error),
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

/// What the page shows; parts that are empty are left out.
#[derive(Debug, Default)]
pub struct Report {
    pub title: String,
    pub trials: Vec<TrialResults>,
    pub training: Vec<TrainingCurve>,
    pub tasks: Vec<TaskReport>,
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

impl Report {
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
