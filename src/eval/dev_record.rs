//! The metrics of an evaluation between training steps; `eval_log.jsonl` has one line per task.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    figures::{Figure, Scores},
    results::TrialResults,
    taken::Taken,
};

/// Name of the log, which is kept beside that of the training steps.
pub const FILE: &str = "eval_log.jsonl";

/// Metrics by key; `None` for one that is not a number.
pub type Figures = BTreeMap<String, Option<f64>>;

/// Length and CRC-32C of a weights file.
pub type WeightsSum = (u64, u32);

/// The evaluation after some number of steps.
#[derive(Debug, Clone, PartialEq)]
pub struct DevRecord {
    /// Finished training steps.
    pub step: u64,
    /// By task.
    pub tasks: BTreeMap<String, Figures>,
    /// Number of examples that a task's metrics cover, if not all.
    pub taken: BTreeMap<String, Taken>,
    /// How long the evaluation took.
    pub seconds: f64,
    /// The weights, if they were kept as the best so far.
    pub weights: Option<WeightsSum>,
}

/// One task's part of a [`DevRecord`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DevLine {
    pub step: u64,
    pub task: String,
    #[serde(flatten)]
    pub figures: Figures,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examples: Option<Taken>,
    /// Of all tasks together.
    pub seconds: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSum>,
}

impl DevRecord {
    /// Creates a record of metrics, without kept weights.
    pub fn new(step: u64, results: &TrialResults, seconds: f64) -> Self {
        let tasks = results.tasks.iter();
        let tasks = tasks.map(|(task, scores)| (task.clone(), figures(scores)));
        Self {
            step,
            tasks: tasks.collect(),
            taken: BTreeMap::new(),
            seconds,
            weights: None,
        }
    }

    /// Iterates over the lines, one per task.
    pub fn lines(&self) -> impl Iterator<Item = DevLine> {
        self.tasks.iter().map(|(task, figures)| DevLine {
            step: self.step,
            task: task.clone(),
            figures: figures.clone(),
            examples: self.taken.get(task).copied(),
            seconds: self.seconds,
            weights: self.weights,
        })
    }

    /// Groups a log's lines into evaluations: consecutive lines with the same step.
    pub fn of_lines(lines: impl IntoIterator<Item = DevLine>) -> Vec<Self> {
        let mut records: Vec<Self> = Vec::new();
        for line in lines {
            if records.last().is_none_or(|last| last.step != line.step) {
                records.push(Self {
                    step: line.step,
                    tasks: BTreeMap::new(),
                    taken: BTreeMap::new(),
                    seconds: line.seconds,
                    weights: line.weights,
                });
            }
            if let Some(record) = records.last_mut() {
                let taken = line.examples.map(|taken| (line.task.clone(), taken));
                record.taken.extend(taken);
                record.tasks.insert(line.task, line.figures);
            }
        }
        records
    }
}

/// All metrics except counts, which are properties of the file.
fn figures(scores: &Scores) -> Figures {
    let values = scores.iter().filter_map(|(key, figure)| match figure {
        Figure::Count(_) => None,
        Figure::Value(value) => Some((key.to_owned(), Some(value).filter(|v| v.is_finite()))),
    });
    values.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_task_and_back() {
        let text = [
            r#"{"step":4,"task":"a","f1":50.5,"mcc":null,"seconds":0.5,"weights":[7,8]}"#,
            r#"{"step":4,"task":"b","loss":1.5,"examples":{"first":5,"of":20},"seconds":0.5,"weights":[7,8]}"#,
            r#"{"step":8,"task":"a","f1":51.0,"seconds":0.25}"#,
        ];
        let lines = text.map(|line| serde_json::from_str::<DevLine>(line).unwrap());
        let records = DevRecord::of_lines(lines);
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].tasks["a"]["f1"], Some(50.5));
        assert_eq!(records[0].tasks["a"]["mcc"], None);
        assert_eq!(records[0].weights, Some((7, 8)));
        assert_eq!(records[1].weights, None);
        assert_eq!(records[0].taken.len(), 1);
        assert_eq!(records[0].taken["b"], Taken { first: 5, of: 20 });
        let again = records.iter().flat_map(DevRecord::lines);
        let again = again.map(|line| serde_json::to_string(&line).unwrap());
        assert_eq!(again.collect::<Vec<_>>(), text);
    }
}
