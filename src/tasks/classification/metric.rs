//! The metrics of a task.

/// The metrics of a task, in the reference's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Accuracy and loss.
    Accuracy,
    /// Matthews correlation and loss, for two classes.
    Matthews,
    /// Pearson's and Spearman's correlation, mean squared error and loss.
    Correlation,
}
