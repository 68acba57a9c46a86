//! Which models give no-answer scores, and why anything that needs them is refused for other
//! models.

use crate::tasks::qa::scorers::metric::Metric;

/// Returns whether a model of `task` gives no-answer scores.
pub fn gives_null_odds(task: &str) -> bool {
    Metric::of_task(task) == Metric::Squad2
}

/// Explains why something that needs no-answer scores is refused; `option` is how it was given.
pub fn needs_null_odds(option: &str, model: &str, task: &str) -> String {
    format!(
        "{option} needs no-answer scores, which {model} does not give: expected a model that was trained \
         on squad, found one of {task}; leave it out"
    )
}
