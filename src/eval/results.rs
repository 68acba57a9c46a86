//! Metrics → the results of a run, and their text in the reference's layout.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::figures::Scores;

/// The metrics of one trial, task by task.
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

/// Returns the text of `T_results.txt`: one line per trial and task, trial after trial; `line`
/// formats a task's metrics.
pub fn results_text(trials: &[TrialResults], line: impl Fn(&str, &Scores) -> String) -> String {
    trials
        .iter()
        .flat_map(|trial| &trial.tasks)
        .map(|(task, scores)| format!("{task}: {}\n", line(task, scores)))
        .collect()
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
            results_text(&[trial(50.0), trial(200.0 / 3.0)], |_, scores| scores
                .sorted_line()),
            "squad: HasAns_f1: 25.00 - exact: 50.00 - total: 3.00\n\
             newsqa: HasAns_f1: 25.00 - exact: 50.00 - total: 3.00\n\
             squad: HasAns_f1: 33.33 - exact: 66.67 - total: 3.00\n\
             newsqa: HasAns_f1: 33.33 - exact: 66.67 - total: 3.00\n"
        );
    }
}
