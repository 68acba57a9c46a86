//! A run's scores, curves and errors → one HTML file that opens without a network.
//!
//! [`Report`] holds what is shown, [`Sections`] what a task adds to it; one module a part of the page. Tables and examples are written out, escaped by `maud`; the curves are data that a
//! script in the page draws.

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

/// What a task shows of its answers.
pub trait Sections {
    /// Its name; the results have its figures under it.
    fn name(&self) -> &str;

    /// Its figures.
    fn scores(&self) -> &Scores;

    /// The figures that stand out.
    fn cards(&self) -> Markup;

    /// What is said above the table of its figures in all trials.
    fn note(&self) -> Option<&'static str> {
        None
    }

    /// What stands in the place of a figure that says nothing by itself.
    fn word(&self, _: &Scores, _: &str) -> Option<&'static str> {
        None
    }

    /// Its parts of the page from the curves of training to where the figures come from.
    fn parts(&self, limits: Limits, charts: &mut Charts) -> Vec<Part>;

    /// Where the answers come from, if the files tell.
    fn origin(&self) -> Option<&Origin> {
        None
    }

    /// The files that were read: what each is, and its name and sum.
    fn files(&self) -> Vec<(&'static str, Markup)>;

    /// The file of the examples.
    fn data(&self) -> &FileDigest;

    /// What the answers are worth, example by example, to be held against those of another run.
    fn judged(&self) -> Judged;

    /// An example and the answer to it; examples count from 0, as [`judged`](Self::judged) has them.
    fn told(&self, example: usize) -> Told;

    /// What an example is about, beyond its text, with the answer marked.
    fn context(&self, _: usize) -> Option<Markup> {
        None
    }
}

/// What a task may show, so that a page of a large file stays one that a browser opens at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Examples of each class.
    pub examples: usize,
    /// Bytes of all of its examples.
    pub bytes: usize,
}

/// A task's share of a part of the page. What stands under one heading is shown together, a task
/// after the other.
pub struct Part {
    /// Without one, the part acts on all that follows, and stands once: the first task's.
    pub heading: Option<Heading>,
    pub body: Markup,
}

/// The heading of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heading {
    pub id: &'static str,
    /// Its name in the menu.
    pub menu: &'static str,
    pub title: &'static str,
}

impl Heading {
    pub const ERRORS: Self = Self::new("errors", "Errors", "Errors");
    pub const EXAMPLES: Self = Self::new("examples", "Examples", "Examples");

    pub const fn new(id: &'static str, menu: &'static str, title: &'static str) -> Self {
        Self { id, menu, title }
    }

    /// A part under this heading.
    pub fn over(self, body: Markup) -> Part {
        Part {
            heading: Some(self),
            body,
        }
    }
}

/// What the page shows; parts that are empty are left out.
#[derive(Default)]
pub struct Report<'a> {
    pub title: String,
    pub trials: Vec<TrialResults>,
    /// What is to be said of the figures of the trials, because other files contradict them.
    pub disputed: Vec<String>,
    pub training: Vec<TrainingCurve>,
    /// In the order of the run.
    pub tasks: Vec<&'a dyn Sections>,
    /// Examples of each class, at most.
    pub examples: usize,
    /// Where the answers come from, if their files do not tell.
    pub origin: Option<Origin>,
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

/// Bytes of examples that the tasks of a page share.
const EXAMPLE_BYTES: usize = 2_000_000;

impl Report<'_> {
    /// The page.
    pub fn html(&self) -> String {
        page::page(self).into_string()
    }

    fn limits(&self) -> Limits {
        Limits {
            examples: self.examples,
            bytes: EXAMPLE_BYTES / self.tasks.len().max(1),
        }
    }

    /// Where the answers come from: what their files say of it goes before what is given.
    fn origin(&self) -> Option<&Origin> {
        let told = self.tasks.iter().find_map(|task| task.origin());
        told.or(self.origin.as_ref())
    }

    /// The task whose figures the results have under a name. A page of one task alone may have them
    /// under another.
    fn task(&self, name: &str) -> Option<&dyn Sections> {
        match self.tasks[..] {
            [task] => Some(task),
            _ => self.tasks.iter().copied().find(|task| task.name() == name),
        }
    }

    /// Writes the page, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        Ok(write_text(path, &self.html())?)
    }
}
