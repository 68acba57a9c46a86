//! Which figures a task is marked by.

/// The figures of a task, in the reference's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Accuracy and loss.
    Accuracy,
    /// Matthews' correlation and loss, of two classes.
    Matthews,
    /// Pearson's and Spearman's correlation, mean squared error and loss.
    Correlation,
}
