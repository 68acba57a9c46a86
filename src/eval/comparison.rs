//! Compares two runs' answers to the same examples: the difference of their metrics, and which
//! examples were gained and lost.

use super::{
    bootstrap::{Bootstrap, Interval},
    figures::{Figure, Scores},
    judged::Judged,
};

/// Largest relative difference between a metric computed here and the scorer's that still counts as
/// equal: the two sum in different orders.
const SAME: f64 = 1e-9;

/// A metric of both runs.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedFigure {
    pub key: String,
    /// Of the first run and of the other.
    pub values: [f64; 2],
    /// Interval of the other's minus the first's; `None` for a metric that samples do not have,
    /// such as one at the best threshold.
    pub interval: Option<Interval>,
}

impl ComparedFigure {
    /// Returns the other's value minus the first's.
    pub fn difference(&self) -> f64 {
        self.values[1] - self.values[0]
    }
}

/// The answers of two runs to the examples of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskComparison {
    pub task: String,
    pub examples: usize,
    /// What users call an example.
    pub noun: &'static str,
    /// What users call the better answer to an example.
    pub better: &'static str,
    pub figures: Vec<ComparedFigure>,
    /// Examples with a better answer in the other run, largest gain first.
    pub gained: Vec<usize>,
    /// Examples with a better answer in the first run.
    pub lost: Vec<usize>,
}

impl TaskComparison {
    /// Compares answers to the same examples; `scores` are the scorer's metrics of both.
    ///
    /// # Panics
    /// If they have different numbers of examples.
    pub fn of(
        task: &str,
        scores: [&Scores; 2],
        judged: [&Judged; 2],
        bootstrap: &Bootstrap,
    ) -> Self {
        let [first, other] = judged;
        let intervals = bootstrap.intervals(first, other);
        let of_all = judged.map(Judged::figures_of_all);
        let own = |run: usize, key: &str| {
            let place = judged[run].keys().position(|own| own == key)?;
            Some(of_all[run][place])
        };
        let mut keys: Vec<&str> = scores[0]
            .iter()
            .filter(|(_, figure)| matches!(figure, Figure::Value(_)))
            .map(|(key, _)| key)
            .collect();
        // Our own metrics that the scorer does not have.
        for key in first.keys().filter(|key| scores[0].get(key).is_none()) {
            keys.push(key);
        }
        let figures = keys.into_iter().filter_map(|key| {
            let value = |run: usize| scores[run].get(key).or_else(|| own(run, key));
            let values = [value(0)?, value(1)?];
            let is_scorer_s =
                (0..2).all(|run| own(run, key).is_some_and(|own| is_same(own, values[run])));
            let interval = intervals.iter().find(|(own, _)| *own == key);
            Some(ComparedFigure {
                key: key.to_owned(),
                values,
                interval: interval.and_then(|(_, i)| *i).filter(|_| is_scorer_s),
            })
        });
        let above = |a: &Judged, b: &Judged| {
            let worth = a.worth().iter().zip(b.worth());
            let differences = worth.map(|(a, b)| b - a).enumerate();
            let mut better: Vec<(usize, f64)> = differences.filter(|(_, d)| *d > 0.0).collect();
            better.sort_by(|a, b| b.1.total_cmp(&a.1));
            better.into_iter().map(|(place, _)| place).collect()
        };
        Self {
            task: task.to_owned(),
            examples: first.len(),
            noun: first.noun,
            better: first.better,
            figures: figures.collect(),
            gained: above(first, other),
            lost: above(other, first),
        }
    }
}

fn is_same(own: f64, scorer_s: f64) -> bool {
    (own - scorer_s).abs() <= SAME * scorer_s.abs().max(1.0) || own.is_nan() && scorer_s.is_nan()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(worth: &[f64]) -> Judged {
        let mut judged = Judged::new("text", "right", 2);
        for &worth in worth {
            judged.push(&[1.0, worth], worth);
        }
        judged
            .figure("mean", |sums| sums[1] / sums[0])
            .figure("other", |sums| sums[1])
    }

    fn scores(mean: f64, best: f64) -> Scores {
        let mut scores = Scores::default();
        scores.push("mean", Figure::Value(mean));
        scores.push("total", Figure::Count(4));
        scores.push("best_mean", Figure::Value(best));
        scores
    }

    #[test]
    fn figures_differ_and_examples_are_gained_and_lost() {
        let (a, b) = (judged(&[0.0, 1.0, 0.5, 0.0]), judged(&[0.5, 0.0, 0.5, 1.0]));
        let few = Bootstrap {
            resamples: 200,
            ..Bootstrap::default()
        };
        let scores = [&scores(0.375, 0.5), &scores(0.5, 0.75)];
        let found = TaskComparison::of("t", scores, [&a, &b], &few);
        assert_eq!((found.examples, found.noun), (4, "text"));
        assert_eq!(
            (&found.gained[..], &found.lost[..]),
            (&[3, 0][..], &[1][..])
        );
        let figures: Vec<(&str, f64, bool)> = found
            .figures
            .iter()
            .map(|figure| {
                let has_interval = figure.interval.is_some();
                (figure.key.as_str(), figure.difference(), has_interval)
            })
            .collect();
        assert_eq!(
            figures,
            [
                ("mean", 0.125, true),
                ("best_mean", 0.25, false),
                ("other", 0.5, true)
            ]
        );
        // If the scorer counts a metric differently, it gets no interval, since that would belong
        // to ours.
        let other = [&self::scores(0.4, 0.5), scores[1]];
        let found = TaskComparison::of("t", other, [&a, &b], &few);
        assert_eq!(found.figures[0].interval, None);
    }
}
