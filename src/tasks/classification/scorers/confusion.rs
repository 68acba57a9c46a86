//! Confusion matrix of classes and the metrics derived from it.

use serde::Serialize;

/// Counts of pairs of classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// `[gold][predicted]`.
    pub counts: Vec<Vec<usize>>,
}

/// How well one class is distinguished from the others; from 0 to 1, and 0 if the class was never
/// predicted or does not occur.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ClassFigures {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    /// Number of examples of the class.
    pub support: usize,
}

impl Confusion {
    /// Counts pairs of a gold and a predicted class.
    ///
    /// # Panics
    /// If a class is not below `classes`.
    pub fn of(classes: usize, pairs: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut counts = vec![vec![0; classes]; classes];
        for (gold, predicted) in pairs {
            counts[gold as usize][predicted as usize] += 1;
        }
        Self { counts }
    }

    /// Returns the number of examples.
    pub fn total(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    fn right(&self) -> usize {
        (0..self.counts.len())
            .map(|class| self.counts[class][class])
            .sum()
    }

    /// Returns the share of correct predictions, from 0 to 1.
    pub fn accuracy(&self) -> f64 {
        self.right() as f64 / self.total() as f64
    }

    /// Returns the Matthews correlation coefficient of two classes, from −1 to 1; 0 where it is
    /// undefined, for example if only one class is predicted.
    pub fn matthews(&self) -> f64 {
        let of = |gold: usize, predicted: usize| -> f64 {
            let row = self.counts.get(gold);
            row.and_then(|row| row.get(predicted))
                .map_or(0.0, |&count| count as f64)
        };
        let (tn, fp, fn_, tp) = (of(0, 0), of(0, 1), of(1, 0), of(1, 1));
        let denominator = ((tp + fp) * (tp + fn_) * (tn + fp) * (tn + fn_)).sqrt();
        match denominator > 0.0 {
            true => (tp * tn - fp * fn_) / denominator,
            false => 0.0,
        }
    }

    /// Returns the metrics of a class.
    pub fn class(&self, class: usize) -> ClassFigures {
        let right = self.counts[class][class];
        let support = self.counts[class].iter().sum();
        let predicted = self.counts.iter().map(|row| row[class]).sum();
        let share = |of: usize| match of {
            0 => 0.0,
            of => right as f64 / of as f64,
        };
        let (precision, recall) = (share(predicted), share(support));
        ClassFigures {
            precision,
            recall,
            f1: match right {
                0 => 0.0,
                _ => 2.0 * precision * recall / (precision + recall),
            },
            support,
        }
    }

    /// Returns the mean of all classes' F1.
    pub fn macro_f1(&self) -> f64 {
        let classes = self.counts.len();
        (0..classes).map(|class| self.class(class).f1).sum::<f64>() / classes as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_classes() {
        let pairs = [(0, 0), (0, 1), (1, 1), (1, 1), (1, 0), (2, 1)];
        let confusion = Confusion::of(3, pairs);
        assert_eq!(
            confusion.counts,
            [vec![1, 1, 0], vec![1, 2, 0], vec![0, 1, 0]]
        );
        assert_eq!((confusion.total(), confusion.accuracy()), (6, 0.5));
        let one = confusion.class(1);
        assert_eq!((one.precision, one.support), (0.5, 3));
        assert!((one.recall - 2.0 / 3.0).abs() < 1e-15);
        assert!((one.f1 - 4.0 / 7.0).abs() < 1e-15);
        // Never predicted.
        assert_eq!(
            (confusion.class(2).f1, confusion.class(2).precision),
            (0.0, 0.0)
        );
        assert!((confusion.macro_f1() - (0.5 + 4.0 / 7.0) / 3.0).abs() < 1e-15);
    }

    #[test]
    fn matthews_is_0_where_it_is_undefined() {
        assert_eq!(Confusion::of(2, [(0, 1), (1, 1)]).matthews(), 0.0);
        assert_eq!(Confusion::of(2, [(1, 1)]).matthews(), 0.0);
        assert_eq!(Confusion::of(2, [(0, 0), (1, 1)]).matthews(), 1.0);
        assert_eq!(Confusion::of(2, [(0, 1), (1, 0)]).matthews(), -1.0);
    }
}
