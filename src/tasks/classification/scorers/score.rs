//! The metrics of a task's predictions.
//!
//! As in the reference's `finetune/classification/classification_metrics.py`, but in f64. There the
//! mean squared error is an f32; the two agree to 1e-7.

use super::{
    confusion::Confusion,
    correlation::{mean_squared_error, pearson, spearman},
};
use crate::{
    eval::figures::{Figure, Scores},
    tasks::classification::{
        labels::{Gold, Labels},
        metric::Metric,
    },
};

/// A target, a prediction and its loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marked {
    pub gold: Gold,
    pub predicted: Gold,
    pub loss: f64,
}

impl Metric {
    /// Returns the reference's metrics, in its order: accuracy, mcc, pearson and spearman times
    /// 100; mse and loss as means over the examples, on the scale of 0 to 1.
    pub fn scores(self, marked: &[Marked]) -> Scores {
        let mut scores = Scores::default();
        let mut push = |key: &str, value: f64| scores.push(key, Figure::Value(value));
        match self {
            Self::Accuracy => push("accuracy", 100.0 * accuracy(marked)),
            Self::Matthews => push("mcc", 100.0 * confusion(2, marked).matthews()),
            Self::Correlation => {
                let (gold, predicted) = values(marked);
                push("pearson", 100.0 * pearson(&predicted, &gold));
                push("spearman", 100.0 * spearman(&predicted, &gold));
                push("mse", mean_squared_error(&predicted, &gold));
            }
        }
        let sum: f64 = marked.iter().map(|example| example.loss).sum();
        push("loss", sum / marked.len() as f64);
        scores
    }
}

/// Returns our own metrics, which the reference does not print: for classes `macro_f1`, times 100,
/// and for two classes also `f1` of the second. GLUE calls for the F1 of mrpc and qqp; the
/// reference has a class for it, but no task uses it, and it confuses the number of predictions
/// with that of gold labels.
pub fn own_scores(labels: &Labels, marked: &[Marked]) -> Scores {
    let mut scores = Scores::default();
    if let Labels::Classes(names) = labels {
        let confusion = confusion(names.len(), marked);
        if names.len() == 2 {
            scores.push("f1", Figure::Value(100.0 * confusion.class(1).f1));
        }
        scores.push("macro_f1", Figure::Value(100.0 * confusion.macro_f1()));
    }
    scores
}

/// Returns the confusion matrix of `classes` classes.
///
/// # Panics
/// If a class is not below `classes`.
pub fn confusion(classes: usize, marked: &[Marked]) -> Confusion {
    Confusion::of(
        classes,
        marked
            .iter()
            .filter_map(|example| match (example.gold, example.predicted) {
                (Gold::Class(gold), Gold::Class(predicted)) => Some((gold, predicted)),
                _ => None,
            }),
    )
}

fn accuracy(marked: &[Marked]) -> f64 {
    let right = marked
        .iter()
        .filter(|example| example.gold == example.predicted);
    right.count() as f64 / marked.len() as f64
}

/// Returns the gold and the predicted numbers.
fn values(marked: &[Marked]) -> (Vec<f64>, Vec<f64>) {
    let pairs = marked
        .iter()
        .filter_map(|example| match (example.gold, example.predicted) {
            (Gold::Value(gold), Gold::Value(predicted)) => {
                Some((f64::from(gold), f64::from(predicted)))
            }
            _ => None,
        });
    pairs.unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(pairs: &[(u32, u32)]) -> Vec<Marked> {
        let marked = pairs.iter().map(|&(gold, predicted)| Marked {
            gold: Gold::Class(gold),
            predicted: Gold::Class(predicted),
            loss: 0.5,
        });
        marked.collect()
    }

    fn shown(scores: &Scores) -> Vec<(&str, f64)> {
        scores
            .iter()
            .map(|(key, figure)| (key, figure.value()))
            .collect()
    }

    #[test]
    fn figures_come_in_the_reference_s_order() {
        let marked = classes(&[(0, 0), (1, 1), (1, 0), (0, 0)]);
        let scores = Metric::Accuracy.scores(&marked);
        assert_eq!(shown(&scores), [("accuracy", 75.0), ("loss", 0.5)]);
        let scores = Metric::Matthews.scores(&marked);
        assert_eq!(shown(&scores)[0].0, "mcc");
        let values = [(0.0, 0.5), (0.5, 0.5), (1.0, 0.5)].map(|(gold, predicted)| Marked {
            gold: Gold::Value(gold),
            predicted: Gold::Value(predicted),
            loss: 0.25,
        });
        let scores = Metric::Correlation.scores(&values);
        let keys: Vec<&str> = scores.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["pearson", "spearman", "mse", "loss"]);
        assert!(scores.get("pearson").unwrap().is_nan());
    }

    #[test]
    fn our_own_figures_know_precision_from_recall() {
        let marked = classes(&[(1, 1), (1, 0), (1, 0), (0, 0)]);
        let labels = Labels::Classes(["0", "1"].map(str::to_owned).into());
        let scores = own_scores(&labels, &marked);
        // Precision 1, recall 1/3; and 1/3, 1 for the other class.
        assert_eq!(shown(&scores), [("f1", 50.0), ("macro_f1", 50.0)]);
        let range = Labels::Range { min: 0.0, max: 1.0 };
        assert_eq!(own_scores(&range, &[]).iter().count(), 0);
    }
}
