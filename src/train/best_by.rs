//! The metric that decides which weights are best.

use crate::eval::{dev_record::DevRecord, figures::is_loss};

/// Suffix of the keys of thresholds, which are among the scores but are not metrics.
const THRESHOLD: &str = "_thresh";

/// Whether a value in an evaluation measures how good the model is.
pub fn is_score(key: &str) -> bool {
    !key.ends_with(THRESHOLD)
}

/// A metric of a scorer, averaged over all tasks that have it or for one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BestBy {
    key: String,
    task: Option<String>,
}

impl BestBy {
    /// Parses `keep_best`: `f1`, or `squad.f1` for one task of several.
    pub fn new(text: &str, tasks: &[String]) -> Self {
        let of_task = text.rsplit_once('.');
        let of_task = of_task.filter(|(task, _)| tasks.iter().any(|name| name == task));
        match of_task {
            Some((task, key)) => Self {
                key: key.to_owned(),
                task: Some(task.to_owned()),
            },
            None => Self {
                key: text.to_owned(),
                task: None,
            },
        }
    }

    fn figures<'r>(&'r self, record: &'r DevRecord) -> impl Iterator<Item = Option<f64>> + 'r {
        let of_task = move |name: &String| self.task.as_ref().is_none_or(|task| task == name);
        let tasks = record.tasks.iter().filter(move |(name, _)| of_task(name));
        tasks.filter_map(|(_, figures)| figures.get(&self.key).copied())
    }

    /// Whether the metric measures how good a model is.
    pub fn is_score(&self) -> bool {
        is_score(&self.key)
    }

    /// Returns whether the evaluation has the metric at all.
    pub fn is_in(&self, record: &DevRecord) -> bool {
        self.figures(record).next().is_some()
    }

    /// Returns the metric with higher values better: the mean over the tasks that have it, with a
    /// loss negated. `None` if it is not a number.
    pub fn rank(&self, record: &DevRecord) -> Option<f64> {
        let figures: Option<Vec<f64>> = self.figures(record).collect();
        let figures = figures.filter(|figures| !figures.is_empty())?;
        let mean = figures.iter().sum::<f64>() / figures.len() as f64;
        Some(if is_loss(&self.key) { -mean } else { mean })
    }

    /// Returns whether an evaluation is better than the best before it; the first one is.
    pub fn is_better(&self, record: &DevRecord, best: Option<&DevRecord>) -> bool {
        let rank = |record| self.rank(record).unwrap_or(f64::NEG_INFINITY);
        best.is_none_or(|best| rank(record) > rank(best))
    }

    /// Returns the best evaluation, the first of equal ones.
    pub fn best<'r>(&self, records: &'r [DevRecord]) -> Option<&'r DevRecord> {
        records
            .iter()
            .fold(None, |best, record| match self.is_better(record, best) {
                true => Some(record),
                false => best,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(step: u64, figures: &[(&str, &str, Option<f64>)]) -> DevRecord {
        let mut record = DevRecord {
            step,
            tasks: Default::default(),
            taken: Default::default(),
            seconds: 1.0,
            weights: None,
        };
        for (task, key, value) in figures {
            let figures = record.tasks.entry((*task).to_owned()).or_default();
            figures.insert((*key).to_owned(), *value);
        }
        record
    }

    #[test]
    fn of_one_task_or_the_mean_of_all() {
        let both = record(1, &[("rte", "accuracy", Some(60.0)), ("cola", "mcc", None)]);
        let tasks = ["rte", "cola", "my.own"].map(str::to_owned);
        let of = |text| BestBy::new(text, &tasks);
        assert_eq!(of("accuracy").rank(&both), Some(60.0));
        assert_eq!(of("rte.accuracy").rank(&both), Some(60.0));
        assert!(!of("cola.accuracy").is_in(&both));
        // Present, but not a number.
        assert!(of("mcc").is_in(&both));
        assert_eq!(of("mcc").rank(&both), None);
        assert!(!of("f1").is_in(&both));
        let two = record(
            1,
            &[
                ("rte", "accuracy", Some(60.0)),
                ("sst", "accuracy", Some(90.0)),
            ],
        );
        assert_eq!(of("accuracy").rank(&two), Some(75.0));
        assert_eq!(of("my.own.f1").task.as_deref(), Some("my.own"));
        assert!(of("rte.best_f1").is_score() && !of("rte.best_f1_thresh").is_score());
    }

    #[test]
    fn the_first_of_equal_evaluations_is_the_best() {
        let at = |step, value| record(step, &[("rte", "loss", value), ("rte", "accuracy", value)]);
        let records = [
            at(0, None),
            at(5, Some(2.0)),
            at(10, Some(1.0)),
            at(15, Some(2.0)),
        ];
        let best = |key| BestBy::new(key, &[]).best(&records).unwrap().step;
        assert_eq!(best("accuracy"), 5);
        assert_eq!(best("loss"), 10);
        let by = BestBy::new("loss", &[]);
        assert!(by.is_better(&records[2], Some(&records[1])));
        assert!(!by.is_better(&records[3], Some(&records[1])));
        assert!(!by.is_better(&records[0], Some(&records[0])) && by.is_better(&records[0], None));
        let errors = [("mse", 2.0), ("mse", 1.0), ("mse", 3.0)];
        let errors = errors.map(|(key, value)| record(value as u64, &[("sts", key, Some(value))]));
        assert_eq!(BestBy::new("mse", &[]).best(&errors).unwrap().step, 1);
        let none = [at(0, None), at(5, None)];
        assert_eq!(BestBy::new("loss", &[]).best(&none).unwrap().step, 0);
    }
}
