//! Names the task of a head, from `config.json` and the head itself.
//!
//! The name is that in `finetuning_task`, which `transformers`' own training scripts write, if this
//! project's task of that name has a head of this kind with the same labels; otherwise a generic
//! name for the kind of head.

use serde_json::Value;

use crate::head_shape::DenseKind;
use crate::names;

/// Returns the task of a head, and a warning if the stated name is not used; a `kind` of `None`
/// means a question-answering head.
pub(super) fn of(
    stated: &Value,
    kind: Option<DenseKind>,
    labels: Option<&[String]>,
) -> (String, Option<String>) {
    let default = match kind {
        None => "squad",
        Some(DenseKind::Classification) => "classification",
        Some(DenseKind::Regression) => "regression",
        Some(DenseKind::Tagging) => "tagging",
    };
    let Some(name) = stated.as_str().filter(|name| names::is_task_name(name)) else {
        let warning = (!stated.is_null()).then(|| {
            format!(
                "\"finetuning_task\" is {stated}, which is not a task name (letters, digits, _ and -); the \
                 head is called {default:?}"
            )
        });
        return (default.into(), warning);
    };
    match why_not(name, kind, labels) {
        None => (name.into(), None),
        Some(why) => {
            let warning =
                format!("\"finetuning_task\" is {name:?}, {why}; the head is called {default:?}");
            (default.into(), Some(warning))
        }
    }
}

/// Returns why a head of this kind cannot be the head of the task with this name; a run identifies
/// tasks by name.
fn why_not(name: &str, kind: Option<DenseKind>, labels: Option<&[String]>) -> Option<String> {
    if kind.is_none() != names::is_of_questions(name) {
        return Some(match kind {
            None => "which is no task of questions here".into(),
            Some(_) => "which is a task of questions here".into(),
        });
    }
    if name == "sts" && kind.is_some() {
        return Some("whose head here gives 0 to 1 for the scores 0 to 5".into());
    }
    let other = names::dense_kind(name, 1).filter(|&known| Some(known) != kind);
    if let Some(known) = other {
        return Some(format!("which is a task of {} here", known.word()));
    }
    let classes = names::classes(name)?;
    let is_equal = labels.is_some_and(|labels| labels.iter().eq(classes));
    (!is_equal).then(|| {
        format!(
            "whose labels here are {}, in this order",
            classes.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_task_of_the_reference_is_taken_only_with_its_own_labels() {
        let task = |name: &str, labels: &[&str]| {
            let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
            let kind = Some(DenseKind::Classification);
            let (task, warning) = of(&json!(name), kind, Some(&labels));
            (task, warning.unwrap_or_default())
        };
        let nothing = String::new();
        assert_eq!(
            task("rte", &["entailment", "not_entailment"]),
            ("rte".into(), nothing.clone())
        );
        assert_eq!(task("mine", &["b", "a"]), ("mine".into(), nothing));
        for (name, labels, expected) in [
            (
                "mnli",
                &["entailment", "neutral", "contradiction"][..],
                "\"finetuning_task\" is \"mnli\", whose labels here are contradiction, entailment, \
                 neutral, in this order; the head is called \"classification\"",
            ),
            (
                "sst",
                &["negative", "positive"],
                "whose labels here are 0, 1",
            ),
            ("chunk", &["a", "b"], "which is a task of tagging here"),
            ("squad", &["a", "b"], "which is a task of questions here"),
        ] {
            let (found, warning) = task(name, labels);
            assert_eq!(found, "classification");
            assert!(warning.contains(expected), "{warning}");
        }
        let (found, warning) = of(&json!("sts"), Some(DenseKind::Regression), None);
        assert_eq!(found, "regression");
        assert!(warning.unwrap().contains("0 to 1 for the scores 0 to 5"));
        assert_eq!(of(&Value::Null, None, None), ("squad".into(), None));
    }
}
