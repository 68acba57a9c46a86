//! A recorded order of training features, which reproduces a run of other code.

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{data::source::read_text, tasks::task::TaskFile};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    File(#[from] crate::data::Error),
    #[error(
        "{}: line {line}: expected an object with the keys \"task\" and \"eid\": {source}",
        file.display()
    )]
    Line {
        file: PathBuf,
        line: usize,
        source: serde_json::Error,
    },
    #[error(
        "{}: line {line}: the training data have no further feature {eid} of {task}; give an order recorded \
         on these data with the same hyper-parameters",
        file.display()
    )]
    NoFeature {
        file: PathBuf,
        line: usize,
        task: String,
        eid: u64,
    },
    #[error("{}: no line; expected one for each training feature", file.display())]
    Empty { file: PathBuf },
}

/// A line of the file; other keys are ignored.
#[derive(Deserialize)]
struct Line {
    /// Optional if only one task is trained.
    task: Option<String>,
    eid: u64,
}

/// The indices, in the list of all tasks' features, that the lines of `file` name, in order.
///
/// # Errors
/// If a line names no feature, or a name occurs more often than it has features.
pub(super) fn order(file: &Path, train: &[Box<dyn TaskFile>]) -> Result<Vec<usize>, Error> {
    // By the task's index and the feature's number.
    let mut places: HashMap<(usize, u64), VecDeque<usize>> = HashMap::new();
    let ids = train
        .iter()
        .enumerate()
        .flat_map(|(place, task)| task.feature_ids().into_iter().map(move |id| (place, id)));
    for (index, key) in ids.enumerate() {
        places.entry(key).or_default().push_back(index);
    }
    let text = read_text(file)?;
    let mut order = Vec::new();
    let lines = text.lines().enumerate();
    for (number, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
        let line = number + 1;
        let Line { task, eid } = serde_json::from_str(text).map_err(|source| Error::Line {
            file: file.to_owned(),
            line,
            source,
        })?;
        let task = task.unwrap_or_else(|| train.first().map_or("", |task| task.task()).to_owned());
        let place = train.iter().position(|known| known.task() == task);
        let known = place.and_then(|place| places.get_mut(&(place, eid)));
        match known.and_then(VecDeque::pop_front) {
            Some(index) => order.push(index),
            None => {
                return Err(Error::NoFeature {
                    file: file.to_owned(),
                    line,
                    task,
                    eid,
                });
            }
        }
    }
    match order.is_empty() {
        true => Err(Error::Empty {
            file: file.to_owned(),
        }),
        false => Ok(order),
    }
}
