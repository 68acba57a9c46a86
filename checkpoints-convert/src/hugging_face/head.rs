//! Identifies the head of a model of `transformers` from `config.json` and the names of the
//! tensors: its task, its labels and what its outputs mean.
//!
//! `transformers` trains models with segment 0 on every token of a single text, the reference
//! trains tagging with segment 1; `tagging_segment` records it in an exported model.

use std::collections::BTreeSet;

use serde_json::Value;

use super::class::Class;
use super::config::Settings;
use super::{Error, Placed, names, qa_outputs, task_name};
use crate::config_file::THRESHOLD;
use crate::head_shape::{DenseKind, DenseShape};

/// The head of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub class: Class,
    pub task: String,
    /// What the outputs of a dense head mean.
    kind: Option<DenseKind>,
}

/// The result of looking for a head.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    pub head: Option<Head>,
    /// What a user should know about it.
    pub warnings: Vec<String>,
}

/// Finds the model's head; tensors that hold several layers are split.
pub(super) fn find(settings: &Settings, tensors: &mut Vec<Placed>) -> Found {
    let class = {
        let names = tensors.iter().map(|placed| placed.variable.name.as_str());
        Class::of(&settings.architectures, names)
    };
    let Some(class) = class else {
        return Found::default();
    };
    let left_out = |why: String| Found {
        head: None,
        warnings: vec![format!(
            "the head of {} is left out and the encoder alone converted: {why}",
            class.name()
        )],
    };
    let (kind, labels) = match class {
        Class::Questions => match qa_outputs::part(tensors) {
            Ok(()) => (None, None),
            Err(why) => return left_out(why),
        },
        Class::Texts => {
            let outputs = outputs(tensors);
            match kind_of_text(settings, outputs) {
                // Missing or invalid labels are reported where they are needed.
                Ok(kind) => (Some(kind), labels(settings, "", class, outputs).ok()),
                Err(why) => return left_out(why),
            }
        }
        Class::Words => (Some(DenseKind::Tagging), None),
    };
    let labels = labels.flatten();
    let (task, warning) = task_name::of(&settings.finetuning_task, kind, labels.as_deref());
    Found {
        head: Some(Head { class, task, kind }),
        warnings: warning.into_iter().collect(),
    }
}

/// Returns the number of outputs of a text head's last layer; 0 if the layer is missing, which
/// makes the head incomplete.
fn outputs(tensors: &[Placed]) -> usize {
    let mut variables = tensors.iter().map(|placed| &placed.variable);
    let last = variables.find(|variable| variable.name == names::LAST_OF_TEXTS);
    let rows = last.and_then(|variable| variable.shape.first());
    rows.map_or(0, |&rows| usize::try_from(rows).unwrap_or(usize::MAX))
}

/// Infers what the outputs of a text head mean, as `transformers` does.
///
/// # Errors
/// The reason, as text, if no head here computes the same.
fn kind_of_text(settings: &Settings, outputs: usize) -> Result<DenseKind, String> {
    let stated = &settings.problem_type;
    match stated.as_str() {
        None if stated.is_null() && outputs == 1 => Ok(DenseKind::Regression),
        None if stated.is_null() => Ok(DenseKind::Classification),
        Some("single_label_classification") => Ok(DenseKind::Classification),
        Some("regression") if outputs <= 1 => Ok(DenseKind::Regression),
        Some("regression") => Err(format!(
            "it gives {outputs} numbers (\"problem_type\" is \"regression\"), a head here gives one"
        )),
        Some("multi_label_classification") => Err(
            "a text may have several labels (\"problem_type\" is \"multi_label_classification\"), \
             from a head here it has one"
                .into(),
        ),
        _ => Err(format!(
            "\"problem_type\" is {stated}; expected \"single_label_classification\" or \"regression\""
        )),
    }
}

impl Head {
    /// Returns the reference's name of a tensor of the head; if the reference has no such head, our
    /// own.
    pub fn reference(&self, name: &str) -> Option<String> {
        match self.class {
            Class::Questions => qa_outputs::reference(name, &self.task),
            Class::Texts | Class::Words => names::head_reference(name, &self.task, self.class),
        }
    }

    /// Applies `config.json` to the shape of the head; `file` is its name in error messages.
    ///
    /// # Errors
    /// If the labels do not match the number of outputs, or the segment is invalid.
    pub fn apply(
        &self,
        settings: &Settings,
        file: &str,
        head: &mut DenseShape,
    ) -> Result<(), Error> {
        head.kind = self.kind;
        match self.kind {
            Some(DenseKind::Tagging) => {
                head.labels = labels(settings, file, self.class, head.outputs)?;
                head.segment = segment(settings, file)?;
            }
            Some(DenseKind::Classification) => {
                let named = labels(settings, file, self.class, head.outputs)?;
                // The same placeholders that transformers shows.
                let unnamed = || (0..head.outputs).map(placeholder).collect();
                head.labels = Some(named.unwrap_or_else(unnamed));
            }
            // The output is the value itself: 0 stands for 0, and 1 for 1.
            Some(DenseKind::Regression) => head.range = Some([0.0, 1.0]),
            None => {}
        }
        Ok(())
    }

    /// Returns the no-answer threshold of a question-answering head, on the scale of its own score:
    /// the one that an exported model states, or that of `transformers`' scripts.
    ///
    /// # Errors
    /// If it is not a number.
    pub fn threshold(&self, settings: &Settings, file: &str) -> Result<Option<f64>, Error> {
        let stated = &settings.qa_na_threshold;
        match self.class {
            Class::Questions if stated.is_null() => Ok(Some(0.0)),
            Class::Questions => match stated.as_f64() {
                Some(number) => Ok(Some(number)),
                None => Err(Error::Setting {
                    file: file.into(),
                    key: THRESHOLD,
                    found: stated.to_string(),
                    expected: "expected a number, the score above which a question has no answer"
                        .into(),
                }),
            },
            Class::Texts | Class::Words => Ok(None),
        }
    }
}

/// Returns the segment id that the head was trained with; `None` for the reference's.
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

/// Returns the labels in the order of their ids; `None` if they have no names.
fn labels(
    settings: &Settings,
    file: &str,
    class: Class,
    outputs: usize,
) -> Result<Option<Vec<String>>, Error> {
    let wrong = |found: String| Error::Setting {
        file: file.into(),
        key: "id2label",
        found,
        expected: format!(
            "expected the numbers from 0 to {}, one for each row of {}, each with a label of its own",
            outputs.saturating_sub(1),
            names::last(class)
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

/// Returns the label that `transformers` gives an output without a name.
pub(crate) fn placeholder(output: usize) -> String {
    format!("LABEL_{output}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tensor::{DType, Variable};

    fn settings(mut config: Value) -> Settings {
        config["model_type"] = json!("electra");
        Settings::parse("c", config.to_string().as_bytes()).unwrap()
    }

    fn of(class: Class, mut config: Value) -> Settings {
        config["architectures"] = json!([class.name()]);
        settings(config)
    }

    /// Returns a last layer with `outputs` outputs.
    fn texts(outputs: u64) -> Vec<Placed> {
        vec![Placed {
            variable: Variable {
                name: names::LAST_OF_TEXTS.into(),
                dtype: DType::F32,
                shape: vec![outputs, 8],
                shard: 0,
                offset: 0,
                size: 32 * outputs,
                crc32c: None,
            },
            column_major: false,
        }]
    }

    fn applied(settings: &Settings, outputs: usize) -> Result<DenseShape, String> {
        let mut tensors = texts(outputs as u64);
        let head = find(settings, &mut tensors).head.unwrap();
        let mut shape = DenseShape::new(outputs);
        let applied = head.apply(settings, "c", &mut shape);
        applied.map(|()| shape).map_err(|error| error.to_string())
    }

    #[test]
    fn the_task_is_the_one_that_the_configuration_names() {
        let class = json!([Class::Words.name()]);
        for (config, expected, warned) in [
            (json!({"architectures": class}), Some("tagging"), false),
            (
                json!({"architectures": class, "finetuning_task": "ner"}),
                Some("ner"),
                false,
            ),
            (
                json!({"architectures": class, "finetuning_task": "chunk"}),
                Some("chunk"),
                false,
            ),
            (
                json!({"architectures": class, "finetuning_task": "conll/03"}),
                Some("tagging"),
                true,
            ),
            (
                json!({"architectures": class, "finetuning_task": "squad"}),
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
            (json!({"architectures": Class::Words.name()}), None, false),
        ] {
            let found = find(&settings(config), &mut Vec::new());
            assert_eq!(found.head.map(|head| head.task).as_deref(), expected);
            assert_eq!(!found.warnings.is_empty(), warned);
        }
    }

    #[test]
    fn a_head_of_questions_is_squad_s_unless_another_task_of_questions_is_named() {
        for (named, task, warned) in [
            (Value::Null, "squad", false),
            (json!("squadv1"), "squadv1", false),
            (json!("rte"), "squad", true),
            (json!("covid-qa"), "squad", true),
        ] {
            let settings = of(Class::Questions, json!({"finetuning_task": named}));
            let found = find(&settings, &mut Vec::new());
            assert_eq!(found.head.unwrap().task, task);
            assert_eq!(!found.warnings.is_empty(), warned, "{named}");
        }
        let threshold = |stated: Value| {
            let settings = of(Class::Questions, json!({"qa_na_threshold": stated}));
            let head = find(&settings, &mut Vec::new()).head.unwrap();
            head.threshold(&settings, "c").map_err(|e| e.to_string())
        };
        assert_eq!(threshold(Value::Null), Ok(Some(0.0)));
        assert_eq!(threshold(json!(-3.5)), Ok(Some(-3.5)));
        let error = threshold(json!("0")).unwrap_err();
        assert!(error.starts_with("c: \"qa_na_threshold\" is "), "{error}");
    }

    #[test]
    fn what_a_head_of_texts_gives_is_what_transformers_takes_it_for() {
        let kind = |problem: Value, outputs| {
            let settings = of(Class::Texts, json!({"problem_type": problem}));
            kind_of_text(&settings, outputs)
        };
        let single = json!("single_label_classification");
        for (problem, outputs, expected) in [
            (Value::Null, 1, DenseKind::Regression),
            (Value::Null, 2, DenseKind::Classification),
            (single.clone(), 1, DenseKind::Classification),
            (single, 3, DenseKind::Classification),
            (json!("regression"), 1, DenseKind::Regression),
        ] {
            assert_eq!(kind(problem, outputs), Ok(expected));
        }
        for (problem, outputs, expected) in [
            (json!("regression"), 2, "it gives 2 numbers"),
            (
                json!("multi_label_classification"),
                2,
                "a text may have several labels",
            ),
            (
                json!("ranking"),
                2,
                "\"problem_type\" is \"ranking\"; expected",
            ),
            (json!(1), 2, "\"problem_type\" is 1; expected"),
        ] {
            let error = kind(problem.clone(), outputs).unwrap_err();
            assert!(error.contains(expected), "{error}");
            let settings = of(Class::Texts, json!({"problem_type": problem}));
            let found = find(&settings, &mut texts(outputs as u64));
            assert_eq!(found.head, None);
            assert!(
                found.warnings[0].starts_with(
                    "the head of ElectraForSequenceClassification is left out and the encoder alone \
                     converted: "
                ),
                "{:?}",
                found.warnings
            );
        }
    }

    #[test]
    fn labels_come_in_the_order_of_their_numbers() {
        let mut map = json!({});
        for number in (0..11).rev() {
            map[number.to_string()] = json!(format!("B-{number}"));
        }
        for (class, kind) in [
            (Class::Words, DenseKind::Tagging),
            (Class::Texts, DenseKind::Classification),
        ] {
            let head = applied(&of(class, json!({"id2label": map})), 11).unwrap();
            assert_eq!(head.kind, Some(kind));
            let labels = head.labels.unwrap();
            assert_eq!((&*labels[2], &*labels[10]), ("B-2", "B-10"));
        }
        for unnamed in [Value::Null, json!({"0": "LABEL_0", "1": "LABEL_1"})] {
            let config = json!({"id2label": unnamed});
            let head = applied(&of(Class::Words, config.clone()), 2).unwrap();
            assert_eq!(head.labels, None);
            let head = applied(&of(Class::Texts, config), 2).unwrap();
            assert_eq!(head.labels.unwrap(), ["LABEL_0", "LABEL_1"]);
        }
        let head = applied(&of(Class::Texts, json!({})), 1).unwrap();
        assert_eq!((head.labels, head.range), (None, Some([0.0, 1.0])));
    }

    #[test]
    fn the_segment_is_that_of_transformers_unless_it_is_stated() {
        let segment = |stated: Value| {
            let settings = of(Class::Words, json!({"tagging_segment": stated}));
            applied(&settings, 2).map(|head| head.segment)
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
            let error = applied(&of(Class::Words, json!({"id2label": map})), 2).unwrap_err();
            assert!(
                error.starts_with("c: ") && error.contains(expected),
                "{error}"
            );
            let error = applied(&of(Class::Texts, json!({"id2label": map})), 2).unwrap_err();
            assert!(!expected.contains("row of") || error.contains(names::LAST_OF_TEXTS));
        }
    }
}
