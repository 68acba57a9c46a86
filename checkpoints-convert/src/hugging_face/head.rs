//! The head of an `ElectraForTokenClassification`: one dense layer on every token's hidden state, as
//! the reference's tagging head is. What `config.json` says of it enters; its task and its labels leave.
//!
//! The task is the one that `finetuning_task` names, which `transformers`' own training scripts write,
//! and `tagging` where it names none. Models of `transformers` are trained with segment 0 on every token
//! of a single text, those of the reference with 1: `tagging_segment` says so of an exported one.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Error;
use super::config::Settings;
use crate::head_shape::{DenseKind, DenseShape};
use crate::names;

/// The class of models whose head is that of a tagging task.
pub(crate) const TAGGING_CLASS: &str = "ElectraForTokenClassification";
/// The task of such a head where nothing names it.
const TAGGING: &str = "tagging";

/// The task of the model's head; `None` where it has no head that the reference has.
pub(super) fn task(settings: &Settings) -> Option<String> {
    let classes = settings.architectures.as_array()?;
    if !classes.iter().any(|class| class == TAGGING_CLASS) {
        return None;
    }
    let named = settings.finetuning_task.as_str();
    let task = named.filter(|name| names::is_task_name(name));
    Some(task.unwrap_or(TAGGING).to_owned())
}

/// What to say of a task's name that is not taken.
pub(super) fn warning(settings: &Settings) -> Option<String> {
    let task = task(settings)?;
    let named = &settings.finetuning_task;
    (!named.is_null() && named != task.as_str()).then(|| {
        format!(
            "\"finetuning_task\" is {named}, which is no task's name (letters, digits, _ and -); \
             the head is called {task:?}"
        )
    })
}

/// Puts the labels and the segment into the shape of the head; `file` is the configuration, as errors call it.
///
/// # Errors
/// The labels are not those of so many outputs, or the segment is none.
pub(super) fn apply(settings: &Settings, file: &str, head: &mut DenseShape) -> Result<(), Error> {
    head.kind = Some(DenseKind::Tagging);
    head.labels = labels(settings, file, head.outputs)?;
    head.segment = segment(settings, file)?;
    Ok(())
}

/// The segment that the head was trained with; `None` for the reference's.
fn segment(settings: &Settings, file: &str) -> Result<Option<u8>, Error> {
    let stated = &settings.tagging_segment;
    match stated.as_u64() {
        Some(1) => Ok(None),
        Some(0) => Ok(Some(0)),
        None if stated.is_null() => Ok(Some(0)),
        _ => Err(Error::Setting {
            file: file.into(),
            key: "tagging_segment",
            found: stated.to_string(),
            expected: "expected 0 or 1, the token_type_ids that the head was trained with".into(),
        }),
    }
}

/// The labels in the order of their numbers; `None` where nobody gave them names.
fn labels(settings: &Settings, file: &str, outputs: usize) -> Result<Option<Vec<String>>, Error> {
    let wrong = |found: String| Error::Setting {
        file: file.into(),
        key: "id2label",
        found,
        expected: format!(
            "expected the numbers from 0 to {}, one for each row of classifier.weight, each with a \
             label of its own",
            outputs - 1
        ),
    };
    let map = match &settings.id2label {
        Value::Null => return Ok(None),
        Value::Object(map) if map.len() == outputs => map,
        Value::Object(map) => return Err(wrong(format!("a map of {}", map.len()))),
        _ => return Err(wrong("no map".into())),
    };
    let labels: Vec<String> = (0..outputs)
        .map(|number| {
            let label = map.get(&number.to_string()).and_then(Value::as_str);
            label
                .map(str::to_owned)
                .ok_or_else(|| wrong(format!("a map without a text for {number}")))
        })
        .collect::<Result<_, Error>>()?;
    let mut seen = BTreeSet::new();
    if let Some(label) = labels.iter().find(|&label| !seen.insert(label)) {
        return Err(wrong(format!("a map with {label:?} twice")));
    }
    let is_unnamed = (0..outputs).map(placeholder).eq(labels.iter().cloned());
    Ok((!is_unnamed).then_some(labels))
}

/// The label that `transformers` gives an output which has no name.
pub(crate) fn placeholder(output: usize) -> String {
    format!("LABEL_{output}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(mut config: Value) -> Settings {
        config["model_type"] = json!("electra");
        Settings::parse("c", config.to_string().as_bytes()).unwrap()
    }

    fn tagging(id2label: Value) -> Settings {
        settings(json!({"architectures": [TAGGING_CLASS], "id2label": id2label}))
    }

    #[test]
    fn the_task_is_the_one_that_the_configuration_names() {
        let class = json!([TAGGING_CLASS]);
        for (config, expected, warned) in [
            (json!({"architectures": class}), Some("tagging"), false),
            (
                json!({"architectures": class, "finetuning_task": "ner"}),
                Some("ner"),
                false,
            ),
            (
                json!({"architectures": class, "finetuning_task": "conll/03"}),
                Some("tagging"),
                true,
            ),
            (
                json!({"architectures": class, "finetuning_task": 3}),
                Some("tagging"),
                true,
            ),
            (json!({"finetuning_task": "ner"}), None, false),
            (
                json!({"architectures": ["ElectraForMultipleChoice"], "finetuning_task": "/"}),
                None,
                false,
            ),
            (json!({"architectures": TAGGING_CLASS}), None, false),
        ] {
            let settings = settings(config);
            assert_eq!(task(&settings).as_deref(), expected);
            assert_eq!(warning(&settings).is_some(), warned);
        }
    }

    #[test]
    fn labels_come_in_the_order_of_their_numbers() {
        let mut map = json!({});
        for number in (0..11).rev() {
            map[number.to_string()] = json!(format!("B-{number}"));
        }
        let mut head = DenseShape::new(11);
        apply(&tagging(map), "c", &mut head).unwrap();
        assert_eq!(head.kind, Some(DenseKind::Tagging));
        let labels = head.labels.unwrap();
        assert_eq!((&*labels[2], &*labels[10]), ("B-2", "B-10"));
        for unnamed in [Value::Null, json!({"0": "LABEL_0", "1": "LABEL_1"})] {
            let mut head = DenseShape::new(2);
            apply(&tagging(unnamed), "c", &mut head).unwrap();
            assert_eq!(head.labels, None);
        }
    }

    #[test]
    fn the_segment_is_that_of_transformers_unless_it_is_stated() {
        let segment = |stated: Value| {
            let config = json!({"architectures": [TAGGING_CLASS], "tagging_segment": stated});
            let mut head = DenseShape::new(2);
            let applied = apply(&settings(config), "c", &mut head);
            applied.map(|()| head.segment).map_err(|e| e.to_string())
        };
        assert_eq!(segment(Value::Null), Ok(Some(0)));
        assert_eq!(segment(json!(0)), Ok(Some(0)));
        assert_eq!(segment(json!(1)), Ok(None));
        for wrong in [json!(2), json!("1"), json!(-1)] {
            let error = segment(wrong).unwrap_err();
            assert!(error.starts_with("c: \"tagging_segment\" is "), "{error}");
        }
    }

    #[test]
    fn labels_that_are_not_those_of_the_outputs_are_refused() {
        for (map, expected) in [
            (
                json!(["a", "b"]),
                "\"id2label\" is no map; expected the numbers from 0 to 1, one for each row of classifier.weight",
            ),
            (json!({"0": "a"}), "\"id2label\" is a map of 1; "),
            (json!({"0": "a", "2": "b"}), "without a text for 1; "),
            (json!({"0": "a", "1": 7}), "without a text for 1; "),
            (json!({"0": "a", "1": "a"}), "with \"a\" twice; "),
        ] {
            let error = apply(&tagging(map), "c", &mut DenseShape::new(2)).unwrap_err();
            let error = error.to_string();
            assert!(
                error.starts_with("c: ") && error.contains(expected),
                "{error}"
            );
        }
    }
}
