//! Renders a run's scores, curves and errors as one HTML file that works offline.
//!
//! [`Report`] holds what is shown, [`Sections`] what a task contributes; each module renders a part
//! of the page. Tables and examples are written as HTML, escaped by `maud`; the curves are data
//! that a script in the page draws.

use std::path::Path;

use maud::Markup;

use crate::{
    eval::{
        self,
        figures::Scores,
        file_digest::FileDigest,
        json_file::write_text,
        judged::{Judged, Told},
        origin::{Origin, command},
        results::TrialResults,
    },
    utc,
};
use chart::Charts;

pub mod chart;
pub mod comparison_page;
pub mod example_list;
mod joined;
pub(crate) mod origin_section;
pub(crate) mod page;
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
        "{} line {line}: {problem}; expected a line of {log}: {{\"step\": …, \"loss\": …, …}}",
        path.display()
    )]
    LogLine {
        path: std::path::PathBuf,
        line: usize,
        problem: String,
        /// The log that it should be.
        log: &'static str,
    },
}

/// What a task shows about its answers.
pub trait Sections {
    /// Returns its name, under which the results list its scores.
    fn name(&self) -> &str;

    /// Returns its scores.
    fn scores(&self) -> &Scores;

    /// Renders the most important scores.
    fn cards(&self) -> Markup;

    /// Returns a note above the table of its scores in all trials.
    fn note(&self) -> Option<&'static str> {
        None
    }

    /// Returns the text to show instead of a score that means nothing by itself.
    fn word(&self, _: &Scores, _: &str) -> Option<&'static str> {
        None
    }

    /// Renders its parts of the page, between the training curves and the origin of the scores.
    fn parts(&self, limits: Limits, charts: &mut Charts) -> Vec<Part>;

    /// Returns the origin of the answers, if the files state it.
    fn origin(&self) -> Option<&Origin> {
        None
    }

    /// Returns the files that were read: the role, name and checksum of each.
    fn files(&self) -> Vec<(&'static str, Markup)>;

    /// Returns the file of the examples.
    fn data(&self) -> &FileDigest;

    /// Returns the score of each example's answer, for a comparison with another run.
    fn judged(&self) -> Judged;

    /// Returns an example and its answer; examples count from 0, in the order of
    /// [`judged`](Self::judged).
    fn told(&self, example: usize) -> Told;

    /// Renders the context of an example, beyond its text, with the answer marked.
    fn context(&self, _: usize) -> Option<Markup> {
        None
    }
}

/// Limits on what a task shows, so that the page of a large file still opens quickly in a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most examples of each class.
    pub examples: usize,
    /// Most bytes of all its examples.
    pub bytes: usize,
}

/// A task's share of a part of the page. Shares with the same heading are shown together, one task
/// after the other.
pub struct Part {
    /// If `None`, the part acts on everything after it, and only the first task's is used.
    pub heading: Option<Heading>,
    pub body: Markup,
}

/// The heading of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heading {
    pub id: &'static str,
    /// Its title in the menu.
    pub menu: &'static str,
    pub title: &'static str,
}

impl Heading {
    pub const ERRORS: Self = Self::new("errors", "Errors", "Errors");
    pub const EXAMPLES: Self = Self::new("examples", "Examples", "Examples");

    pub const fn new(id: &'static str, menu: &'static str, title: &'static str) -> Self {
        Self { id, menu, title }
    }

    /// Returns a part under this heading.
    pub fn over(self, body: Markup) -> Part {
        Part {
            heading: Some(self),
            body,
        }
    }
}

/// The contents of the page; empty parts are left out.
#[derive(Default)]
pub struct Report<'a> {
    pub title: String,
    pub trials: Vec<TrialResults>,
    /// Their numbers; without any they count from 1.
    pub numbers: Vec<usize>,
    /// What is to be said of the figures of the trials, because other files contradict them.
    pub disputed: Vec<String>,
    pub training: Vec<TrainingCurve>,
    /// In the order of the run.
    pub tasks: Vec<&'a dyn Sections>,
    /// Most examples of each class.
    pub examples: usize,
    /// The origin of the answers, if their files do not state it.
    pub origin: Option<Origin>,
    /// When and by what command the page was made.
    pub made: Option<Made>,
}

/// When and how a page was made.
#[derive(Debug, Clone)]
pub struct Made {
    pub date: String,
    pub command: String,
}

impl Made {
    /// Returns the current time and command.
    pub fn now() -> Self {
        Made {
            date: utc::now(),
            command: command(),
        }
    }
}

/// Default number of examples of a class on a page: a page of SQuAD's whole development set stays
/// below 1 MB.
pub const EXAMPLES: usize = 60;

/// Bytes of examples, shared by all tasks of a page.
const EXAMPLE_BYTES: usize = 2_000_000;

impl Report<'_> {
    /// Renders the page.
    pub fn html(&self) -> String {
        page::page(self).into_string()
    }

    fn limits(&self) -> Limits {
        Limits {
            examples: self.examples,
            bytes: EXAMPLE_BYTES / self.tasks.len().max(1),
        }
    }

    /// Returns the origin of the answers: what their files state takes precedence over what is
    /// given.
    fn origin(&self) -> Option<&Origin> {
        let told = self.tasks.iter().find_map(|task| task.origin());
        told.or(self.origin.as_ref())
    }

    /// Returns the task whose scores the results list under this name. A page with only one task
    /// may have them under another name.
    fn task(&self, name: &str) -> Option<&dyn Sections> {
        match self.tasks[..] {
            [task] => Some(task),
            _ => self.tasks.iter().copied().find(|task| task.name() == name),
        }
    }

    /// Writes the page, completely or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        Ok(write_text(path, &self.html())?)
    }
}
