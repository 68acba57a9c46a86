//! Errors of predicted numbers.

use crate::tasks::classification::{
    labels::{Gold, Labels},
    scorers::score::Marked,
};

/// Correct and predicted numbers on the scale of the labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Residuals {
    /// Correct, predicted.
    pub pairs: Vec<(f64, f64)>,
    /// The smallest and largest label.
    pub range: [f64; 2],
}

impl Residuals {
    pub fn of(labels: &Labels, marked: &[Marked]) -> Self {
        let pairs = marked
            .iter()
            .filter_map(|marked| match (marked.gold, marked.predicted) {
                (Gold::Value(gold), Gold::Value(predicted)) => {
                    Some((labels.on_scale(gold), labels.on_scale(predicted)))
                }
                _ => None,
            });
        let range = match labels {
            Labels::Range { min, max } => [*min, *max],
            Labels::Classes(_) => [0.0, 1.0],
        };
        Self {
            pairs: pairs.collect(),
            range,
        }
    }

    /// Iterates over predicted − correct.
    pub fn values(&self) -> impl Iterator<Item = f64> {
        self.pairs.iter().map(|(gold, predicted)| predicted - gold)
    }

    fn mean(&self, of: impl Fn(f64) -> f64) -> f64 {
        self.values().map(of).sum::<f64>() / self.pairs.len() as f64
    }

    /// Returns the mean absolute error.
    pub fn mean_absolute(&self) -> f64 {
        self.mean(f64::abs)
    }

    /// Returns the mean error: above 0 if the predictions are too high.
    pub fn bias(&self) -> f64 {
        self.mean(|difference| difference)
    }

    /// Returns the root mean square error.
    pub fn root_mean_square(&self) -> f64 {
        self.mean(|difference| difference * difference).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_on_the_scale_of_the_labels() {
        let labels = Labels::Range { min: 1.0, max: 5.0 };
        let marked = [(0.0, 0.25), (0.5, 0.5), (1.0, 0.25)].map(|(gold, predicted)| Marked {
            gold: Gold::Value(gold),
            predicted: Gold::Value(predicted),
            loss: 0.0,
        });
        let residuals = Residuals::of(&labels, &marked);
        assert_eq!(residuals.pairs, [(1.0, 2.0), (3.0, 3.0), (5.0, 2.0)]);
        assert_eq!(residuals.values().collect::<Vec<_>>(), [1.0, 0.0, -3.0]);
        assert_eq!(residuals.mean_absolute(), 4.0 / 3.0);
        assert_eq!(residuals.bias(), -2.0 / 3.0);
        assert_eq!(residuals.root_mean_square(), (10.0_f64 / 3.0).sqrt());
    }
}
