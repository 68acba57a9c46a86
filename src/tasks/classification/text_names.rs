//! Names of a task's texts for forms and messages.

use super::glue;
use crate::tasks::description::{Column, Description};

/// Returns the name of a task's text, or the names of both texts of a pair. For a user-defined task
/// they are the columns that its description names.
///
/// # Examples
///
/// ```
/// use electra::tasks::classification::text_names::text_names;
///
/// assert_eq!(text_names("mnli", true, None), ["Premise", "Hypothesis"]);
/// assert_eq!(text_names("sst", false, None), ["Sentence"]);
/// assert_eq!(text_names("films", false, None), ["Text"]);
/// ```
pub fn text_names(task: &str, pair: bool, description: Option<&Description>) -> Vec<String> {
    let [single, first, second] = match task {
        "mnli" => ["Text", "Premise", "Hypothesis"],
        "qnli" => ["Text", "Question", "Sentence"],
        "qqp" => ["Text", "Question 1", "Question 2"],
        _ if glue::find(task).is_some() => ["Sentence", "Sentence 1", "Sentence 2"],
        _ => ["Text", "Text 1", "Text 2"],
    };
    let column = |column: Option<&Column>, usual: &str| match column {
        Some(Column::Name(name)) if !name.trim().is_empty() => name.clone(),
        _ => usual.to_owned(),
    };
    let text = description.and_then(|description| description.text.as_ref());
    let text_b = description.and_then(|description| description.text_b.as_ref());
    match pair {
        true => vec![column(text, first), column(text_b, second)],
        false => vec![column(text, single)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_tasks_have_the_names_of_their_columns() {
        let of = |text: &str, pair| {
            let description = Description::parse(text, "task.json").unwrap();
            text_names("mine", pair, Some(&description))
        };
        let both = r#"{"kind": "classification", "text": "review", "text_b": "reply"}"#;
        assert_eq!(of(both, true), ["review", "reply"]);
        let number = r#"{"kind": "regression", "text": 0, "text_b": 3}"#;
        assert_eq!(of(number, true), ["Text 1", "Text 2"]);
        assert_eq!(of(r#"{"kind": "classification"}"#, false), ["Text"]);
        assert_eq!(text_names("sts", true, None), ["Sentence 1", "Sentence 2"]);
    }
}
