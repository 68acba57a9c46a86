//! Several trials → mean and standard deviation of each metric.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::json;

use super::{figures::Scores, results::TrialResults};

/// A metric over all trials.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub mean: f64,
    /// Sample standard deviation: the sum of squares is divided by the number of trials minus one.
    pub standard_deviation: f64,
}

impl Spread {
    /// Computes it from at least two values.
    fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self {
            mean,
            standard_deviation: (squares / (count - 1.0)).sqrt(),
        }
    }
}

/// Mean and standard deviation of every metric of every task that all trials have.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub trials: usize,
    /// Tasks and metrics in the order of the first trial.
    pub tasks: Vec<(String, Vec<(String, Spread)>)>,
}

impl Summary {
    /// Summarises the trials; `None` for fewer than two.
    pub fn of(trials: &[TrialResults]) -> Option<Self> {
        let [first, _, ..] = trials else { return None };
        let scores = |trial: &TrialResults, task: &str| -> Option<Scores> {
            let mut tasks = trial.tasks.iter();
            tasks
                .find(|(name, _)| name == task)
                .map(|(_, scores)| scores.clone())
        };
        let tasks = first.tasks.iter().filter_map(|(task, own)| {
            let all: Vec<Scores> = trials
                .iter()
                .map(|trial| scores(trial, task))
                .collect::<Option<_>>()?;
            let figures = own.iter().filter_map(|(key, _)| {
                let values: Vec<f64> = all
                    .iter()
                    .map(|scores| scores.get(key))
                    .collect::<Option<_>>()?;
                Some((key.to_owned(), Spread::of(&values)))
            });
            Some((task.clone(), figures.collect()))
        });
        Some(Self {
            trials: trials.len(),
            tasks: tasks.collect(),
        })
    }

    /// Returns a task's metric over all trials.
    pub fn spread(&self, task: &str, key: &str) -> Option<Spread> {
        let (_, figures) = self.tasks.iter().find(|(name, _)| name == task)?;
        let (_, spread) = figures.iter().find(|(name, _)| name == key)?;
        Some(*spread)
    }

    /// Formats one line per task, with metrics sorted as in the results:
    /// `squad, mean ± standard deviation of 3 trials: exact: 50.00 ± 1.25 - f1: …`.
    pub fn text(&self) -> String {
        let line = |(task, figures): &(String, Vec<(String, Spread)>)| {
            let mut sorted: Vec<_> = figures.iter().collect();
            sorted.sort_by_key(|(key, _)| key);
            let shown: Vec<String> = sorted
                .into_iter()
                .map(|(key, spread)| {
                    let (mean, deviation) = (spread.mean, spread.standard_deviation);
                    format!("{key}: {mean:.2} ± {deviation:.2}")
                })
                .collect();
            format!(
                "{task}, mean ± standard deviation of {} trials: {}\n",
                self.trials,
                shown.join(" - ")
            )
        };
        self.tasks.iter().map(line).collect()
    }
}

/// `{"trials": 3, "squad": {"exact": {"mean": …, "standard_deviation": …}, …}, …}`
impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.tasks.len()))?;
        map.serialize_entry("trials", &self.trials)?;
        for (task, figures) in &self.tasks {
            let figures: serde_json::Map<_, _> = figures
                .iter()
                .map(|(key, spread)| {
                    let (mean, deviation) = (spread.mean, spread.standard_deviation);
                    let spread = json!({"mean": mean, "standard_deviation": deviation});
                    (key.clone(), spread)
                })
                .collect();
            map.serialize_entry(task, &figures)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::figures::Figure;

    fn trial(exact: f64, extra: bool) -> TrialResults {
        let mut scores = Scores::default();
        scores.push("total", Figure::Count(6));
        scores.push("exact", Figure::Value(exact));
        if extra {
            scores.push("best_f1", Figure::Value(1.0));
        }
        TrialResults {
            tasks: vec![("squad".to_owned(), scores)],
        }
    }

    #[test]
    fn mean_and_standard_deviation_are_those_of_a_sample() {
        let trials = [trial(1.0, true), trial(2.0, false), trial(6.0, true)];
        let summary = Summary::of(&trials).unwrap();
        // (1 + 2 + 6) / 3; √((4 + 1 + 9) / 2).
        assert_eq!(
            summary.text(),
            "squad, mean ± standard deviation of 3 trials: exact: 3.00 ± 2.65 - total: 6.00 ± 0.00\n"
        );
        let written = serde_json::to_value(&summary).unwrap();
        assert_eq!(written["trials"], 3);
        assert_eq!(written["squad"]["exact"]["mean"], 3.0);
        let deviation = written["squad"]["exact"]["standard_deviation"].as_f64();
        assert_eq!(deviation, Some(7_f64.sqrt()));
        assert!(written["squad"].get("best_f1").is_none());
    }

    #[test]
    fn one_trial_has_no_deviation() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[trial(1.0, false)]), None);
    }
}
