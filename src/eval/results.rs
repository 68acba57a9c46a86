//! Figures → the results of a run.
//!
//! The files and their layout are the reference's (`T_results.txt`, where T names the run's tasks),
//! with a JSON form beside them and, of several trials, mean and standard deviation.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{
    error::Error,
    figures::Scores,
    json_file::{write_json, write_text},
    summary::Summary,
};
use crate::config::Paths;

/// The figures of one trial: each task in turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrialResults {
    pub tasks: Vec<(String, Scores)>,
}

impl Serialize for TrialResults {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.tasks.len()))?;
        for (task, scores) in &self.tasks {
            map.serialize_entry(task, &scores.with_remark())?;
        }
        map.end()
    }
}

/// The text of `T_results.txt`: a line for each trial and task, trials one after the other.
pub fn results_text(trials: &[TrialResults]) -> String {
    trials
        .iter()
        .flat_map(|trial| &trial.tasks)
        .map(|(task, scores)| format!("{task}: {}\n", scores.line()))
        .collect()
}

/// Writes the figures of all trials so far, and of several their mean and standard deviation.
///
/// # Errors
/// When a file cannot be written.
pub fn write_results(paths: Paths<'_>, trials: &[TrialResults]) -> Result<(), Error> {
    write_text(paths.results_txt(), &results_text(trials))?;
    write_json(&paths.results_json(), &trials)?;
    match Summary::of(trials) {
        Some(summary) => {
            write_text(&paths.summary_txt(), &summary.text())?;
            write_json(&paths.summary(), &summary)
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::figures::Figure;

    fn trial(exact: f64) -> TrialResults {
        let mut scores = Scores::default();
        scores.push("exact", Figure::Value(exact));
        scores.push("total", Figure::Count(3));
        scores.push("HasAns_f1", Figure::Value(exact / 2.0));
        TrialResults {
            tasks: vec![
                ("squad".to_owned(), scores.clone()),
                ("newsqa".to_owned(), scores),
            ],
        }
    }

    #[test]
    fn results_have_a_line_for_each_trial_and_task() {
        assert_eq!(
            results_text(&[trial(50.0), trial(200.0 / 3.0)]),
            "squad: HasAns_f1: 25.00 - exact: 50.00 - total: 3.00\n\
             newsqa: HasAns_f1: 25.00 - exact: 50.00 - total: 3.00\n\
             squad: HasAns_f1: 33.33 - exact: 66.67 - total: 3.00\n\
             newsqa: HasAns_f1: 33.33 - exact: 66.67 - total: 3.00\n"
        );
    }
}
